/**
 * Measures memory use and decides whether data is refused: while use is above the soft limit or the memory budget is
 * used up. Use is what V8 holds (heap and external memory, which includes all buffers): RSS would lag behind,
 * as freed pages return to the system late. One for all pipelines that name the same processor.
 */
import type { Clock, Timer } from "../../src/clock.ts";
import type { Budget } from "../../src/component.ts";
import type { Logger } from "../../src/log.ts";
import { CollectionPace } from "./collection-pace.ts";
import type { MemoryLimiterConfig } from "./config.ts";
import type { Limits } from "./limits.ts";

export interface MemoryWatchOptions {
  readonly config: MemoryLimiterConfig;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Logger;
  readonly budget: Budget;
  /** Bytes in use now. */
  readonly readUsage: () => number;
  /** Forces a collection; absent without --expose-gc. */
  readonly collect: (() => void) | undefined;
}

export type RefusalListener = (isRefusing: boolean) => void;

export class MemoryWatch {
  readonly #options: MemoryWatchOptions;
  readonly #pace: CollectionPace;
  readonly #listeners = new Set<RefusalListener>();
  #timer: Timer | undefined;
  #isRefusing = false;

  constructor(options: MemoryWatchOptions) {
    this.#options = options;
    this.#pace = new CollectionPace(options.config, options.clock.monotonicMs());
  }

  get isRefusing(): boolean {
    return this.#isRefusing;
  }

  /** Measures from the first listener on; `listener` is told of every change. */
  add(listener: RefusalListener): void {
    this.#listeners.add(listener);
    if (this.#timer === undefined) {
      const { clock, config } = this.#options;
      this.#timer = clock.every(config.check_interval!, () => this.#check());
      this.#check();
    } else if (this.#isRefusing) listener(true);
  }

  /** The last one ends the measuring. */
  remove(listener: RefusalListener): void {
    if (!this.#listeners.delete(listener) || this.#listeners.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#isRefusing = false;
  }

  #check(): void {
    const usage = this.#measure();
    const { limits, budget, log } = this.#options;
    const isAbove = usage >= limits.softBytes || budget.usedBytes >= budget.limitBytes;
    if (isAbove === this.#isRefusing) return;
    this.#isRefusing = isAbove;
    const fields = { cur_mem_mib: mebibytes(usage) };
    if (isAbove) log.warn("Memory usage is above soft limit. Refusing data.", fields);
    else log.info("Memory usage back within limits. Resuming normal operation.", fields);
    for (const listener of this.#listeners) listener(isAbove);
  }

  /** Bytes in use, after a collection where that may help. */
  #measure(): number {
    const { limits, clock, collect, readUsage } = this.#options;
    const usage = readUsage();
    const isAboveSoft = usage >= limits.softBytes;
    this.#pace.observe(usage, isAboveSoft);
    const isHard = usage >= limits.hardBytes;
    if (!isAboveSoft || collect === undefined || !this.#pace.isDue(isHard, clock.monotonicMs()))
      return usage;
    this.#sayCollecting(isHard, usage);
    collect();
    return this.#measureAfterCollection();
  }

  #sayCollecting(isHard: boolean, usage: number): void {
    const { log } = this.#options;
    const fields = { cur_mem_mib: mebibytes(usage) };
    if (isHard) log.warn("Memory usage is above hard limit. Forcing a GC.", fields);
    else log.info("Memory usage is above soft limit. Forcing a GC.", fields);
  }

  #measureAfterCollection(): number {
    const { limits, clock, log, readUsage } = this.#options;
    const usage = readUsage();
    const cur_mem_mib = mebibytes(usage);
    log.info("Memory usage after GC.", { cur_mem_mib });
    if (!this.#pace.collected(usage, usage >= limits.softBytes, clock.monotonicMs())) {
      const { soft, hard } = this.#pace.intervalsMs;
      log.warn(
        "Forced GC did not reclaim enough memory. Will back off GC frequency to preserve CPU for recovery.",
        {
          next_soft_gc_interval: `${soft / 1000}s`,
          next_hard_gc_interval: `${hard / 1000}s`,
          cur_mem_mib,
        },
      );
    }
    return usage;
  }
}

const mebibytes = (bytes: number) => Math.round(bytes / 2 ** 20);
