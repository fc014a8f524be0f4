/** An HTTP/1.1 server with exact routes, on node:http, with every limit set. */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Timer } from "../clock.ts";
import type { ServerTlsConfig } from "../config/fragments/tls.ts";
import { asTelemetryError } from "../errors.ts";
import type { HttpHandler, HttpServerSpec } from "../transport.ts";
import { applyCors } from "./cors.ts";
import { HttpServerExchange } from "./http-server-exchange.ts";
import { metadataOf } from "./metadata.ts";
import {
  type BindTarget,
  bindServer,
  lingerMs,
  maxConnections,
  type NetServer,
  type ServerDeps,
  warnOfDrops,
} from "./net-server.ts";
import { createServer } from "./node-http.ts";
import { Routes, type RouteUse } from "./routes.ts";
import { serverTlsOptions } from "./tls.ts";
import { handshakeTimeoutMs, watchTlsFiles } from "./tls-reload.ts";

/** Where the configuration says 0. */
const defaultReadHeaderMs = 10_000;
const defaultReadMs = 30_000;
const defaultIdleMs = 120_000;
const maxHeaderBytes = 16 * 1024;

export class HttpServer implements NetServer<HttpServerSpec> {
  readonly #spec: HttpServerSpec;
  readonly #deps: ServerDeps;
  readonly #routes = new Routes<HttpHandler>();
  readonly #servers: (Server | TlsServer)[] = [];
  readonly #timers = new Set<Timer>();
  readonly #exchanges = new Map<Socket, Running>();
  readonly #sockets = new Set<Socket>();

  constructor(spec: HttpServerSpec, deps: ServerDeps) {
    this.#spec = spec;
    this.#deps = deps;
  }

  addRoutes(spec: HttpServerSpec): void {
    this.#routes.add(spec, spec.routes);
  }

  async removeRoutes(spec: HttpServerSpec, abort: AbortSignal): Promise<void> {
    const use = this.#routes.remove(spec);
    if (await use.quiet(abort)) return;
    for (const [socket, { use: owner }] of this.#exchanges) if (owner === use) socket.destroy();
  }

  bind(target: BindTarget): Promise<string> {
    const server = this.#createServer();
    server.keepAliveTimeout =
      this.#spec.idleTimeoutMs > 0 ? this.#spec.idleTimeoutMs : defaultIdleMs;
    server.maxConnections = maxConnections;
    if (this.#spec.writeTimeoutMs > 0)
      server.timeout = this.#spec.writeTimeoutMs + (this.#spec.readTimeoutMs || defaultReadMs);
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    warnOfDrops(server, this.#deps, this.#spec.endpoint);
    return bindServer(server, target, this.#servers, this.#deps.log);
  }

  /** Running exchanges finish, half-sent requests get a moment; the signal cuts the rest. */
  async close(abort: AbortSignal): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => void server.close(() => resolve())),
    );
    for (const server of this.#servers) server.closeIdleConnections();
    const linger = this.#deps.clock.after(lingerMs, () => this.#cutHalfSent());
    const cut = () => {
      for (const socket of this.#sockets) socket.destroy();
    };
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
    await Promise.all(closed);
    abort.removeEventListener("abort", cut);
    linger.cancel();
    for (const timer of this.#timers) timer.cancel();
  }

  #createServer(): Server | TlsServer {
    const { readHeaderTimeoutMs, readTimeoutMs } = this.#spec;
    const requestMs = readTimeoutMs > 0 ? readTimeoutMs : defaultReadMs;
    const headersMs = readHeaderTimeoutMs > 0 ? readHeaderTimeoutMs : defaultReadHeaderMs;
    const options: ServerOptions = {
      // node:http refuses a longer time for the headers than for the whole request, which bounds both.
      headersTimeout: Math.min(headersMs, requestMs),
      requestTimeout: requestMs,
      maxHeaderSize: maxHeaderBytes,
      connectionsCheckingInterval: 1000,
      noDelay: true,
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void this.#onRequest(request, response);
    const tls = this.#spec.tls as ServerTlsConfig | undefined;
    if (tls === undefined) return createServer(options, onRequest);
    const server = createTlsServer(
      { ...options, ...serverTlsOptions(tls), handshakeTimeout: handshakeTimeoutMs },
      onRequest,
    );
    const apply = (fresh: ReturnType<typeof serverTlsOptions>) => server.setSecureContext(fresh);
    for (const timer of watchTlsFiles(tls, this.#deps, apply)) this.#timers.add(timer);
    return server;
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const spec = this.#spec;
    const { clock, budget, log } = this.#deps;
    for (const [name, value] of spec.responseHeaders) response.setHeader(name, value);
    const exchange = new HttpServerExchange(request, response, { clock, budget, spec });
    const route = this.#routes.find(exchange.path);
    route?.use.begin();
    const { socket } = request;
    this.#exchanges.set(socket, { exchange, use: route?.use });
    response.once("close", () => {
      this.#exchanges.delete(socket);
      route?.use.end();
    });
    try {
      if (spec.cors !== undefined && applyCors(spec.cors, request, response)) return;
      if (!(await this.#isAuthenticated(request, exchange))) return;
      if (route === undefined) return exchange.respond(404, plainText, "404 page not found\n");
      await route.handler(exchange);
    } catch (error) {
      log.error("BUG: an HTTP handler threw.", {
        path: exchange.path,
        error: asTelemetryError(error).message,
      });
      exchange.respond(500, plainText, "internal error\n");
    }
  }

  async #isAuthenticated(request: IncomingMessage, exchange: HttpServerExchange): Promise<boolean> {
    const { authenticate } = this.#spec;
    if (authenticate === undefined) return true;
    try {
      await authenticate(metadataOf(request.headers));
      return true;
    } catch {
      exchange.respond(401, plainText, "Unauthorized\n");
      return false;
    }
  }

  #cutHalfSent(): void {
    for (const socket of this.#sockets) {
      if (this.#exchanges.get(socket)?.exchange.isHandled !== true) socket.destroy();
    }
  }
}

/** What a connection is at; HTTP/1.1 serves one request at a time. */
interface Running {
  readonly exchange: HttpServerExchange;
  readonly use: RouteUse | undefined;
}

const plainText = {
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
};
