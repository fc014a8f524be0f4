/** One address of a gRPC client: at most one connection that takes calls, and the back-off after failures. */
import type { ConnectionOptions } from "node:tls";
import type { Clock } from "../clock.ts";
import { causeText } from "./cause.ts";
import { dial } from "./dial.ts";
import { GrpcSession, type Keepalive } from "./grpc-session.ts";
import type { Address } from "./resolver.ts";

export interface SubchannelOptions {
  readonly clock: Clock;
  /** Asked at each connection attempt, so that renewed certificates are used; undefined: clear text. */
  readonly tls: () => Promise<ConnectionOptions | undefined>;
  readonly maxMemoryMb: number;
  /** Shared by the connections of a client, so that all of them slow down when one server complains. */
  readonly keepalive?: Keepalive | undefined;
}

export interface SubchannelListener {
  /** Something changed: a connection is there, was lost, or could not be had. */
  changed(): void;
}

/** Growth of the keepalive time when a server complains (gRPC proposal A8). */
const keepaliveGrowth = 2;
/** grpc/doc/connection-backoff.md: the time one attempt has. */
const connectTimeoutMs = 20_000;
/**
 * gRPC waits up to 2 min between attempts; here at most 10 s, since the delivery layer already spaces the
 * calls and a backend that is back should not wait for ours.
 */
const backOff = { initialMs: 1000, multiplier: 1.6, jitter: 0.2, maxMs: 10_000 };

export class GrpcSubchannel {
  readonly address: Address;
  readonly #options: SubchannelOptions;
  readonly #listener: SubchannelListener;
  readonly #abort = new AbortController();
  readonly #sessions = new Set<GrpcSession>();
  #session: GrpcSession | undefined;
  #connecting = false;
  #failures = 0;
  /** Monotonic milliseconds before which no attempt is made. */
  retryAtMs = 0;
  /** Cause of the last failure. */
  lastError = "";

  constructor(address: Address, options: SubchannelOptions, listener: SubchannelListener) {
    this.address = address;
    this.#options = options;
    this.#listener = listener;
  }

  /** The connection that takes calls. */
  get ready(): GrpcSession | undefined {
    return this.#session?.isReady === true ? this.#session : undefined;
  }

  get connecting(): boolean {
    return this.#connecting;
  }

  /** Also those that only finish their calls. */
  get activeCalls(): number {
    let calls = 0;
    for (const session of this.#sessions) calls += session.activeCalls;
    return calls;
  }

  /** Begins an attempt unless there is a connection, an attempt, or a back-off. */
  connect(nowMs: number): void {
    if (this.#connecting || this.ready !== undefined || nowMs < this.retryAtMs) return;
    if (this.#abort.signal.aborted) return;
    this.#connecting = true;
    void this.#attempt();
  }

  /** Gives the address up: attempts end, connections finish their calls. */
  close(): void {
    this.#abort.abort();
    for (const session of this.#sessions) session.close();
  }

  destroy(cause: string): void {
    this.#abort.abort();
    for (const session of this.#sessions) session.destroy(cause);
  }

  async #attempt(): Promise<void> {
    const { clock, maxMemoryMb, keepalive } = this.#options;
    try {
      const tls = await this.#options.tls();
      const dialOptions = { clock, timeoutMs: connectTimeoutMs, tls, alpn: "h2" };
      const socket = await dial(this.address, { ...dialOptions, abort: this.#abort.signal });
      const holder: { session?: GrpcSession } = {};
      const session = await GrpcSession.open(
        socket,
        { clock, maxMemoryMb, keepalive },
        {
          draining: (tooManyPings) => {
            if (tooManyPings && keepalive !== undefined) keepalive.timeMs *= keepaliveGrowth;
            this.#listener.changed();
          },
          closed: (cause) => this.#lost(holder.session, cause),
        },
        { timeoutMs: connectTimeoutMs, abort: this.#abort.signal },
      );
      // It may have ended before anybody could be told.
      if (session.lossCause !== "") throw new Error(session.lossCause);
      holder.session = session;
      this.#opened(session);
    } catch (error) {
      this.#failed(`Error while dialing: ${causeText(error)}`);
    }
    this.#connecting = false;
    this.#listener.changed();
  }

  #opened(session: GrpcSession): void {
    this.#sessions.add(session);
    this.#session = session;
    if (this.#abort.signal.aborted) session.close();
  }

  #lost(session: GrpcSession | undefined, cause: string): void {
    if (session === undefined) return;
    this.#sessions.delete(session);
    if (this.#session === session) this.#session = undefined;
    // A server that accepts connections but answers nothing is a failing one.
    if (session.answeredCalls > 0) this.#failures = 0;
    else this.#failed(cause);
    this.#listener.changed();
  }

  #failed(cause: string): void {
    this.lastError = cause;
    const factor = backOff.multiplier ** Math.min(this.#failures, 30);
    const waitMs = Math.min(backOff.initialMs * factor, backOff.maxMs);
    const jitter = 1 + backOff.jitter * (Math.random() * 2 - 1);
    this.#failures++;
    this.retryAtMs = this.#options.clock.monotonicMs() + waitMs * jitter;
  }
}
