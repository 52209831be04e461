import closeWithGrace from "close-with-grace";
import { log, reason } from "./log.js";

type Stop = () => Promise<void>;

/** Runs a process until SIGTERM, then stops it in order: what is in flight is finished first. */
export async function run(name: string, shutdownMs: number, start: () => Promise<Stop>): Promise<void> {
  let stop: Stop = async () => {};
  // Before the start, because PID 1 of a container gets no default action for SIGTERM.
  closeWithGrace({ delay: shutdownMs, logger: false }, async ({ signal, err }) => {
    if (err) log.error("ExceptionsHandler", reason(err));
    log.info("NestApplication", `${name} stops${signal ? ` on ${signal}` : ""}`);
    await stop();
    log.info("NestApplication", `${name} stopped`);
  });
  stop = await start();
}

/** A start that fails says why in one line. */
export function failStart(error: unknown): never {
  log.error("ExceptionHandler", reason(error));
  process.exit(1);
}
