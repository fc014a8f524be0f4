/** The measured applications: one route of each framework. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";

export type Framework = "node:http" | "Express" | "Fastify";

/** Answered by all of them. */
export const path = "/api/repos/42";
const answer = "ok";

/** `handle` is the work of the handler. */
export function createApp(framework: Framework, handle: () => void): Promise<RequestListener> {
  return creators[framework](handle);
}

const creators: Readonly<Record<Framework, (handle: () => void) => Promise<RequestListener>>> = {
  "node:http": plainApp,
  Express: expressApp,
  Fastify: fastifyApp,
};

function plainApp(handle: () => void): Promise<RequestListener> {
  return Promise.resolve((_request: IncomingMessage, response: ServerResponse) => {
    handle();
    response.end(answer);
  });
}

async function expressApp(handle: () => void): Promise<RequestListener> {
  const { default: express } = await import("express");
  const router = express.Router();
  router.get("/repos", (_request, response) => void response.send("none"));
  router.get("/repos/:id", (_request, response) => {
    handle();
    response.send(answer);
  });
  const app = express();
  app.use("/api", router);
  return app;
}

async function fastifyApp(handle: () => void): Promise<RequestListener> {
  const { default: Fastify } = await import("fastify");
  const app = Fastify();
  app.get("/api/repos", (_request, reply) => reply.send("none"));
  app.get("/api/repos/:id", (_request, reply) => {
    handle();
    return reply.send(answer);
  });
  await app.ready();
  return (request, response) => app.routing(request, response);
}
