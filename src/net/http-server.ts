/** An HTTP/1.1 server with exact routes, on node:http, with every limit set. */
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../clock.ts";
import type { Budget } from "../component.ts";
import type { ServerTlsConfig } from "../config/fragments/tls.ts";
import { asTelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { HttpHandler, HttpServerSpec } from "../transport.ts";
import { applyCors } from "./cors.ts";
import { HttpServerExchange } from "./http-server-exchange.ts";
import { metadataOf } from "./metadata.ts";
import { type BindTarget, bindServer, type NetServer, type ServerDeps } from "./net-server.ts";
import { serverTlsOptions } from "./tls.ts";

/** Where the configuration says 0. */
const defaultReadHeaderMs = 10_000;
const defaultReadMs = 30_000;
const defaultIdleMs = 120_000;
const maxHeaderBytes = 16 * 1024;
const maxConnections = 10_000;
/** When stopping, half-sent requests get so long. */
const lingerMs = 3000;

export class HttpServer implements NetServer {
  readonly #spec: HttpServerSpec;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #budget: Budget;
  readonly #routes = new Map<string, HttpHandler>();
  readonly #servers: (Server | TlsServer)[] = [];
  readonly #timers = new Set<Timer>();
  readonly #exchanges = new Map<Socket, HttpServerExchange>();
  readonly #sockets = new Set<Socket>();

  constructor(spec: HttpServerSpec, { clock, log, budget }: ServerDeps) {
    this.#spec = spec;
    this.#clock = clock;
    this.#log = log;
    this.#budget = budget;
  }

  addRoutes(spec: HttpServerSpec): void {
    for (const [path, handler] of spec.routes) this.#routes.set(path, handler);
  }

  removeRoutes(spec: HttpServerSpec): void {
    for (const path of spec.routes.keys()) this.#routes.delete(path);
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
    return bindServer(server, target, this.#servers);
  }

  /** Running exchanges finish, half-sent requests get a moment; the signal cuts the rest. */
  async close(abort: AbortSignal): Promise<void> {
    const closed = this.#servers.map(
      (server) => new Promise<void>((resolve) => void server.close(() => resolve())),
    );
    for (const server of this.#servers) server.closeIdleConnections();
    const linger = this.#clock.after(lingerMs, () => this.#cutHalfSent());
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
    const options: ServerOptions = {
      headersTimeout: readHeaderTimeoutMs > 0 ? readHeaderTimeoutMs : defaultReadHeaderMs,
      requestTimeout: readTimeoutMs > 0 ? readTimeoutMs : defaultReadMs,
      maxHeaderSize: maxHeaderBytes,
      connectionsCheckingInterval: 1000,
      noDelay: true,
    };
    const onRequest = (request: IncomingMessage, response: ServerResponse) =>
      void this.#onRequest(request, response);
    const tls = this.#spec.tls as ServerTlsConfig | undefined;
    if (tls === undefined) return createServer(options, onRequest);
    const server = createTlsServer({ ...options, ...serverTlsOptions(tls) }, onRequest);
    if (tls.reload_interval > 0)
      this.#timers.add(this.#clock.every(tls.reload_interval, () => this.#reloadTls(tls, server)));
    return server;
  }

  #reloadTls(tls: ServerTlsConfig, server: TlsServer): void {
    try {
      server.setSecureContext(serverTlsOptions(tls));
    } catch (error) {
      this.#log.error("Cannot read the TLS files again; the old ones stay in use.", {
        error: String(error),
      });
    }
  }

  async #onRequest(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { spec } = { spec: this.#spec };
    for (const [name, value] of spec.responseHeaders) response.setHeader(name, value);
    const environment = { clock: this.#clock, budget: this.#budget, spec };
    const exchange = new HttpServerExchange(request, response, environment);
    this.#exchanges.set(request.socket, exchange);
    response.once("close", () => this.#exchanges.delete(request.socket));
    try {
      if (spec.cors !== undefined && applyCors(spec.cors, request, response)) return;
      if (!(await this.#isAuthenticated(request, exchange))) return;
      const handler = this.#routes.get(exchange.path);
      if (handler === undefined) return exchange.respond(404, plainText, "404 page not found\n");
      await handler(exchange);
    } catch (error) {
      this.#log.error("BUG: an HTTP handler threw.", {
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
      if (this.#exchanges.get(socket)?.isHandled !== true) socket.destroy();
    }
  }
}

const plainText = {
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
};
