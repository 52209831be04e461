import cors from "@fastify/cors";
import websocket from "@fastify/websocket";
import Fastify, { type FastifyInstance } from "fastify";
import { type ExecutionResult, GraphQLError } from "graphql";
import mercurius, { type MercuriusContext } from "mercurius";
import type { AppConfig } from "./config.js";
import { log, reason } from "./log.js";
import { apiRoutes, bearer, eventRoutes, healthRoutes } from "./routes.js";
import { type Services, loaders, resolvers, typeDefs } from "./schema.js";

/** What a resolver refuses by design reaches the client; what failed inside is logged, and says no more than that. */
function hideInternals(execution: ExecutionResult & Required<Pick<ExecutionResult, "errors">>, context: MercuriusContext) {
  const errors = execution.errors.map((error) => {
    if (!error.originalError || error.extensions?.code) return error;
    log.error("GraphQLModule", `${error.path?.join(".") ?? "request"}: ${reason(error.originalError)}`);
    return new GraphQLError("Internal server error", { path: error.path, extensions: { code: "INTERNAL_SERVER_ERROR" } });
  });
  return mercurius.defaultErrorFormatter({ ...execution, errors }, context);
}

export async function buildApp(config: AppConfig, services: Services): Promise<FastifyInstance> {
  const app = Fastify({
    // Whoever still holds a connection while the server stops is served, and told to close it.
    return503OnClosing: false,
    forceCloseConnections: "idle",
    // Longer than a proxy keeps an idle upstream connection (nginx: 60 s), so that the proxy closes it first.
    keepAliveTimeout: 75_000,
  });
  app.addHook("onRequest", async (_, reply) => void reply.header("x-app-version", config.version));
  app.addHook("onError", async (request, _, error) => {
    if ((error.statusCode ?? 500) >= 500) log.error("ExceptionsHandler", `${request.method} ${request.routeOptions.url}: ${reason(error)}`);
  });
  app.addHook("onRoute", ({ method, url }) => {
    if (method !== "HEAD") log.info("RouterExplorer", `Mapped {${url}, ${method}} route`);
  });
  await app.register(cors, { origin: [config.serverUrl, config.frontUrl].map((url) => new URL(url).origin) });
  await app.register(websocket, { options: { maxPayload: 64 * 1024 } });
  await app.register(mercurius, {
    schema: typeDefs,
    resolvers: resolvers(services),
    loaders: loaders(services),
    queryDepth: 7,
    errorFormatter: hideInternals,
    context: async (request) => {
      const token = bearer(request.headers.authorization);
      return { token, userId: token && (await services.sessions.user(token)) };
    },
  });
  healthRoutes(app, config, services);
  apiRoutes(app, config, services);
  eventRoutes(app, config);
  return app;
}
