import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import type { DatabaseConfig } from "./config.js";
import { log, reason } from "./log.js";

/** A pool whose database answers: a database that is still starting is waited for. */
export async function connectDatabase(config: DatabaseConfig): Promise<pg.Pool> {
  const pool = new pg.Pool({
    connectionString: config.url,
    connectionTimeoutMillis: 3_000,
    query_timeout: 10_000,
  });
  pool.on("error", (error) => log.error("TypeOrmModule", `Idle connection lost: ${reason(error)}`));
  for (let attempt = 1; ; attempt++) {
    try {
      await pool.query("SELECT 1");
      return pool;
    } catch (error) {
      const message = `Unable to connect to the database: ${reason(error)}.`;
      if (attempt >= config.connectAttempts) throw new Error(message);
      log.error("TypeOrmModule", `${message} Retrying (${attempt})...`);
      await sleep(1_000);
    }
  }
}
