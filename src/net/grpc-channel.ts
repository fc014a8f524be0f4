/**
 * The connections of one gRPC client: resolves the target, keeps one connection per address, chooses one for
 * each call, and connects again when there is none.
 *
 * Connections are made when a call needs one, without timers of their own: after a failure the next call
 * past the back-off tries again. Addresses are resolved anew after GOAWAY, a lost connection or a failed
 * attempt, so that a backend that moved is found.
 */
import type { Clock, Timer } from "../clock.ts";
import { causeText } from "./cause.ts";
import type { GrpcSession } from "./grpc-session.ts";
import { GrpcSubchannel, type SubchannelOptions } from "./grpc-subchannel.ts";
import type { Address, Resolver } from "./resolver.ts";

/** No connection for a call; the message is the status' message. */
export class NoConnection extends Error {
  override readonly name = "NoConnection";
}

interface Waiter {
  readonly waitForReady: boolean;
  readonly resolve: (session: GrpcSession) => void;
  readonly reject: (error: NoConnection) => void;
}

export interface ChannelOptions extends SubchannelOptions {
  readonly resolver: Resolver;
  readonly balancer: "pick_first" | "round_robin";
}

/** The resolver is asked at most this often. */
const minResolveIntervalMs = 1000;

export class GrpcChannel {
  readonly #options: ChannelOptions;
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();
  #subchannels: GrpcSubchannel[] = [];
  /** Addresses given up whose connections still finish calls. */
  readonly #leaving = new Set<GrpcSubchannel>();
  #next = 0;
  #resolving = false;
  #stale = true;
  #resolveAtMs = 0;
  #resolveError = "";
  #retryTimer: Timer | undefined;
  #closed = false;
  #idle: (() => void) | undefined;

  constructor(options: ChannelOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  /** Why there was no connection last; empty: there was no failure. */
  get lastError(): string {
    return this.#subchannels.findLast((entry) => entry.lastError !== "")?.lastError ?? "";
  }

  /** A connection for a call now, if there is one. */
  pick(): GrpcSession | undefined {
    const list = this.#subchannels;
    const roundRobin = this.#options.balancer === "round_robin";
    let missing = false;
    let chosen: GrpcSession | undefined;
    for (let i = 0; i < list.length; i++) {
      const at = roundRobin ? (this.#next + i) % list.length : i;
      const session = list[at]!.ready;
      if (session === undefined) {
        missing = true;
      } else if (chosen === undefined) {
        chosen = session;
        this.#next = at + 1;
      }
    }
    if (chosen !== undefined && missing && roundRobin) this.#progress();
    return chosen;
  }

  /** A connection for a call, when there is one; rejects with NoConnection. */
  wait(waitForReady: boolean, abort: AbortSignal): Promise<GrpcSession> {
    if (this.#closed)
      return Promise.reject(new NoConnection("grpc: the client connection is closing"));
    return new Promise((resolve, reject) => {
      const settle = () => {
        abort.removeEventListener("abort", onAbort);
        this.#waiters.delete(waiter);
      };
      const onAbort = () => {
        settle();
        reject(new NoConnection("call cancelled while waiting for a connection"));
      };
      const waiter: Waiter = {
        waitForReady,
        resolve: (session) => {
          settle();
          resolve(session);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      this.#waiters.add(waiter);
      if (abort.aborted) return onAbort();
      abort.addEventListener("abort", onAbort, { once: true });
      this.#serve();
    });
  }

  /** Called when a call ended, so that `close` sees the last one. */
  callEnded(): void {
    if (this.#closed && this.#activeCalls() === 0) this.#idle?.();
  }

  /** Waits for running calls until aborted, then cuts. */
  async close(abort: AbortSignal): Promise<void> {
    this.#closed = true;
    this.#retryTimer?.cancel();
    for (const waiter of this.#waiters) {
      waiter.reject(new NoConnection("grpc: the client connection is closing"));
    }
    const all = [...this.#subchannels, ...this.#leaving];
    if (this.#activeCalls() > 0 && !abort.aborted) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
        abort.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    for (const subchannel of all) subchannel.destroy("grpc: the client connection is closing");
  }

  #activeCalls(): number {
    let calls = 0;
    for (const subchannel of this.#subchannels) calls += subchannel.activeCalls;
    for (const subchannel of this.#leaving) calls += subchannel.activeCalls;
    return calls;
  }

  /** Gives waiters a connection, or begins what may lead to one, or tells them that there is none. */
  #serve(): void {
    if (this.#closed || this.#waiters.size === 0) return;
    for (const waiter of this.#waiters) {
      const session = this.pick();
      if (session === undefined) break;
      waiter.resolve(session);
    }
    if (this.#waiters.size > 0 && !this.#progress()) this.#refuse();
  }

  /** Begins what may lead to a connection; false: nothing is under way. */
  #progress(): boolean {
    if (this.#resolving) return true;
    if (this.#stale && this.#clock.monotonicMs() >= this.#resolveAtMs) {
      void this.#resolve();
      return true;
    }
    this.#connectMissing();
    return this.#subchannels.some((subchannel) => subchannel.connecting);
  }

  /** Every address is in its back-off: calls fail at once, those that wait for readiness wait on. */
  #refuse(): void {
    const error = new NoConnection(this.#failureText());
    for (const waiter of this.#waiters) if (!waiter.waitForReady) waiter.reject(error);
    if (this.#waiters.size === 0 || this.#retryTimer !== undefined) return;
    const times = this.#subchannels.map((subchannel) => subchannel.retryAtMs);
    const retryAtMs = times.length === 0 ? this.#resolveAtMs : Math.min(...times);
    this.#retryTimer = this.#clock.after(retryAtMs - this.#clock.monotonicMs(), () => {
      this.#retryTimer = undefined;
      this.#serve();
    });
  }

  #failureText(): string {
    const last = this.lastError;
    if (last === "") return `name resolver error: ${this.#resolveError}`;
    return `connection error: desc = "transport: ${last}"`;
  }

  /** Starts attempts where the back-off is over: at every address, with pick_first at one at a time. */
  #connectMissing(): void {
    const nowMs = this.#clock.monotonicMs();
    if (this.#options.balancer === "pick_first") {
      if (this.#subchannels.some((subchannel) => subchannel.connecting)) return;
      this.#subchannels.find((subchannel) => nowMs >= subchannel.retryAtMs)?.connect(nowMs);
      return;
    }
    for (const subchannel of this.#subchannels) subchannel.connect(nowMs);
  }

  async #resolve(): Promise<void> {
    this.#resolving = true;
    try {
      const addresses = await this.#options.resolver.resolve();
      this.#stale = false;
      this.#adopt(addresses);
    } catch (error) {
      this.#resolveError = causeText(error);
    }
    this.#resolving = false;
    this.#resolveAtMs = this.#clock.monotonicMs() + minResolveIntervalMs;
    if (this.#closed) for (const subchannel of this.#subchannels) subchannel.close();
    this.#serve();
  }

  /** Keeps the connections of addresses that are still named, lets the others finish. */
  #adopt(addresses: readonly Address[]): void {
    const old = new Map(this.#subchannels.map((entry) => [entry.address.key, entry]));
    this.#subchannels = addresses.map(
      (address) => old.get(address.key) ?? this.#createSubchannel(address),
    );
    for (const subchannel of this.#subchannels) old.delete(subchannel.address.key);
    for (const subchannel of old.values()) {
      this.#leaving.add(subchannel);
      subchannel.close();
    }
    for (const subchannel of this.#leaving) {
      if (subchannel.activeCalls === 0) this.#leaving.delete(subchannel);
    }
  }

  #createSubchannel(address: Address): GrpcSubchannel {
    return new GrpcSubchannel(address, this.#options, { changed: () => this.#changed() });
  }

  #changed(): void {
    const resolver = this.#options.resolver;
    const allReady = this.#subchannels.every((subchannel) => subchannel.ready !== undefined);
    if (!allReady && !resolver.isStatic) this.#stale = true;
    this.#serve();
  }
}
