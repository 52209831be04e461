import { createServer } from "node:http";
import sirv from "sirv";

// `single`: a path without a file's suffix is the app's page, as single-page apps are served.
const files = sirv(new URL("dist", import.meta.url).pathname, {
  single: true,
  setHeaders: (response, path) => {
    response.setHeader("x-app-version", process.env.APP_VERSION ?? "dev");
    if (!path.startsWith("/assets/")) response.setHeader("cache-control", "no-cache");
    else response.setHeader("cache-control", "public, max-age=31536000, immutable");
  },
});

const server = createServer((request, response) => files(request, response, () => response.writeHead(404).end()));
// Longer than a proxy keeps an idle upstream connection (nginx: 60 s), so that the proxy closes it first.
server.keepAliveTimeout = 75_000;
server.listen(Number(process.env.NODE_PORT ?? 3001), "::", () => console.log("Front is served"));

process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
