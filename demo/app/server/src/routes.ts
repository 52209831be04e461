import { createReadStream } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { FastifyInstance } from "fastify";
import { Redis } from "ioredis";
import type { AppConfig } from "./config.js";
import { broken } from "./demo-break.js";
import { health } from "./health.js";
import { exportFile } from "./jobs.js";
import { log, reason } from "./log.js";
import type { Services } from "./schema.js";

const SLOWEST_MS = 5_000;

export function healthRoutes(app: FastifyInstance, config: AppConfig, services: Services): void {
  const sick = { status: "error", info: {}, error: { app: { status: "down" } }, details: {} };

  // As upstream's: says that the process answers, and nothing about what it depends on.
  app.get("/healthz", async (_, reply) =>
    broken("unhealthy") ? reply.code(503).send(sick) : { status: "ok", info: {}, error: {}, details: {} },
  );
  app.get("/api/health", async (_, reply) => {
    const answer = broken("unhealthy") ? sick : await health(services);
    return reply.code(answer.status === "ok" ? 200 : 503).send({ ...answer, version: config.version });
  });
  app.get("/api/version", async () => ({ version: config.version }));
}

export function apiRoutes(app: FastifyInstance, config: AppConfig, services: Services): void {
  app.get<{ Querystring: { ms?: string } }>("/api/slow", async (request) => {
    const ms = Math.min(Math.max(Number(request.query.ms) || 0, 0), SLOWEST_MS);
    await sleep(ms);
    return { waited: ms, version: config.version };
  });

  app.get<{ Params: { id: string } }>("/api/exports/:id", async (request, reply) => {
    const token = bearer(request.headers.authorization);
    if (!token || !(await services.sessions.user(token))) return reply.code(401).send({ message: "Log in first" });
    const job = await services.exports.getJob(request.params.id);
    if (!job || !(await job.isCompleted())) return reply.code(404).send({ message: "No such export" });
    return reply.type("text/csv; charset=utf-8").send(createReadStream(exportFile(config.storagePath, String(job.id))));
  });

  app.get("/api/ws", { websocket: true }, (socket) => {
    socket.send(JSON.stringify({ type: "hello", version: config.version }));
    socket.on("message", (data) => {
      socket.send(JSON.stringify({ type: "echo", version: config.version, text: data.toString().slice(0, 1_000) }));
    });
  });
}

/** Server-sent events: a tick a second, and every new person whichever release created it. */
export function eventRoutes(app: FastifyInstance, config: AppConfig): void {
  const streams = new Set<(event: string, data: string) => void>();
  const endings = new Set<() => void>();
  const subscriber = new Redis(config.redisUrl);
  subscriber.on("error", (error) => log.error("Redis", `Connection failed: ${reason(error)}`));
  subscriber.on("message", (_, data) => streams.forEach((send) => send("person", data)));
  subscriber.subscribe("people").catch((error) => log.error("Redis", reason(error)));
  const ticks = setInterval(() => streams.forEach((send) => send("tick", JSON.stringify({ at: Date.now() }))), 1_000);

  app.get("/api/events", (request, reply) => {
    reply.hijack();
    const response = reply.raw;
    response.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      "content-type": "text/event-stream",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    });
    const send = (event: string, data: string) => response.write(`event: ${event}\ndata: ${data}\n\n`);
    const end = () => response.end();
    send("hello", JSON.stringify({ version: config.version }));
    streams.add(send);
    endings.add(end);
    request.raw.on("close", () => {
      streams.delete(send);
      endings.delete(end);
    });
  });

  // Streams never end by themselves: a server that stops ends them, and browsers reconnect to the next release.
  app.addHook("preClose", async () => {
    clearInterval(ticks);
    endings.forEach((end) => end());
    subscriber.disconnect();
  });
}

export function bearer(header: string | undefined): string | null {
  return /^Bearer (\S+)$/i.exec(header ?? "")?.[1] ?? null;
}
