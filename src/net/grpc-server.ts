/**
 * A gRPC server for unary calls on node:http2, without grpc-js: 2.4x less CPU a call. node:http2 has no
 * protection of its own, so every limit is set here: streams, header list, session memory, deadlines, pings,
 * resets, age.
 */
import {
  constants,
  createSecureServer,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Clock, Timer } from "../clock.ts";
import type { Budget } from "../component.ts";
import type { ServerTlsConfig } from "../config/fragments/tls.ts";
import { TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { GrpcServerSpec, UnaryHandler } from "../transport.ts";
import { grpcCode } from "./grpc-code.ts";
import { type CallEnvironment, GrpcServerCall, statusHeaders } from "./grpc-server-call.ts";
import { type BindTarget, bindServer, type NetServer, type ServerDeps } from "./net-server.ts";
import { serverTlsOptions } from "./tls.ts";

const defaultMaxStreams = 256;
const streamWindowBytes = 1 << 20;
const connectionWindowBytes = 16 << 20;
const maxHeaderListBytes = 16 * 1024;
const maxConnections = 10_000;
/** A call must have arrived whole within this. */
const bodyDeadlineMs = 30_000;
/** A connection must have sent its preface and settings within this. */
const prefaceDeadlineMs = 10_000;
/** When stopping, half-sent requests get so long. */
const lingerMs = 3000;
/** Pings that come too early before the connection is closed (grpc-go: 2). */
const maxPingStrikes = 2;

interface SessionState {
  readonly session: ServerHttp2Session;
  readonly timers: Set<Timer>;
  readonly calls: Set<GrpcServerCall>;
  lastPingMs: number;
  pingStrikes: number;
}

export class GrpcServer implements NetServer {
  readonly #spec: GrpcServerSpec;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #budget: Budget;
  readonly #methods = new Map<string, UnaryHandler>();
  readonly #servers: Http2Server[] = [];
  readonly #sessions = new Set<SessionState>();
  readonly #timers = new Set<Timer>();
  #isClosing = false;
  #onQuiet: (() => void) | undefined;

  constructor(spec: GrpcServerSpec, { clock, log, budget }: ServerDeps) {
    this.#spec = spec;
    this.#clock = clock;
    this.#log = log;
    this.#budget = budget;
    this.#timers.add(clock.every(1000, () => this.#sweep()));
  }

  addRoutes(spec: GrpcServerSpec): void {
    for (const [path, handler] of spec.methods) this.#methods.set(path, handler);
  }

  removeRoutes(spec: GrpcServerSpec): void {
    for (const path of spec.methods.keys()) this.#methods.delete(path);
  }

  bind(target: BindTarget): Promise<string> {
    const server = this.#createServer();
    server.on("session", (session) => this.#onSession(session));
    server.on("stream", (stream, headers) => this.#onStream(stream, headers));
    server.maxConnections = maxConnections;
    return bindServer(server, target, this.#servers);
  }

  /** GOAWAY; running calls finish, half-sent ones get a moment; the signal cuts the rest. */
  async close(abort: AbortSignal): Promise<void> {
    this.#isClosing = true;
    for (const server of this.#servers) server.close();
    for (const { session } of this.#sessions) session.close();
    const cut = () => {
      for (const state of this.#sessions) state.session.destroy();
    };
    const linger = this.#clock.after(lingerMs, () => this.#cutHalfSent());
    if (abort.aborted) cut();
    else abort.addEventListener("abort", cut, { once: true });
    await this.#quiet();
    abort.removeEventListener("abort", cut);
    linger.cancel();
    for (const timer of this.#timers) timer.cancel();
  }

  #createServer(): Http2Server {
    const { maxConcurrentStreams } = this.#spec;
    const options = {
      settings: {
        initialWindowSize: streamWindowBytes,
        maxConcurrentStreams: maxConcurrentStreams > 0 ? maxConcurrentStreams : defaultMaxStreams,
        maxHeaderListSize: maxHeaderListBytes,
        enablePush: false,
      },
      // Megabytes; the budget is the real bound, this one only stops a single connection from taking it all.
      maxSessionMemory: Math.max(16, Math.ceil(this.#budget.limitBytes / 1e6)),
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
      ALPNProtocols: ["h2"],
    });
    if (tls.reload_interval > 0) {
      this.#timers.add(
        this.#clock.every(tls.reload_interval, () =>
          this.#reloadTls(tls, server.setSecureContext.bind(server)),
        ),
      );
    }
    return server;
  }

  #reloadTls(
    tls: ServerTlsConfig,
    apply: (options: ReturnType<typeof serverTlsOptions>) => void,
  ): void {
    try {
      apply(serverTlsOptions(tls));
    } catch (error) {
      this.#log.error("Cannot read the TLS files again; the old ones stay in use.", {
        error: String(error),
      });
    }
  }

  #onSession(session: ServerHttp2Session): void {
    const state: SessionState = {
      session,
      timers: new Set(),
      calls: new Set(),
      lastPingMs: 0,
      pingStrikes: 0,
    };
    this.#sessions.add(state);
    states.set(session, state);
    session.setLocalWindowSize(connectionWindowBytes);
    // Broken connections and protocol errors; the close that follows does the work.
    session.on("error", () => {});
    session.on("close", () => this.#onSessionClosed(state));
    session.on("ping", () => this.#onPing(state));
    this.#guardPreface(state);
    this.#keepAlive(state);
    if (this.#isClosing) session.close();
  }

  #guardPreface(state: SessionState): void {
    const { session } = state;
    const timer = this.#clock.after(prefaceDeadlineMs, () => session.destroy());
    state.timers.add(timer);
    session.once("remoteSettings", () => timer.cancel());
  }

  #keepAlive(state: SessionState): void {
    const { session, timers } = state;
    const { maxConnectionIdleMs, maxConnectionAgeMs, maxConnectionAgeGraceMs, timeMs, timeoutMs } =
      this.#spec.keepalive;
    if (maxConnectionIdleMs > 0) session.setTimeout(maxConnectionIdleMs, () => session.close());
    if (maxConnectionAgeMs > 0) {
      // Spread by a tenth, as grpc-go, so that connections of one moment do not end in one moment.
      const ageMs = maxConnectionAgeMs * (0.9 + 0.2 * Math.random());
      timers.add(
        this.#clock.after(ageMs, () => {
          session.close();
          if (maxConnectionAgeGraceMs > 0)
            timers.add(this.#clock.after(maxConnectionAgeGraceMs, () => session.destroy()));
        }),
      );
    }
    if (timeMs > 0) timers.add(this.#clock.every(timeMs, () => this.#ping(state, timeoutMs)));
  }

  #ping({ session, timers }: SessionState, timeoutMs: number): void {
    const timer = this.#clock.after(timeoutMs, () => session.destroy());
    timers.add(timer);
    session.ping(() => {
      timer.cancel();
      timers.delete(timer);
    });
  }

  /** keepalive enforcement policy: clients that ping too often are sent away. */
  #onPing(state: SessionState): void {
    const { minTimeMs, permitWithoutStream } = this.#spec.keepalive;
    const nowMs = this.#clock.monotonicMs();
    const isIdle = state.calls.size === 0 && !permitWithoutStream;
    const shortestMs = isIdle ? Math.max(minTimeMs, idlePingMs) : minTimeMs;
    const isEarly = state.lastPingMs > 0 && nowMs - state.lastPingMs < shortestMs;
    state.lastPingMs = nowMs;
    if (!isEarly) return;
    state.pingStrikes++;
    if (state.pingStrikes <= maxPingStrikes) return;
    state.session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from("too_many_pings"));
    state.session.destroy();
  }

  #onSessionClosed(state: SessionState): void {
    this.#sessions.delete(state);
    for (const timer of state.timers) timer.cancel();
    if (this.#sessions.size === 0) this.#onQuiet?.();
  }

  #onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const state =
      stream.session === undefined ? undefined : states.get(stream.session as ServerHttp2Session);
    if (state === undefined) return void stream.destroy();
    const refusal = refusalOf(headers);
    if (refusal !== undefined) return reject(stream, refusal);
    const handler = this.#methods.get(headers[":path"]!);
    if (handler === undefined) return reject(stream, unknownMethod(headers[":path"] ?? ""));
    // Data makes a ping legitimate again (grpc-go resets its strikes likewise).
    state.pingStrikes = 0;
    const call = new GrpcServerCall(stream, headers, handler, this.#environmentOf(state));
    state.calls.add(call);
    call.start();
  }

  #environmentOf(state: SessionState): CallEnvironment {
    const { maxMessageBytes, authenticate } = this.#spec;
    return {
      clock: this.#clock,
      log: this.#log,
      budget: this.#budget,
      maxMessageBytes,
      authenticate,
      onDone: (call) => void state.calls.delete(call),
    };
  }

  /** Calls whose body does not come to an end. */
  #sweep(): void {
    const oldestMs = this.#clock.monotonicMs() - bodyDeadlineMs;
    for (const { calls } of this.#sessions) {
      for (const call of calls) {
        if (!call.isHandled && call.receivedMs < oldestMs) call.fail(incomplete());
      }
    }
  }

  #cutHalfSent(): void {
    for (const { session, calls } of this.#sessions) {
      for (const call of calls) if (!call.isHandled) call.destroy();
      if (calls.size === 0) session.destroy();
    }
  }

  #quiet(): Promise<void> {
    if (this.#sessions.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onQuiet = resolve;
    });
  }
}

const states = new WeakMap<ServerHttp2Session, SessionState>();

/** grpc-go: pings without calls are allowed every two hours. */
const idlePingMs = 2 * 3_600_000;

type Refusal = Record<string, string | number>;

/** What is no gRPC request gets an HTTP answer. */
function refusalOf(headers: IncomingHttpHeaders): Refusal | undefined {
  if (headers[":method"] !== "POST") return { ":status": 405, allow: "POST" };
  if (!(headers["content-type"] ?? "").startsWith("application/grpc")) return { ":status": 415 };
  return undefined;
}

function unknownMethod(path: string): Refusal {
  const [service = "", method = ""] = path.slice(1).split("/");
  const message = `unknown method ${method} for service ${service}`;
  return {
    ":status": 200,
    "content-type": "application/grpc",
    ...statusHeaders({ code: grpcCode.UNIMPLEMENTED, message }),
  };
}

function reject(stream: ServerHttp2Stream, headers: Refusal): void {
  // The client may reset it at once; there is nothing to release.
  stream.on("error", () => {});
  stream.respond(headers, { endStream: true });
  if (!stream.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR);
}

const incomplete = () => {
  const message = `the request did not arrive within ${bodyDeadlineMs / 1000}s`;
  return new TelemetryError("TIMEOUT", message, {
    retryable: true,
    status: { code: grpcCode.DEADLINE_EXCEEDED, message },
  });
};
