import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { nameBy } from "./requests.ts";

const channel = "fastify.initialization";

/** What is read of Fastify 4 and 5. */
interface FastifyRequest {
  readonly raw: object;
  readonly routeOptions?: { readonly url?: string };
}
interface RouteContext {
  readonly config?: { readonly url?: string };
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

/** Where a Fastify keeps the route of a request. */
let contextKey: symbol | undefined;
const isOfContext = (key: symbol) => key.description === "fastify.context";

/**
 * Undefined for what no route matched. `routeOptions` is a getter that makes an object of twelve members at each call:
 * what it reads is read directly, except from another copy of Fastify or a version that keeps it elsewhere.
 */
function routeOf(request: FastifyRequest): string | undefined {
  contextKey ??= Object.getOwnPropertySymbols(request).find(isOfContext) ?? Symbol("none");
  const context = (request as unknown as Record<symbol, RouteContext | undefined>)[contextKey];
  return (context?.config ?? request.routeOptions)?.url;
}
