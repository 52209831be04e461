import { Redis } from "ioredis";
import { buildApp } from "./app.js";
import { Sessions } from "./auth.js";
import { appConfig, databaseConfig } from "./config.js";
import { connectDatabase } from "./database.js";
import { breakAtStart } from "./demo-break.js";
import { exportQueue, queueConnection } from "./jobs.js";
import { log, reason } from "./log.js";
import { migrate } from "./migrations.js";
import { failStart, run } from "./run.js";

async function start(config: ReturnType<typeof appConfig>): Promise<() => Promise<void>> {
  log.info("NestFactory", `Starting Nest application, release ${config.version}`);
  await breakAtStart(config.appSecret);
  const database = databaseConfig();
  const pool = await connectDatabase(database);
  if (config.migrateAtStart) await migrate(database);

  const redis = new Redis(config.redisUrl, { commandTimeout: 3_000 });
  redis.on("error", (error) => log.error("Redis", `Connection failed: ${reason(error)}`));
  const jobs = queueConnection(config.redisUrl);
  const exports = exportQueue(jobs);
  const sessions = new Sessions(redis, config.tokenSecret);
  const app = await buildApp(config, { pool, redis, sessions, exports });
  await app.listen({ host: "::", port: config.port });
  log.info("NestApplication", "Nest application successfully started");

  return async () => {
    await app.close();
    await exports.close();
    jobs.disconnect();
    redis.disconnect();
    await pool.end();
  };
}

try {
  const config = appConfig();
  await run("Server", config.shutdownMs, () => start(config));
} catch (error) {
  failStart(error);
}
