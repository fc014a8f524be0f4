/**
 * A gRPC server for unary calls on node:http2, without grpc-js: 2.4x less CPU a call. node:http2 has no
 * protection of its own, so every limit is set here: streams, header list, session memory, deadlines, pings,
 * resets, age, connections.
 */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import type { Clock, Timer } from "../clock.ts";
import type { ServerTlsConfig } from "../config/fragments/tls.ts";
import type { GrpcServerSpec, UnaryHandler } from "../transport.ts";
import { type Headers, notGrpc, unknownMethod } from "./grpc-headers.ts";
import type { CallEnvironment } from "./grpc-server-call.ts";
import { GrpcServerSession } from "./grpc-server-session.ts";
import {
  type BindTarget,
  bindServer,
  lingerMs,
  maxConnections,
  type NetServer,
  type ServerDeps,
  warnOfDrops,
} from "./net-server.ts";
import { Routes } from "./routes.ts";
import { serverTlsOptions } from "./tls.ts";
import { handshakeTimeoutMs, watchTlsFiles } from "./tls-reload.ts";

const defaultMaxStreams = 256;
const streamWindowBytes = 1 << 20;
const maxHeaderListBytes = 16 * 1024;

const sessionOf = Symbol("session");
type KnownSession = ServerHttp2Session & { [sessionOf]?: GrpcServerSession };

export class GrpcServer implements NetServer<GrpcServerSpec> {
  readonly #spec: GrpcServerSpec;
  readonly #deps: ServerDeps;
  readonly #clock: Clock;
  readonly #environment: CallEnvironment;
  readonly #routes = new Routes<UnaryHandler>();
  readonly #servers: (Http2Server | Http2SecureServer)[] = [];
  readonly #sessions = new Set<GrpcServerSession>();
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<Timer>();
  #isClosing = false;
  #onQuiet: (() => void) | undefined;

  constructor(spec: GrpcServerSpec, deps: ServerDeps) {
    const { clock, log, budget } = deps;
    this.#spec = spec;
    this.#deps = deps;
    this.#clock = clock;
    const { maxMessageBytes, authenticate } = spec;
    this.#environment = { clock, log, budget, maxMessageBytes, authenticate };
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
    server.on("session", (session) => this.#onSession(session));
    server.on("stream", (stream, headers) => this.#onStream(stream, headers));
    server.maxConnections = maxConnections;
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

  #createServer(): Http2Server | Http2SecureServer {
    const { maxConcurrentStreams } = this.#spec;
    const options = {
      settings: {
        initialWindowSize: streamWindowBytes,
        maxConcurrentStreams: maxConcurrentStreams > 0 ? maxConcurrentStreams : defaultMaxStreams,
        maxHeaderListSize: maxHeaderListBytes,
        enablePush: false,
      },
      // Megabytes; the budget is the real bound, this one only stops a single connection from taking it all.
      maxSessionMemory: Math.max(16, Math.ceil(this.#deps.budget.limitBytes / 1e6)),
      maxSessionRejectedStreams: 100,
      maxSessionInvalidFrames: 100,
      streamResetBurst: 1000,
      streamResetRate: 100,
    };
    const tls = this.#spec.tls as ServerTlsConfig | undefined;
    if (tls === undefined) return createServer(options);
    const server = createSecureServer({
      ...options,
      ...serverTlsOptions(tls),
      handshakeTimeout: handshakeTimeoutMs,
      ALPNProtocols: ["h2"],
    });
    const apply = (fresh: ReturnType<typeof serverTlsOptions>) => server.setSecureContext(fresh);
    for (const timer of watchTlsFiles(tls, this.#deps, apply)) this.#timers.add(timer);
    return server;
  }

  #onSession(session: ServerHttp2Session): void {
    const known = new GrpcServerSession(
      session,
      this.#environment,
      this.#spec.keepalive,
      (closed) => this.#onSessionClosed(closed),
    );
    this.#sessions.add(known);
    (session as KnownSession)[sessionOf] = known;
    if (this.#isClosing) known.close();
  }

  #onSessionClosed(session: GrpcServerSession): void {
    this.#sessions.delete(session);
    if (this.#sessions.size === 0) this.#onQuiet?.();
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const session = (stream.session as KnownSession | undefined)?.[sessionOf];
    if (session === undefined || stream.destroyed) return void stream.destroy();
    const problem = notGrpc(headers);
    if (problem !== undefined) return refuse(stream, problem);
    const path = headers[":path"] ?? "";
    const route = this.#routes.find(path);
    if (route === undefined) return refuse(stream, unknownMethod(path, this.#routes.paths()));
    session.open(stream, headers, route);
  }

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

/** Answers a stream that becomes no call. */
function refuse(stream: ServerHttp2Stream, headers: Headers): void {
  // The client may reset it at once; there is nothing to release.
  stream.on("error", () => {});
  stream.respond(headers, { endStream: true });
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
  // Without a reader the stream would never come to its end.
  stream.resume();
}
