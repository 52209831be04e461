import { fileURLToPath } from "node:url";
import { runner } from "node-pg-migrate";
import pg from "pg";
import { hashPassword } from "./auth.js";
import type { DatabaseConfig } from "./config.js";
import { broken } from "./demo-break.js";
import { log } from "./log.js";

const directory = fileURLToPath(new URL("../migrations", import.meta.url));

/** Brings the schema up to date, in one transaction and under a lock, so that two processes may start at once. */
export async function migrate(config: DatabaseConfig): Promise<void> {
  // An own connection, since a migration may take longer than the pool lets a query take.
  const client = new pg.Client({ connectionString: config.url });
  await client.connect();
  try {
    const applied = await runner({
      dbClient: client,
      dir: `${directory}/${broken("migration") ? "**/" : ""}*.sql`,
      useGlob: true,
      direction: "up",
      migrationsTable: "migrations",
      singleTransaction: true,
      advisoryLockMode: "wait",
      log: () => {},
    });
    log.info("Migrations", `Migrations applied: ${applied.map(({ name }) => name).join(", ") || "none was missing"}`);
    await createAdmin(client, config.admin);
  } finally {
    await client.end();
  }
}

async function createAdmin(client: pg.Client, { email, password }: DatabaseConfig["admin"]): Promise<void> {
  if (!email || !password) return;
  const { rowCount } = await client.query("SELECT 1 FROM users WHERE email = $1", [email]);
  if (rowCount) return;
  const hash = await hashPassword(password);
  await client.query("INSERT INTO users (email, password_hash) VALUES ($1, $2) ON CONFLICT DO NOTHING", [email, hash]);
  log.info("Migrations", "Administrator created");
}
