import type { Queue } from "bullmq";
import type { Redis } from "ioredis";
import type pg from "pg";
import { reason } from "./log.js";

type Check = { status: "up" | "down"; message?: string };

async function check(probe: () => Promise<unknown>): Promise<Check> {
  try {
    await probe();
    return { status: "up" };
  } catch (error) {
    return { status: "down", message: reason(error) };
  }
}

/** The answer of NestJS's health module: what is up in `info`, what is down in `error`, all in `details`. */
export function healthAnswer(details: Record<string, Check>) {
  const pick = (status: Check["status"]) =>
    Object.fromEntries(Object.entries(details).filter(([, value]) => value.status === status));
  const error = pick("down");
  return { status: Object.keys(error).length ? "error" : "ok", info: pick("up"), error, details };
}

export async function health({ pool, redis, exports }: { pool: pg.Pool; redis: Redis; exports: Queue }) {
  const [database, sessions] = await Promise.all([check(() => pool.query("SELECT 1")), check(() => redis.ping())]);
  // A release's worker starts after its server is healthy, so a missing one is told and not held against the server.
  const workers = sessions.status === "up" ? await exports.getWorkersCount().catch(() => 0) : 0;
  return { ...healthAnswer({ database, redis: sessions }), workers };
}
