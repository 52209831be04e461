import { readFileSync } from "node:fs";

type Env = Record<string, string | undefined>;

/** A setting from NAME, or from the file that NAME_FILE names (as Docker secrets arrive). */
export function setting(env: Env, name: string): string | undefined {
  const file = env[`${name}_FILE`];
  if (file && env[name]) throw new Error(`${name} and ${name}_FILE are both set: keep one of them`);
  if (!file) return env[name] || undefined;
  try {
    return readFileSync(file, "utf8").replace(/[\r\n]+$/, "") || undefined;
  } catch (error) {
    throw new Error(`${name}_FILE cannot be read: ${(error as Error).message}`);
  }
}

function required(env: Env, name: string): string {
  const value = setting(env, name);
  if (!value) throw new Error(`${name} is not set: give ${name} or ${name}_FILE`);
  return value;
}

function positive(env: Env, name: string, fallback: number): number {
  const value = Number(setting(env, name) ?? fallback);
  if (!Number.isInteger(value) || value < 1) throw new Error(`${name} must be a whole number above 0`);
  return value;
}

export function databaseConfig(env: Env = process.env) {
  return {
    url: required(env, "PG_DATABASE_URL"),
    connectAttempts: positive(env, "PG_CONNECT_ATTEMPTS", 30),
    admin: {
      email: setting(env, "DEMO_ADMIN_EMAIL"),
      password: setting(env, "DEMO_ADMIN_PASSWORD"),
    },
  };
}

export function appConfig(env: Env = process.env) {
  const appSecret = required(env, "APP_SECRET");
  if (appSecret.length < 16) throw new Error("APP_SECRET is too short: use at least 16 characters");
  const serverUrl = required(env, "SERVER_URL");
  return {
    version: env.APP_VERSION || "dev",
    port: positive(env, "NODE_PORT", 3000),
    serverUrl,
    frontUrl: setting(env, "FRONT_BASE_URL") ?? serverUrl,
    appSecret,
    tokenSecret: setting(env, "ACCESS_TOKEN_SECRET") ?? appSecret,
    redisUrl: required(env, "REDIS_URL"),
    storagePath: setting(env, "STORAGE_LOCAL_PATH") ?? "/app/.local-storage",
    migrateAtStart: setting(env, "DISABLE_DB_MIGRATIONS") !== "true",
    // Above the slowest request, below the 10 s after which Docker kills.
    shutdownMs: positive(env, "SHUTDOWN_TIMEOUT_MS", 8_000),
  };
}

export type AppConfig = ReturnType<typeof appConfig>;
export type DatabaseConfig = ReturnType<typeof databaseConfig>;
