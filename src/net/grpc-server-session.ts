/**
 * One connection of a gRPC server: its calls, its age, its pings (grpc-go's keepalive and enforcement policy).
 */
import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Timer } from "../clock.ts";
import type { GrpcServerSpec, UnaryHandler } from "../transport.ts";
import {
  answered,
  type CallEnvironment,
  type CallOwner,
  GrpcServerCall,
  receiving,
} from "./grpc-server-call.ts";
import type { Route } from "./routes.ts";

type Keepalive = GrpcServerSpec["keepalive"];

/** Flow control of the whole connection; one stream may have 1 MiB of it on its way. */
const connectionWindowBytes = 16 << 20;
/** A connection must have sent its preface and settings within this. */
const prefaceDeadlineMs = 10_000;
/** Pings that come too early before the connection is closed (grpc-go: 2). */
const maxPingStrikes = 2;
/** grpc-go: pings without calls are allowed every two hours. */
const idlePingMs = 2 * 3_600_000;

export class GrpcServerSession implements CallOwner {
  readonly #session: ServerHttp2Session;
  readonly #environment: CallEnvironment;
  readonly #keepalive: Keepalive;
  readonly #timers = new Set<Timer>();
  readonly #calls = new Set<GrpcServerCall>();
  #idleSinceMs: number;
  #lastPingMs: number | undefined;
  #pingStrikes = 0;

  constructor(
    session: ServerHttp2Session,
    environment: CallEnvironment,
    keepalive: Keepalive,
    onClosed: (session: GrpcServerSession) => void,
  ) {
    this.#session = session;
    this.#environment = environment;
    this.#keepalive = keepalive;
    this.#idleSinceMs = environment.clock.monotonicMs();
    // Broken connections and protocol errors; the close that follows does the work.
    session.on("error", () => {});
    session.on("close", () => {
      for (const timer of this.#timers) timer.cancel();
      onClosed(this);
    });
    session.on("ping", () => this.#onPing());
    if (!session.destroyed) session.setLocalWindowSize(connectionWindowBytes);
    this.#guardPreface();
    this.#limitAge();
    if (keepalive.timeMs > 0) this.#every(keepalive.timeMs, () => this.#ping());
  }

  open(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, route: Route<UnaryHandler>): void {
    const call = new GrpcServerCall(stream, headers, route, this, this.#environment);
    this.#calls.add(call);
    call.start();
  }

  answering(): void {
    // Clients measure the connection by pings while they are served: these are no strikes (grpc-go).
    this.#pingStrikes = 0;
    this.#lastPingMs = undefined;
  }

  closed(call: GrpcServerCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#idleSinceMs = this.#environment.clock.monotonicMs();
  }

  /** Calls that take too long, and connections without any. */
  sweep(nowMs: number): void {
    for (const call of this.#calls) call.sweep(nowMs);
    const { maxConnectionIdleMs } = this.#keepalive;
    const isIdle = maxConnectionIdleMs > 0 && this.#calls.size === 0;
    if (isIdle && nowMs - this.#idleSinceMs >= maxConnectionIdleMs) this.close();
  }

  /** GOAWAY; ends when the running calls have. */
  close(): void {
    if (!this.#session.closed && !this.#session.destroyed) this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  /** Cuts calls whose body is not complete, and the connection if none is left. */
  cutHalfSent(): void {
    for (const call of this.#calls) if (call.phase === receiving) call.destroy();
    if (this.#calls.size === 0) this.destroy();
  }

  /** Cuts the calls of one owner. */
  cut(isCut: (route: Route<UnaryHandler>) => boolean): void {
    for (const call of this.#calls) if (call.phase < answered && isCut(call.route)) call.destroy();
  }

  #guardPreface(): void {
    const timer = this.#after(prefaceDeadlineMs, () => this.#session.destroy());
    this.#session.once("remoteSettings", () => this.#cancel(timer));
  }

  #limitAge(): void {
    const { maxConnectionAgeMs, maxConnectionAgeGraceMs } = this.#keepalive;
    if (maxConnectionAgeMs === 0) return;
    // Spread by a tenth, as grpc-go, so that connections of one moment do not end in one moment.
    const ageMs = maxConnectionAgeMs * (0.9 + 0.2 * Math.random());
    this.#after(ageMs, () => {
      this.close();
      if (maxConnectionAgeGraceMs > 0) this.#after(maxConnectionAgeGraceMs, () => this.destroy());
    });
  }

  #ping(): void {
    if (this.#session.destroyed) return;
    const timer = this.#after(this.#keepalive.timeoutMs, () => this.#session.destroy());
    this.#session.ping(() => this.#cancel(timer));
  }

  /** keepalive enforcement policy: clients that ping too often are sent away. */
  #onPing(): void {
    const { minTimeMs, permitWithoutStream } = this.#keepalive;
    const nowMs = this.#environment.clock.monotonicMs();
    const isIdle = this.#calls.size === 0 && !permitWithoutStream;
    const shortestMs = isIdle ? Math.max(minTimeMs, idlePingMs) : minTimeMs;
    const isEarly = this.#lastPingMs !== undefined && nowMs - this.#lastPingMs < shortestMs;
    this.#lastPingMs = nowMs;
    if (!isEarly) return;
    this.#pingStrikes++;
    if (this.#pingStrikes <= maxPingStrikes || this.#session.destroyed) return;
    const data = Buffer.from("too_many_pings");
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, data);
    this.#session.destroy();
  }

  #after(delayMs: number, callback: () => void): Timer {
    const timer = this.#environment.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      callback();
    });
    this.#timers.add(timer);
    return timer;
  }

  #every(periodMs: number, callback: () => void): void {
    this.#timers.add(this.#environment.clock.every(periodMs, callback));
  }

  #cancel(timer: Timer): void {
    timer.cancel();
    this.#timers.delete(timer);
  }
}
