/**
 * A gRPC server for unary calls on HTTP/2 connections of our own (http2/), which cost less than node:http2's and
 * far less than grpc-js (figures: docs/architecture.md, section 9).
 * Every limit is set here or below: streams, header lists, windows, deadlines, pings, resets, age, connections.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock, Timer } from "../clock.ts";
import type { ServerTlsConfig } from "../config/fragments/tls.ts";
import type { GrpcServerSpec, UnaryHandler } from "../transport.ts";
import { notGrpc, unknownEncoding, unknownMethod } from "./grpc-headers.ts";
import type { CallEnvironment } from "./grpc-server-call.ts";
import { GrpcServerSession } from "./grpc-server-session.ts";
import { encodeHeaders } from "./http2/hpack.ts";
import type { ServerStream } from "./http2/server-stream.ts";
import {
  type BindTarget,
  bindServer,
  connectionLimit,
  lingerMs,
  type NetServer,
  type ServerDeps,
  warnOfDrops,
} from "./net-server.ts";
import { Routes } from "./routes.ts";
import { nodeTls, serverTlsOptions } from "./tls.ts";
import { handshakeTimeoutMs, watchTlsFiles } from "./tls-reload.ts";

export class GrpcServer implements NetServer<GrpcServerSpec> {
  readonly #spec: GrpcServerSpec;
  readonly #deps: ServerDeps;
  readonly #clock: Clock;
  readonly #environment: CallEnvironment;
  readonly #routes = new Routes<UnaryHandler>();
  readonly #servers: Server[] = [];
  readonly #sessions = new Set<GrpcServerSession>();
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<Timer>();
  #isClosing = false;
  #onQuiet: (() => void) | undefined;

  constructor(spec: GrpcServerSpec, deps: ServerDeps) {
    const { clock, log, budget, observer } = deps;
    this.#spec = spec;
    this.#deps = deps;
    this.#clock = clock;
    const { authenticate } = spec;
    // What is larger than the budget could never be taken: the client must not try again.
    const maxMessageBytes = Math.min(spec.maxMessageBytes, budget.limitBytes);
    this.#environment = { clock, log, budget, maxMessageBytes, authenticate, observer };
    this.#timers.add(clock.every(1000, () => this.#sweep()));
  }

  addRoutes(spec: GrpcServerSpec): void {
    this.#routes.add(spec, spec.methods);
  }

  async removeRoutes(spec: GrpcServerSpec, abort: AbortSignal): Promise<void> {
    const use = this.#routes.remove(spec);
    if (await use.quiet(abort)) return;
    for (const session of this.#sessions) session.cut((route) => route.use === use);
  }

  bind(target: BindTarget): Promise<string> {
    const server = this.#createServer();
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    server.maxConnections = connectionLimit(this.#deps.budget);
    warnOfDrops(server, this.#deps, this.#spec.endpoint);
    return bindServer(server, target, this.#servers, this.#deps.log);
  }

  /** GOAWAY; running calls finish, half-sent ones get a moment; the signal cuts the rest. */
  async close(abort: AbortSignal): Promise<void> {
    this.#isClosing = true;
    for (const server of this.#servers) server.close();
    for (const session of this.#sessions) session.close();
    const cut = () => {
      for (const session of this.#sessions) session.destroy();
    };
    const linger = this.#clock.after(lingerMs, () => this.#cutHalfSent());
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
    await this.#quiet();
    abort.removeEventListener("abort", cut);
    linger.cancel();
    for (const timer of this.#timers) timer.cancel();
    // What is left has no session: TLS handshakes that did not come to an end.
    for (const socket of this.#sockets) socket.destroy();
  }

  #createServer(): Server {
    const tls = this.#spec.tls as ServerTlsConfig | undefined;
    if (tls === undefined) {
      return createServer({ noDelay: true }, (socket) => this.#onConnection(socket));
    }
    const server = nodeTls().createServer({
      ...serverTlsOptions(tls),
      handshakeTimeout: handshakeTimeoutMs,
      ALPNProtocols: ["h2"],
      noDelay: true,
    });
    server.on("secureConnection", (socket: TLSSocket) => {
      if (socket.alpnProtocol === "h2") this.#onConnection(socket);
      else socket.destroy();
    });
    const apply = (fresh: ReturnType<typeof serverTlsOptions>) => server.setSecureContext(fresh);
    for (const timer of watchTlsFiles(tls, this.#deps, apply)) this.#timers.add(timer);
    return server;
  }

  #onConnection(socket: Socket): void {
    const session = new GrpcServerSession({
      socket,
      environment: this.#environment,
      spec: this.#spec,
      onStream: this.#onStream,
      onClosed: (closed) => this.#onSessionClosed(closed),
    });
    this.#sessions.add(session);
    if (this.#isClosing) session.close();
  }

  #onSessionClosed(session: GrpcServerSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#onQuiet?.();
  }

  readonly #onStream = (stream: ServerStream, session: GrpcServerSession): void => {
    const { headers } = stream;
    const path = headers[":path"]!;
    const route = this.#routes.find(path);
    const refusal =
      notGrpc(headers) ??
      (route === undefined ? unknownMethod(path, this.#routes.paths()) : unknownEncoding(headers));
    if (route === undefined || refusal !== undefined) stream.respond(encodeHeaders(refusal!));
    else session.open(stream, route);
  };

  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const session of this.#sessions) session.sweep(nowMs);
  }

  #cutHalfSent(): void {
    for (const session of this.#sessions) session.cutHalfSent();
  }

  #quiet(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onQuiet = resolve;
    });
  }
}
