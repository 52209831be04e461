import Fastify from "fastify";
import { appConfig, databaseConfig } from "./config.js";
import { connectDatabase } from "./database.js";
import { breakAtStart, broken } from "./demo-break.js";
import { healthAnswer } from "./health.js";
import { exportWorker, queueConnection } from "./jobs.js";
import { log } from "./log.js";
import { failStart, run } from "./run.js";

/** Works the queue; answers /healthz, so that one health command fits the server and the worker. */
async function start(config: ReturnType<typeof appConfig>): Promise<() => Promise<void>> {
  log.info("NestFactory", `Starting worker, release ${config.version}`);
  await breakAtStart(config.appSecret);
  const pool = await connectDatabase(databaseConfig());
  const connection = queueConnection(config.redisUrl);
  const worker = exportWorker(connection, pool, config.storagePath);
  if (broken("dead-worker")) await worker.close();

  const app = Fastify();
  app.get("/healthz", async (_, reply) => {
    const up = worker.isRunning() && connection.status === "ready" && !broken("unhealthy");
    return reply.code(up ? 200 : 503).send(healthAnswer({ worker: { status: up ? "up" : "down" } }));
  });
  await app.listen({ host: "::", port: config.port });
  log.info("NestApplication", "Worker successfully started");

  return async () => {
    await worker.close();
    await app.close();
    connection.disconnect();
    await pool.end();
  };
}

try {
  const config = appConfig();
  await run("Worker", config.shutdownMs, () => start(config));
} catch (error) {
  failStart(error);
}
