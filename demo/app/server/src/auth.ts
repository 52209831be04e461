import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import type { Redis } from "ioredis";
import { SignJWT, jwtVerify } from "jose";

const derive = promisify<string, Buffer, number, Buffer>(scrypt);
const SESSION_SECONDS = 8 * 3600;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return `scrypt:${salt.toString("hex")}:${(await derive(password, salt, 32)).toString("hex")}`;
}

export async function passwordMatches(password: string, stored: string): Promise<boolean> {
  const [, salt = "", hash = ""] = stored.split(":");
  const expected = Buffer.from(hash, "hex");
  const actual = await derive(password, Buffer.from(salt, "hex"), 32);
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** Access tokens are signed, and live as long as their session in Redis, so that a log-out counts at once. */
export class Sessions {
  private readonly key: Uint8Array;

  constructor(
    private readonly redis: Redis,
    secret: string,
  ) {
    this.key = new TextEncoder().encode(secret);
  }

  async open(userId: string): Promise<string> {
    const session = randomBytes(16).toString("hex");
    await this.redis.set(`session:${session}`, userId, "EX", SESSION_SECONDS);
    return new SignJWT({ sid: session })
      .setProtectedHeader({ alg: "HS256" })
      .setSubject(userId)
      .setIssuedAt()
      .setExpirationTime(`${SESSION_SECONDS}s`)
      .sign(this.key);
  }

  async user(token: string): Promise<string | null> {
    const session = await this.session(token);
    return session && this.redis.get(`session:${session}`);
  }

  async close(token: string): Promise<void> {
    const session = await this.session(token);
    if (session) await this.redis.del(`session:${session}`);
  }

  private async session(token: string): Promise<string | null> {
    try {
      const { payload } = await jwtVerify(token, this.key, { algorithms: ["HS256"] });
      return typeof payload.sid === "string" ? payload.sid : null;
    } catch {
      return null;
    }
  }
}
