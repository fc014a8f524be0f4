/**
 * One connection of the graph: counts what crosses it, keeps what its target refused after a sibling had
 * accepted, and knows when its target is stalled (docs/architecture.md, Responsibility).
 */
import { type Clock, sleep, type Timer } from "../clock.ts";
import type { Budget, Context, EdgeCounts, Payload, Signal } from "../component.ts";
import { Fifo } from "../delivery/fifo.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";

/** What a branch leads to: a processor, a connector or an exporter's sink. */
export interface Target {
  readonly assurance: "held" | "kept";
  consume(payload: Payload, context: Context): Promise<void>;
  ready(payload: Payload, context: Context): TelemetryError | undefined;
  /** Monotonic time of the last successful push anywhere behind; 0: none yet. */
  lastSuccessMs(): number;
}

export interface BranchName {
  readonly from: string;
  readonly to: string;
  readonly pipeline: string;
  readonly signal: Signal;
}

export interface BranchDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: Budget;
  /** Counts in the self-metrics too. */
  drop(name: BranchName, reason: string, items: number): void;
}

interface HeldPayload {
  readonly payload: Payload;
  readonly context: Context;
}

interface HandOver {
  readonly entry: HeldPayload;
  /** Nobody waits any more: if it is refused, it is lost. */
  isGivenUp: boolean;
}

/** A branch that stays unready for so long is stalled and no longer holds its siblings up. */
const stallAfterMs = 5000;
const firstRetryMs = 100;
const maxRetryMs = 5000;

export class Branch {
  readonly name: BranchName;
  /** Key of the node it leads to. */
  readonly node: string;
  target: Target;
  requests = 0;
  items = 0;
  bytes = 0;
  refusedItems = 0;
  readonly dropped = new Map<string, number>();
  readonly #deps: BranchDeps;
  readonly #held = new Fifo<HeldPayload>();
  #heldItems = 0;
  #heldBytes = 0;
  #retryTimer: Timer | undefined;
  #retryDelayMs = firstRetryMs;
  #retrying: Promise<void> | undefined;
  /** The oldest, while it is being handed over again. */
  #onItsWay: HandOver | undefined;
  #unreadySinceMs: number | undefined;
  #stalledSinceMs: number | undefined;

  constructor(name: BranchName, node: string, target: Target, deps: BranchDeps) {
    this.name = name;
    this.node = node;
    this.target = target;
    this.#deps = deps;
  }

  get stalled(): boolean {
    return this.#stalledSinceMs !== undefined;
  }

  /** Why the payload would be refused now. While something is kept for a retry, nothing overtakes it. */
  ready(payload: Payload, context: Context): TelemetryError | undefined {
    const error = this.#heldItems > 0 ? this.#busy() : this.target.ready(payload, context);
    this.#noteReadiness(error);
    return error;
  }

  consume(payload: Payload, context: Context): Promise<void> {
    return this.#offer(payload, context).then(
      () => this.#countTaken(payload),
      (error: unknown) => {
        this.refusedItems += payload.itemCount;
        throw asTelemetryError(error);
      },
    );
  }

  /** Keeps what the target refused although a sibling has it; retried alone until it is taken. */
  keep(payload: Payload, context: Context): void {
    this.#push(payload, context);
    this.#scheduleRetry();
  }

  /** Keeps what a predecessor of the target held, and hands it over at once. */
  adopt(payloads: readonly HeldPayload[]): void {
    for (const { payload, context } of payloads) this.#push(payload, context);
    void this.#retryHeld();
  }

  drop(reason: string, items: number): void {
    this.dropped.set(reason, (this.dropped.get(reason) ?? 0) + items);
    this.#deps.drop(this.name, reason, items);
  }

  counts(): EdgeCounts {
    const { requests, items, bytes, refusedItems, dropped } = this;
    return {
      ...this.name,
      requests,
      items,
      bytes,
      refusedItems,
      heldItems: this.#heldItems,
      heldBytes: this.#heldBytes,
      dropped,
    };
  }

  /** Hands over what is kept until nothing is left or the signal aborts; the rest is dropped{shutdown}. */
  async flush(abort: AbortSignal): Promise<void> {
    const isOver = untilAborted(abort);
    while (this.#heldItems > 0 && !abort.aborted) {
      this.#cancelRetry();
      await Promise.race([this.#retryHeld(), isOver.promise]);
      if (this.#heldItems > 0) await sleep(this.#deps.clock, firstRetryMs, abort).catch(() => {});
    }
    isOver.cancel();
    this.#cancelRetry();
    // What is on its way is answered by its target, which is stopped next.
    const onItsWay = this.#onItsWay;
    if (onItsWay !== undefined) onItsWay.isGivenUp = true;
    for (const entry of this.#held.drain()) {
      if (entry === onItsWay?.entry) continue;
      const { payload } = entry;
      this.#deps.budget.release(payload.heldBytes);
      this.#forget(payload);
      this.drop("shutdown", payload.itemCount);
    }
  }

  /** A target that throws, instead of rejecting, must not keep the siblings from being handed over to. */
  #offer(payload: Payload, context: Context): Promise<void> {
    try {
      return this.target.consume(payload, context);
    } catch (error) {
      return Promise.reject(asTelemetryError(error));
    }
  }

  #busy(): TelemetryError {
    return new TelemetryError("NOT_READY", `${this.name.to} has yet to take earlier data`, {
      retryable: true,
    });
  }

  #countTaken(payload: Payload): void {
    this.requests++;
    this.items += payload.itemCount;
    this.bytes += payload.byteLength;
  }

  #noteReadiness(error: TelemetryError | undefined): void {
    const nowMs = this.#deps.clock.monotonicMs();
    if (this.#stalledSinceMs !== undefined && this.target.lastSuccessMs() > this.#stalledSinceMs) {
      this.#stalledSinceMs = undefined;
      this.#unreadySinceMs = undefined;
      this.#deps.log.info("Branch takes data again.", { edge: this.#edge() });
    }
    if (error === undefined) {
      this.#unreadySinceMs = undefined;
      return;
    }
    // Memory pressure and shutdown concern the whole process: no reason to prefer a sibling.
    if (error.code !== "QUEUE_FULL" && error.code !== "NOT_READY") return;
    if (this.target.assurance === "kept") return;
    this.#unreadySinceMs ??= nowMs;
    if (this.#stalledSinceMs === undefined && nowMs - this.#unreadySinceMs >= stallAfterMs) {
      this.#stalledSinceMs = nowMs;
      this.#deps.log.error(
        "Branch is stalled: its siblings go on, and what does not fit into its queue is dropped until a send succeeds.",
        { edge: this.#edge(), cause: error.message },
      );
    }
  }

  #edge(): string {
    return `${this.name.from} -> ${this.name.to}`;
  }

  #push(payload: Payload, context: Context): void {
    this.#deps.budget.reserve(payload.heldBytes);
    // Its sender has been answered: whoever is asked again is bound by no deadline.
    this.#held.push({ payload, context: { ...context, deadlineMs: undefined } });
    this.#heldItems += payload.itemCount;
    this.#heldBytes += payload.heldBytes;
  }

  #scheduleRetry(): void {
    if (this.#retryTimer !== undefined || this.#retrying !== undefined) return;
    this.#retryTimer = this.#deps.clock.after(this.#retryDelayMs, () => {
      this.#retryTimer = undefined;
      void this.#retryHeld();
    });
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, maxRetryMs);
  }

  #cancelRetry(): void {
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
  }

  #retryHeld(): Promise<void> {
    this.#retrying ??= this.#handOver().finally(() => {
      this.#retrying = undefined;
      if (this.#held.length > 0) this.#scheduleRetry();
    });
    return this.#retrying;
  }

  /** Oldest first; stops at the first retryable refusal. */
  async #handOver(): Promise<void> {
    for (let first = this.#held.peek(); first !== undefined; first = this.#held.peek()) {
      const refusal = this.target.ready(first.payload, first.context);
      if (refusal?.retryable === true || !(await this.#retry(first))) return;
      this.#retryDelayMs = firstRetryMs;
    }
  }

  /** False: refused retryably, and still kept. */
  async #retry(entry: HeldPayload): Promise<boolean> {
    const { payload, context } = entry;
    const way: HandOver = { entry, isGivenUp: false };
    this.#onItsWay = way;
    // Whoever takes it has booked it when the call returns.
    this.#deps.budget.release(payload.heldBytes);
    try {
      await this.#offer(payload, context);
      this.#countTaken(payload);
    } catch (error) {
      const cause = asTelemetryError(error);
      if (cause.retryable && !way.isGivenUp) {
        this.#deps.budget.reserve(payload.heldBytes);
        return false;
      }
      this.#lose(payload, cause);
    } finally {
      this.#onItsWay = undefined;
    }
    if (!way.isGivenUp) this.#held.shift();
    this.#forget(payload);
    return true;
  }

  #lose(payload: Payload, cause: TelemetryError): void {
    this.drop(cause.retryable ? "shutdown" : "rejected", payload.itemCount);
    this.#deps.log.error("Data was refused for good and dropped.", {
      edge: this.#edge(),
      items: payload.itemCount,
      error: cause.message,
    });
  }

  #forget(payload: Payload): void {
    this.#heldItems -= payload.itemCount;
    this.#heldBytes -= payload.heldBytes;
  }
}

/** A promise of the abort that can be given up, so that long lives leave no listeners behind. */
function untilAborted(signal: AbortSignal): { promise: Promise<void>; cancel(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  if (signal.aborted) resolve();
  else signal.addEventListener("abort", onAbort, { once: true });
  return { promise, cancel: () => signal.removeEventListener("abort", onAbort) };
}
