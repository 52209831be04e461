import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hashPassword, passwordMatches } from "../auth.js";
import { setting } from "../config.js";
import { healthAnswer } from "../health.js";
import { csv } from "../jobs.js";
import { formatLine, reason } from "../log.js";

test("a setting comes from its file, awkward characters included, without the last newline", () => {
  const file = join(mkdtempSync(join(tmpdir(), "demo-")), "secret");
  const value = ` #$'"\\ {{ü}}\nsecond line`;
  writeFileSync(file, `${value}\n`);
  assert.equal(setting({ APP_SECRET_FILE: file }, "APP_SECRET"), value);
  assert.equal(setting({ APP_SECRET: value }, "APP_SECRET"), value);
});

test("a setting given twice or in a missing file is an error that names it", () => {
  assert.throws(() => setting({ APP_SECRET: "a", APP_SECRET_FILE: "/b" }, "APP_SECRET"), /APP_SECRET_FILE are both/);
  assert.throws(() => setting({ APP_SECRET_FILE: "/no/such" }, "APP_SECRET"), /APP_SECRET_FILE cannot be read/);
});

test("log lines have the form of NestJS's console logger", () => {
  const line = formatLine("LOG", "NestFactory", "Starting", false, new Date(2024, 11, 17, 17, 2, 20));
  assert.equal(line, `[Nest] ${process.pid}  - 12/17/2024, 5:02:20 PM     LOG [NestFactory] Starting\n`);
  assert.match(formatLine("ERROR", "X", "y", true), /^\x1b\[31m\[Nest\] /);
});

test("a failure of several causes names them all", () => {
  assert.equal(reason(new AggregateError([new Error("a"), new Error("b")])), "a; b");
});

test("a password matches its own hash only", async () => {
  const hash = await hashPassword("correct horse");
  assert.equal(await passwordMatches("correct horse", hash), true);
  assert.equal(await passwordMatches("wrong horse", hash), false);
  assert.equal(await passwordMatches("", "garbage"), false);
});

test("health is an error as soon as one part is down", () => {
  const answer = healthAnswer({ database: { status: "up" }, redis: { status: "down", message: "gone" } });
  assert.equal(answer.status, "error");
  assert.deepEqual(Object.keys(answer.info), ["database"]);
  assert.deepEqual(Object.keys(answer.error), ["redis"]);
});

test("exports quote what CSV needs quoted", () => {
  assert.equal(csv([["a", 'say "b"'], ["c,d", "e"]]), 'a,"say ""b"""\r\n"c,d",e\r\n');
});
