import { setTimeout as sleep } from "node:timers/promises";
import { log } from "./log.js";

// The ways in which a release of this app can be made to fail, for trials of a deployment.
// `bloat` and `secret-in-image` are made by the Dockerfile.
const MODES = [
  "crash",
  "unhealthy",
  "migration",
  "slow-start",
  "secret-in-log",
  "crash-later",
  "dead-worker",
  "bloat",
  "secret-in-image",
] as const;
type Mode = (typeof MODES)[number];

const chosen = process.env.DEMO_BREAK ?? "";
const seconds = Number(process.env.DEMO_BREAK_SECONDS || 15);

export function broken(mode: Mode): boolean {
  return chosen === mode;
}

/** Applies the breakages that belong to the start of a process. */
export async function breakAtStart(secret: string): Promise<void> {
  if (chosen && !MODES.includes(chosen as Mode)) {
    throw new Error(`DEMO_BREAK=${chosen} is not known: use one of ${MODES.join(", ")}`);
  }
  if (broken("crash")) throw new Error("DEMO_BREAK=crash: the application cannot start");
  if (broken("secret-in-log")) log.info("ConfigService", `Loaded APP_SECRET=${secret}`);
  if (broken("slow-start")) {
    log.info("NestFactory", `DEMO_BREAK=slow-start: waiting ${seconds} s`);
    await sleep(seconds * 1_000);
  }
  if (broken("crash-later")) {
    setTimeout(() => {
      log.error("ExceptionsHandler", "DEMO_BREAK=crash-later: out of luck");
      process.exit(1);
    }, seconds * 1_000).unref();
  }
}
