/**
 * One connection of a gRPC server: its calls, its age, its pings (grpc-go's keepalive and enforcement policy).
 */
import type { Socket } from "node:net";
import type { Timer } from "../clock.ts";
import type { GrpcServerSpec, UnaryHandler } from "../transport.ts";
import {
  answered,
  type CallEnvironment,
  type CallOwner,
  GrpcServerCall,
  receiving,
  stepMs,
} from "./grpc-server-call.ts";
import { errorCode } from "./http2/frame.ts";
import { type ConnectionUser, ServerConnection } from "./http2/server-connection.ts";
import type { ServerStream } from "./http2/server-stream.ts";
import type { Route } from "./routes.ts";

type Keepalive = GrpcServerSpec["keepalive"];

interface SessionOptions {
  readonly socket: Socket;
  readonly environment: CallEnvironment;
  readonly spec: GrpcServerSpec;
  readonly onStream: (stream: ServerStream, session: GrpcServerSession) => void;
  readonly onClosed: (session: GrpcServerSession) => void;
}

const defaultMaxStreams = 256;
const maxHeaderListBytes = 16 * 1024;
const streamWindowBytes = 1 << 20;

/** Flow control of the whole connection; one stream may have 1 MiB of it on its way. */
const connectionWindowBytes = 16 << 20;
/** A connection must have sent its preface and settings within this. */
const prefaceDeadlineMs = 10_000;
/** Pings that come too early before the connection is closed (grpc-go: 2). */
const maxPingStrikes = 2;
/** grpc-go: pings without calls are allowed every two hours. */
const idlePingMs = 2 * 3_600_000;

export class GrpcServerSession implements CallOwner, ConnectionUser {
  readonly #connection: ServerConnection;
  readonly #onStream: (stream: ServerStream, session: GrpcServerSession) => void;
  readonly #onClosed: (session: GrpcServerSession) => void;
  readonly #preface: Timer;
  readonly #environment: CallEnvironment;
  readonly #keepalive: Keepalive;
  readonly #timers = new Set<Timer>();
  readonly #calls = new Set<GrpcServerCall>();
  #idleSinceMs: number;
  #lastPingMs: number | undefined;
  #pingStrikes = 0;

  constructor({ socket, environment, spec, onStream, onClosed }: SessionOptions) {
    const { keepalive, maxConcurrentStreams } = spec;
    this.#environment = environment;
    this.#keepalive = keepalive;
    this.#onStream = onStream;
    this.#onClosed = onClosed;
    this.#idleSinceMs = environment.clock.monotonicMs();
    this.#preface = this.#after(prefaceDeadlineMs, () => this.destroy());
    this.#connection = new ServerConnection(
      socket,
      {
        clock: environment.clock,
        maxConcurrentStreams: maxConcurrentStreams > 0 ? maxConcurrentStreams : defaultMaxStreams,
        maxHeaderListBytes,
        streamWindowBytes,
        connectionWindowBytes,
      },
      this,
    );
    this.#limitAge();
    if (keepalive.timeMs > 0) this.#every(keepalive.timeMs, () => this.#ping());
  }

  stream(stream: ServerStream): void {
    this.#onStream(stream, this);
  }

  greeted(): void {
    this.#cancel(this.#preface);
  }

  open(stream: ServerStream, route: Route<UnaryHandler>): void {
    const call = new GrpcServerCall(stream, route, this, this.#environment);
    this.#calls.add(call);
    call.start();
  }

  answering(): void {
    // Clients measure the connection by pings while they are served: these are no strikes (grpc-go).
    this.#pingStrikes = 0;
    this.#lastPingMs = undefined;
  }

  ended(call: GrpcServerCall): void {
    this.#calls.delete(call);
    if (this.#calls.size === 0) this.#idleSinceMs = this.#environment.clock.monotonicMs();
  }

  /** The connection is over, and so are its calls. */
  closed(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#onClosed(this);
  }

  /** Calls that take too long, and connections without any. */
  sweep(nowMs: number): void {
    for (const call of this.#calls) call.sweep(nowMs);
    if (this.#connection.isUnreadFor(stepMs)) return this.destroy();
    const { maxConnectionIdleMs } = this.#keepalive;
    const isIdle = maxConnectionIdleMs > 0 && this.#calls.size === 0;
    if (isIdle && nowMs - this.#idleSinceMs >= maxConnectionIdleMs) this.close();
  }

  /** GOAWAY; ends when the running calls have. */
  close(): void {
    this.#connection.close();
  }

  destroy(): void {
    this.#connection.destroy();
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
    const timer = this.#after(this.#keepalive.timeoutMs, () => this.destroy());
    this.#connection.ping(() => this.#cancel(timer));
  }

  /** keepalive enforcement policy: clients that ping too often are sent away. */
  ping(): void {
    const { minTimeMs, permitWithoutStream } = this.#keepalive;
    const nowMs = this.#environment.clock.monotonicMs();
    const isIdle = this.#calls.size === 0 && !permitWithoutStream;
    const shortestMs = isIdle ? Math.max(minTimeMs, idlePingMs) : minTimeMs;
    const isEarly = this.#lastPingMs !== undefined && nowMs - this.#lastPingMs < shortestMs;
    this.#lastPingMs = nowMs;
    if (!isEarly) return;
    this.#pingStrikes++;
    if (this.#pingStrikes > maxPingStrikes) {
      this.#connection.fail(errorCode.enhanceYourCalm, "too_many_pings");
    }
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
