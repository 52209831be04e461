import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import mercurius from "mercurius";
import type pg from "pg";
import { type Sessions, hashPassword, passwordMatches } from "./auth.js";

export const typeDefs = `
  type Session { accessToken: String! }
  type User { id: ID! email: String! }
  type Company { id: ID! name: String! domain: String! }
  type Person { id: ID! name: String! email: String! company: Company }
  type Export { id: ID! status: String! url: String }

  type Query {
    me: User
    people(search: String, limit: Int = 50): [Person!]!
    companies: [Company!]!
    export(id: ID!): Export
  }
  type Mutation {
    login(email: String!, password: String!): Session!
    logout: Boolean!
    createCompany(name: String!, domain: String!): Company!
    createPerson(name: String!, email: String!, companyId: ID): Person!
    exportPeople: Export!
  }
`;

export interface Services {
  pool: pg.Pool;
  redis: Redis;
  sessions: Sessions;
  exports: Queue;
}

export interface Caller {
  token: string | null;
  userId: string | null;
}

declare module "mercurius" {
  interface MercuriusContext extends Caller {}
}

interface PersonRow {
  company_id: string | null;
}

const { ErrorWithProps } = mercurius;
const failure = (message: string, code: string) => new ErrorWithProps(message, { code }, 200);

// Someone who guesses addresses learns nothing from the time that an answer takes.
const nobody = hashPassword("nobody");

function signedIn(caller: Caller): string {
  if (!caller.userId) throw failure("Log in first", "UNAUTHENTICATED");
  return caller.userId;
}

async function insert<T extends pg.QueryResultRow>(pool: pg.Pool, query: string, values: unknown[]): Promise<T> {
  try {
    return (await pool.query<T>(query, values)).rows[0]!;
  } catch (error) {
    const { code } = error as pg.DatabaseError;
    if (code === "23505") throw failure("There is one like this already", "CONFLICT");
    if (code === "23503" || code === "22P02") throw failure("There is no such company", "BAD_USER_INPUT");
    throw error;
  }
}

export function resolvers({ pool, redis, sessions, exports }: Services) {
  const Query = {
    me: async (_: unknown, __: unknown, caller: Caller) =>
      (await pool.query("SELECT id, email FROM users WHERE id = $1", [caller.userId])).rows[0] ?? null,

    people: async (_: unknown, { search, limit }: { search?: string; limit: number }, caller: Caller) => {
      signedIn(caller);
      const { rows } = await pool.query(
        `SELECT id, name, email, company_id FROM people
         WHERE $1::text IS NULL OR position(lower($1) IN lower(name || ' ' || email)) > 0
         ORDER BY name LIMIT $2`,
        [search ?? null, Math.min(Math.max(limit, 1), 200)],
      );
      return rows;
    },

    companies: async (_: unknown, __: unknown, caller: Caller) => {
      signedIn(caller);
      return (await pool.query("SELECT id, name, domain FROM companies ORDER BY name")).rows;
    },

    export: async (_: unknown, { id }: { id: string }, caller: Caller) => {
      signedIn(caller);
      const job = await exports.getJob(id);
      if (!job) return null;
      const status = await job.getState();
      return { id, status, url: status === "completed" ? `/api/exports/${id}` : null };
    },
  };

  const Mutation = {
    login: async (_: unknown, { email, password }: { email: string; password: string }) => {
      const { rows } = await pool.query("SELECT id, password_hash FROM users WHERE email = $1", [email]);
      const matches = await passwordMatches(password, rows[0]?.password_hash ?? (await nobody));
      if (!rows[0] || !matches) throw failure("Wrong e-mail address or password", "UNAUTHENTICATED");
      return { accessToken: await sessions.open(rows[0].id) };
    },

    logout: async (_: unknown, __: unknown, caller: Caller) => {
      if (caller.token) await sessions.close(caller.token);
      return true;
    },

    createCompany: async (_: unknown, { name, domain }: { name: string; domain: string }, caller: Caller) => {
      signedIn(caller);
      return insert(pool, "INSERT INTO companies (name, domain) VALUES ($1, $2) RETURNING *", [name, domain]);
    },

    createPerson: async (
      _: unknown,
      { name, email, companyId }: { name: string; email: string; companyId?: string },
      caller: Caller,
    ) => {
      signedIn(caller);
      const query = "INSERT INTO people (name, email, company_id) VALUES ($1, $2, $3) RETURNING *";
      const person = await insert<pg.QueryResultRow & { id: string }>(pool, query, [name, email, companyId]);
      await redis.publish("people", JSON.stringify({ type: "person.created", id: person.id }));
      return person;
    },

    exportPeople: async (_: unknown, __: unknown, caller: Caller) => {
      signedIn(caller);
      const job = await exports.add("people", {});
      return { id: job.id, status: "waiting", url: null };
    },
  };

  return { Query, Mutation };
}

/** One query for the companies of all people in an answer. */
export function loaders({ pool }: Services) {
  return {
    Person: {
      company: async (queries: { obj: PersonRow }[]) => {
        const ids = queries.map(({ obj }) => obj.company_id);
        const { rows } = await pool.query("SELECT id, name, domain FROM companies WHERE id = ANY ($1::uuid[])", [ids]);
        const byId = new Map(rows.map((row) => [row.id, row]));
        return ids.map((id) => byId.get(id) ?? null);
      },
    },
  };
}
