#!/usr/bin/env node
// Asks the process in this container whether it is healthy, without curl: `healthcheck [PATH]`.
const url = `http://127.0.0.1:${process.env.NODE_PORT ?? 3000}${process.argv[2] ?? "/healthz"}`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(4_000) });
  if (!response.ok) throw new Error(`HTTP ${response.status} ${(await response.text()).slice(0, 500)}`);
} catch (error) {
  console.error(`${url}: ${error.cause?.message ?? error.message}`);
  process.exit(1);
}
