/**
 * One connection of the graph: counts what crosses it, keeps what its target refused after a sibling had
 * accepted, and knows when its target is stalled (docs/architecture.md, Responsibility).
 */
import type { Clock, Timer } from "../clock.ts";
import type { Budget, Context, EdgeCounts, Payload, Signal } from "../component.ts";
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

/** A branch that stays unready for so long is stalled and no longer holds its siblings up. */
const stallAfterMs = 5000;
const firstRetryMs = 100;
const maxRetryMs = 5000;

export class Branch {
  readonly name: BranchName;
  target: Target;
  requests = 0;
  items = 0;
  bytes = 0;
  refusedItems = 0;
  readonly dropped = new Map<string, number>();
  readonly #deps: BranchDeps;
  #held: HeldPayload[] = [];
  #heldItems = 0;
  #heldBytes = 0;
  #retryTimer: Timer | undefined;
  #retryDelayMs = firstRetryMs;
  #retrying: Promise<void> | undefined;
  #unreadySinceMs: number | undefined;
  #stalledSinceMs: number | undefined;

  constructor(name: BranchName, target: Target, deps: BranchDeps) {
    this.name = name;
    this.target = target;
    this.#deps = deps;
  }

  get stalled(): boolean {
    return this.#stalledSinceMs !== undefined;
  }

  /** Why the payload would be refused now. While something is kept for a retry, nothing overtakes it. */
  ready(payload: Payload, context: Context): TelemetryError | undefined {
    const error =
      this.#held.length > 0
        ? new TelemetryError("NOT_READY", `${this.name.to} has yet to take earlier data`, {
            retryable: true,
          })
        : this.target.ready(payload, context);
    this.#noteReadiness(error);
    return error;
  }

  consume(payload: Payload, context: Context): Promise<void> {
    const taken = this.target.consume(payload, context);
    return taken.then(
      () => this.#countTaken(payload),
      (error: unknown) => {
        this.refusedItems += payload.itemCount;
        throw asTelemetryError(error);
      },
    );
  }

  /** Keeps what the target refused although a sibling has it; retried alone until it is taken. */
  keep(payload: Payload, context: Context): void {
    this.#deps.budget.reserve(payload.heldBytes);
    this.#held.push({ payload, context });
    this.#heldItems += payload.itemCount;
    this.#heldBytes += payload.heldBytes;
    this.#scheduleRetry();
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
    while (this.#held.length > 0 && !abort.aborted) {
      this.#retryTimer?.cancel();
      this.#retryTimer = undefined;
      const progress = this.#retryHeld();
      await Promise.race([progress, aborted(abort)]);
      if (this.#held.length > 0 && !abort.aborted) {
        await Promise.race([pause(this.#deps.clock, firstRetryMs), aborted(abort)]);
      }
    }
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    for (const { payload } of this.#held.splice(0)) {
      this.#forget(payload);
      this.drop("shutdown", payload.itemCount);
    }
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
      this.#deps.log.info("Branch takes data again.", {
        edge: `${this.name.from} -> ${this.name.to}`,
      });
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
        { edge: `${this.name.from} -> ${this.name.to}`, cause: error.message },
      );
    }
  }

  #scheduleRetry(): void {
    if (this.#retryTimer !== undefined || this.#retrying !== undefined) return;
    this.#retryTimer = this.#deps.clock.after(this.#retryDelayMs, () => {
      this.#retryTimer = undefined;
      void this.#retryHeld();
    });
    this.#retryDelayMs = Math.min(this.#retryDelayMs * 2, maxRetryMs);
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
    for (;;) {
      const first = this.#held[0];
      if (first === undefined) return;
      const { payload, context } = first;
      if (this.target.ready(payload, context) !== undefined) return;
      try {
        await this.target.consume(payload, context);
        this.#countTaken(payload);
      } catch (error) {
        const cause = asTelemetryError(error);
        if (cause.retryable) return;
        this.drop("rejected", payload.itemCount);
        this.#deps.log.error("Data was refused for good and dropped.", {
          edge: `${this.name.from} -> ${this.name.to}`,
          items: payload.itemCount,
          error: cause.message,
        });
      }
      this.#held.shift();
      this.#forget(payload);
      this.#retryDelayMs = firstRetryMs;
    }
  }

  #forget(payload: Payload): void {
    this.#deps.budget.release(payload.heldBytes);
    this.#heldItems -= payload.itemCount;
    this.#heldBytes -= payload.heldBytes;
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

const pause = (clock: Clock, ms: number) =>
  new Promise<void>((resolve) => void clock.after(ms, resolve));
