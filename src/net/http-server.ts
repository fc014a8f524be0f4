/** An HTTP/1.1 server with routes, on node:http, with every limit set. */
import type { IncomingMessage, Server, ServerOptions, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import process from "node:process";
import type { Timer } from "../clock.ts";
import type { ServerTlsConfig } from "../config/fragments/tls.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import type { HttpHandler, HttpServerSpec } from "../transport.ts";
import { applyCors } from "./cors.ts";
import { HttpConnection } from "./http-server-connection.ts";
import { HttpServerExchange } from "./http-server-exchange.ts";
import {
  type BindTarget,
  bindServer,
  connectionLimit,
  lingerMs,
  type NetServer,
  type ServerDeps,
  warnOfDrops,
} from "./net-server.ts";
import { createServer } from "./node-http.ts";
import { Routes } from "./routes.ts";
import { serverTlsOptions } from "./tls.ts";
import { handshakeTimeoutMs, watchTlsFiles } from "./tls-reload.ts";

/** Where the configuration says 0. */
const defaultReadHeaderMs = 10_000;
const defaultReadMs = 30_000;
const defaultIdleMs = 120_000;
const defaultWriteMs = 30_000;
const maxHeaderBytes = 16 * 1024;
const sweepMs = 1000;

export class HttpServer implements NetServer<HttpServerSpec> {
  readonly #spec: HttpServerSpec;
  readonly #deps: ServerDeps;
  readonly #routes = new Routes<Target>();
  readonly #servers: (Server | TlsServer)[] = [];
  readonly #tlsTimers = new Set<Timer>();
  readonly #connections = new Map<Socket, HttpConnection>();
  /** The sockets below TLS, whether it stands already or not. */
  readonly #handshakes = new Set<Socket>();
  /** Runs while there are connections. */
  #sweep: Timer | undefined;
  #isClosing = false;

  constructor(spec: HttpServerSpec, deps: ServerDeps) {
    this.#spec = spec;
    this.#deps = deps;
  }

  addRoutes(spec: HttpServerSpec): void {
    const { refuse } = spec;
    const targets = [...spec.routes].map(
      ([pattern, answer]) => [pattern, { pattern, answer, refuse }] as const,
    );
    this.#routes.add(spec, new Map(targets));
  }

  async removeRoutes(spec: HttpServerSpec, abort: AbortSignal): Promise<void> {
    const use = this.#routes.remove(spec);
    if (await use.quiet(abort)) return;
    for (const [socket, connection] of this.#connections)
      if (connection.serves(use)) socket.destroy();
  }

  bind(target: BindTarget): Promise<string> {
    const server = this.#createServer();
    server.keepAliveTimeout =
      this.#spec.idleTimeoutMs > 0 ? this.#spec.idleTimeoutMs : defaultIdleMs;
    server.maxConnections = connectionLimit(this.#deps.budget);
    const isTls = this.#spec.tls !== undefined;
    // HTTP goes over the decrypted socket; the one below it is kept for the time of the handshake.
    server.on(isTls ? "secureConnection" : "connection", (socket: Socket) => this.#open(socket));
    if (isTls) server.on("connection", (socket: Socket) => this.#keepHandshake(socket));
    server.on("clientError", (error: NodeJS.ErrnoException, socket: Socket) =>
      this.#onClientError(error, socket),
    );
    server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response),
    );
    warnOfDrops(server, this.#deps, this.#spec.endpoint);
    return bindServer(server, target, this.#servers, this.#deps.log);
  }

  /** Running exchanges finish, half-sent requests get a moment; the signal cuts the rest. */
  async close(abort: AbortSignal): Promise<void> {
    this.#isClosing = true;
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => void server.close(() => resolve())),
    );
    // For node:http a connection is idle only after its first request.
    for (const connection of this.#connections.values()) connection.endIfUnused();
    const linger = this.#deps.clock.after(lingerMs, () => this.#cutHalfSent());
    const cut = () => {
      for (const socket of [...this.#connections.keys(), ...this.#handshakes]) socket.destroy();
    };
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
    await Promise.all(closed);
    abort.removeEventListener("abort", cut);
    linger.cancel();
    this.#sweep?.cancel();
    for (const timer of this.#tlsTimers) timer.cancel();
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
      connectionsCheckingInterval: sweepMs,
      noDelay: true,
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      this.#onRequest(request, response);
    const tls = this.#spec.tls as ServerTlsConfig | undefined;
    if (tls === undefined) return createServer(options, onRequest);
    // Loaded by the first who needs it, as nodeTls.
    const { createServer: createTlsServer } = process.getBuiltinModule("node:https");
    const server = createTlsServer(
      { ...options, ...serverTlsOptions(tls), handshakeTimeout: handshakeTimeoutMs },
      onRequest,
    );
    const apply = (fresh: ReturnType<typeof serverTlsOptions>) => server.setSecureContext(fresh);
    for (const timer of watchTlsFiles(tls, this.#deps, apply)) this.#tlsTimers.add(timer);
    return server;
  }

  #cutHalfSent(): void {
    const ports = new Set<number | undefined>();
    for (const [socket, connection] of this.#connections) {
      if (connection.isAnswering) ports.add(socket.remotePort);
      else socket.destroy();
    }
    for (const socket of this.#handshakes) if (!ports.has(socket.remotePort)) socket.destroy();
  }

  #open(socket: Socket): void {
    const { clock } = this.#deps;
    this.#connections.set(socket, new HttpConnection(socket, clock));
    this.#sweep ??= clock.every(sweepMs, () => this.#cutStalled());
    socket.once("close", () => {
      this.#connections.delete(socket);
      if (this.#connections.size > 0) return;
      this.#sweep?.cancel();
      this.#sweep = undefined;
    });
  }

  #keepHandshake(socket: Socket): void {
    this.#handshakes.add(socket);
    socket.once("close", () => this.#handshakes.delete(socket));
  }

  /** Who takes nothing of a response for so long holds memory for nothing. */
  #cutStalled(): void {
    const limitMs = this.#spec.writeTimeoutMs > 0 ? this.#spec.writeTimeoutMs : defaultWriteMs;
    for (const [socket, connection] of this.#connections)
      if (connection.stalledMs() >= limitMs) socket.destroy();
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) socket.destroy();
    else connection.refuse(error);
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket);
    // Destroyed before its first request was looked at.
    if (connection === undefined) return;
    const { clock, budget } = this.#deps;
    const keepsConnection = () =>
      this.#spec.keepAlivesEnabled && !this.#isClosing && !connection.isBroken;
    const environment = { clock, budget, spec: this.#spec, keepsConnection };
    const exchange = new HttpServerExchange(request, response, environment);
    const route = this.#routes.find(exchange.path);
    route?.use.begin();
    connection.begin(exchange, route?.use);
    response.once("close", () => {
      connection.end(exchange, this.#isClosing);
      route?.use.end();
      this.#observe(exchange, request, response, route?.handler);
    });
    void this.#answer(exchange, request, response, route?.handler);
  }

  #observe(
    exchange: HttpServerExchange,
    request: IncomingMessage,
    response: ServerResponse,
    target: Target | undefined,
  ): void {
    const { observer, clock } = this.#deps;
    if (observer === undefined) return;
    const measure = {
      method: exchange.method,
      isSecure: this.#spec.tls !== undefined,
      version: request.httpVersion,
      status: response.headersSent ? response.statusCode : undefined,
      route: target?.pattern,
    };
    observer.http(measure, clock.monotonicMs() - exchange.receivedMs);
  }

  async #answer(
    exchange: HttpServerExchange,
    request: IncomingMessage,
    response: ServerResponse,
    target: Target | undefined,
  ): Promise<void> {
    const { responseHeaders, cors } = this.#spec;
    try {
      for (const [name, value] of responseHeaders) response.setHeader(name, value);
      if (cors !== undefined && applyCors(cors, request, response))
        return exchange.respond(204, {});
      if (!(await this.#isAuthenticated(exchange, target))) return;
      if (target === undefined) return exchange.respond(404, plainText, "404 page not found\n");
      await target.answer(exchange);
    } catch (error) {
      this.#deps.log.error("BUG: an HTTP handler threw.", {
        path: exchange.path,
        error: asTelemetryError(error).message,
      });
      if (response.headersSent) response.destroy();
      else exchange.respond(500, plainText, "internal error\n");
    } finally {
      exchange.releaseBody();
    }
  }

  async #isAuthenticated(
    exchange: HttpServerExchange,
    target: Target | undefined,
  ): Promise<boolean> {
    const { authenticate } = this.#spec;
    if (authenticate === undefined) return true;
    try {
      await authenticate(exchange.headers);
      return true;
    } catch (error) {
      if (target?.refuse === undefined) exchange.respond(401, plainText, "Unauthorized\n");
      else target.refuse(exchange, unauthenticated(error));
      return false;
    }
  }
}

/** What answers a path. */
interface Target {
  /** The route, as it was declared. */
  readonly pattern: string;
  readonly answer: HttpHandler;
  readonly refuse: HttpServerSpec["refuse"];
}

/** Whatever an authenticator throws, it has not said yes. */
const unauthenticated = (error: unknown) =>
  error instanceof TelemetryError && error.code === "UNAUTHENTICATED"
    ? error
    : new TelemetryError("UNAUTHENTICATED", "Unauthorized", { cause: error });

const plainText = {
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
};
