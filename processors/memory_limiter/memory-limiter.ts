/**
 * Refuses data, retryably, while memory use is above the soft limit or the memory budget is used up. Use is what V8 holds (heap and external
 * memory, which includes all buffers): RSS would lag behind, as freed pages return to the system late.
 */
import type { Clock, Timer } from "../../src/clock.ts";
import type { Context, Edge, Payload, Settings, Signal, Stage } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { itemNames } from "../../src/pdata/payload.ts";
import type { MemoryLimiterConfig } from "./config.ts";
import type { Limits } from "./limits.ts";

interface MemoryLimiterOptions {
  readonly config: MemoryLimiterConfig;
  readonly limits: Limits;
  readonly signal: Signal;
  readonly settings: Settings;
  readonly next: Edge;
  /** Bytes in use now. */
  readonly readUsage: () => number;
  /** Forces a collection; absent without --expose-gc. */
  readonly collect: (() => void) | undefined;
}

type ItemName = "spans" | "metric_points" | "log_records";

/** Of the hard limit: a collection that frees less was in vain, and the next one waits longer. */
const worthwhileShare = 0.05;

export class MemoryLimiter implements Stage {
  readonly #options: MemoryLimiterOptions;
  readonly #clock: Clock;
  readonly #accepted: { add(n: number): void };
  readonly #refused: { add(n: number): void };
  #timer: Timer | undefined;
  #isRefusing = false;
  #lastCollectMs = Number.NEGATIVE_INFINITY;
  #vainCollections = 0;

  constructor(options: MemoryLimiterOptions) {
    this.#options = options;
    const { settings, signal } = options;
    this.#clock = settings.clock;
    const item = itemNames[signal] as ItemName;
    const labels = { processor: settings.id.text };
    this.#accepted = settings.meter.counter(
      `otelcol_processor_memory_limiter_accepted_${item}`,
      labels,
    );
    this.#refused = settings.meter.counter(
      `otelcol_processor_memory_limiter_refused_${item}`,
      labels,
    );
  }

  start(): Promise<void> {
    this.#check();
    this.#timer = this.#clock.every(this.#options.config.check_interval!, () => this.#check());
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    this.#timer?.cancel();
    return Promise.resolve();
  }

  ready(payload: Payload, context: Context): TelemetryError | undefined {
    return this.#isRefusing ? refusal() : this.#options.next.ready(payload, context);
  }

  consume(payload: Payload, context: Context): Promise<void> {
    if (this.#isRefusing) {
      this.#refused.add(payload.itemCount);
      return Promise.reject(refusal());
    }
    return this.#options.next
      .consume(payload, context)
      .then(() => this.#accepted.add(payload.itemCount));
  }

  /** Measures, collects where that may help, and decides. */
  #check(): void {
    const { limits, settings } = this.#options;
    let usage = this.#options.readUsage();
    if (usage > limits.softBytes && this.#mayCollect(usage)) usage = this.#collectFrom(usage);
    const { budget } = settings;
    const isAbove = usage > limits.softBytes || budget.usedBytes >= budget.limitBytes;
    if (isAbove && !this.#isRefusing) {
      settings.log.warn("Memory usage is above soft limit. Refusing data.", {
        cur_mem_mib: mebibytes(usage),
      });
      settings.report({ state: "recoverable", message: "data refused due to high memory usage" });
    }
    if (!isAbove && this.#isRefusing) {
      settings.log.info("Memory usage back within limits. Resuming normal operation.", {
        cur_mem_mib: mebibytes(usage),
      });
      settings.report({ state: "ok" });
    }
    this.#isRefusing = isAbove;
  }

  #mayCollect(usage: number): boolean {
    const { config, limits, collect } = this.#options;
    if (collect === undefined) return false;
    const isHard = usage > limits.hardBytes;
    const shortestMs = isHard
      ? config.min_gc_interval_when_hard_limited
      : config.min_gc_interval_when_soft_limited;
    const longestMs = isHard
      ? config.max_gc_interval_when_hard_limited
      : config.max_gc_interval_when_soft_limited;
    // From nothing the back-off begins at the check interval.
    const step = Math.max(shortestMs, this.#vainCollections > 0 ? config.check_interval! : 0);
    const waitMs = Math.min(step * 2 ** this.#vainCollections, Math.max(longestMs, shortestMs));
    return this.#clock.monotonicMs() - this.#lastCollectMs >= waitMs;
  }

  #collectFrom(before: number): number {
    this.#options.collect!();
    this.#lastCollectMs = this.#clock.monotonicMs();
    const after = this.#options.readUsage();
    const isVain = before - after < this.#options.limits.hardBytes * worthwhileShare;
    this.#vainCollections = isVain ? Math.min(this.#vainCollections + 1, 10) : 0;
    return after;
  }
}

const refusal = () =>
  new TelemetryError("MEMORY_LIMITED", "data refused due to high memory usage", {
    retryable: true,
  });

const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
