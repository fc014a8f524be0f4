import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { nameBy } from "./requests.ts";

const channel = "fastify.initialization";

/** What is read of Fastify 4 and 5. */
interface FastifyRequest {
  readonly raw: object;
  readonly routeOptions?: { readonly url?: string };
}
interface FastifyInstance {
  addHook(
    name: "onRequest",
    hook: (request: FastifyRequest, reply: unknown, done: () => void) => void,
  ): unknown;
}

/**
 * Lets every Fastify that is made from here on name the routes of its requests: by one hook, which runs before all
 * others, so that also refused requests have theirs. (The channel of its handlers misses those.)
 */
export function nameFastifyRoutes(): Disposable {
  subscribe(channel, onInitialization);
  return { [Symbol.dispose]: () => void unsubscribe(channel, onInitialization) };
}

function onInitialization(message: unknown): void {
  (message as { readonly fastify: FastifyInstance }).fastify.addHook("onRequest", onRequest);
}

function onRequest(request: FastifyRequest, _reply: unknown, done: () => void): void {
  nameBy(request.raw, request, routeOf);
  done();
}

/** Undefined for what no route matched. */
function routeOf(request: FastifyRequest): string | undefined {
  return request.routeOptions?.url;
}
