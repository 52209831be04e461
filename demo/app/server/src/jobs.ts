import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import type pg from "pg";
import { log, reason } from "./log.js";

const QUEUE = "exports";

/** BullMQ blocks on Redis and must not give up: it brings its own retry. */
export function queueConnection(url: string): Redis {
  const redis = new Redis(url, { maxRetriesPerRequest: null });
  redis.on("error", (error) => log.error("Redis", `Connection failed: ${reason(error)}`));
  return redis;
}

export function exportQueue(connection: Redis): Queue {
  return new Queue(QUEUE, {
    connection,
    defaultJobOptions: { removeOnComplete: { age: 3600 }, removeOnFail: { age: 86_400 }, attempts: 3 },
  });
}

export function exportFile(storage: string, job: string): string {
  return join(storage, "exports", `${job}.csv`);
}

export function csv(rows: string[][]): string {
  const cell = (value: string) => (/[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

export function exportWorker(connection: Redis, pool: pg.Pool, storage: string): Worker {
  const worker = new Worker(
    QUEUE,
    async (job) => {
      const people = await pool.query<{ name: string; email: string; company: string }>(
        `SELECT people.name, email, coalesce(companies.name, '') AS company
         FROM people LEFT JOIN companies ON companies.id = company_id ORDER BY email`,
      );
      const file = exportFile(storage, String(job.id));
      await mkdir(join(storage, "exports"), { recursive: true });
      // Written beside and renamed, so that a download never meets half a file.
      await writeFile(`${file}.part`, csv([["name", "email", "company"], ...people.rows.map((row) => [row.name, row.email, row.company])]));
      await rename(`${file}.part`, file);
      log.info("ExportJob", `Export ${job.id} holds ${people.rows.length} people`);
    },
    { connection },
  );
  worker.on("failed", (job, error) => log.error("ExportJob", `Export ${job?.id} failed: ${reason(error)}`));
  worker.on("error", (error) => log.error("ExportJob", reason(error)));
  return worker;
}
