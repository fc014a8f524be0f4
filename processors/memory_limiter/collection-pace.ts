/**
 * When a garbage collection may be forced (internal/memorylimiter): not more often than the configured minimum, and
 * ever more rarely, up to the configured maximum, while collections free little: what fills the memory is in use then.
 * Both intervals grow together and fall back together, so that neither is caught unprepared when usage crosses
 * the hard limit.
 */
import type { MemoryLimiterConfig } from "./config.ts";

/** A fall of so much shows that memory does come free. */
const effectiveFall = 0.05;
/** Of the check interval: timers are late at times, and the next check shall find the interval over. */
const nearlyOneCheck = 0.95;

export class CollectionPace {
  readonly #config: MemoryLimiterConfig;
  #lastMs: number;
  #lastUsage = 0;
  #softMs = 0;
  #hardMs = 0;

  /** `nowMs`: at the start there is nothing to collect, so it counts as a collection. */
  constructor(config: MemoryLimiterConfig, nowMs: number) {
    this.#config = config;
    this.#lastMs = nowMs;
  }

  /** Current waits of the back-off. */
  get intervalsMs(): { readonly soft: number; readonly hard: number } {
    return { soft: this.#softMs, hard: this.#hardMs };
  }

  isDue(isHard: boolean, nowMs: number): boolean {
    const { min_gc_interval_when_hard_limited: hard, min_gc_interval_when_soft_limited: soft } =
      this.#config;
    const waitMs = isHard ? Math.max(hard, this.#hardMs) : Math.max(soft, this.#softMs);
    return nowMs - this.#lastMs > waitMs;
  }

  /** A measurement without a collection before it: usage may have fallen by itself. */
  observe(usage: number, isAboveSoft: boolean): boolean {
    const hasFallen = !isAboveSoft || usage <= this.#lastUsage * (1 - effectiveFall);
    this.#lastUsage = usage;
    if (hasFallen) {
      this.#softMs = 0;
      this.#hardMs = 0;
    }
    return hasFallen;
  }

  /** The measurement after a forced collection; false: it freed little, and the intervals have grown. */
  collected(usage: number, isAboveSoft: boolean, nowMs: number): boolean {
    this.#lastMs = nowMs;
    if (this.observe(usage, isAboveSoft)) return true;
    const config = this.#config;
    this.#softMs = this.#grown(
      this.#softMs,
      config.min_gc_interval_when_soft_limited,
      config.max_gc_interval_when_soft_limited,
    );
    this.#hardMs = this.#grown(
      this.#hardMs,
      config.min_gc_interval_when_hard_limited,
      config.max_gc_interval_when_hard_limited,
    );
    return false;
  }

  /** `maxMs` 0: no back-off. */
  #grown(currentMs: number, minMs: number, maxMs: number): number {
    if (maxMs === 0) return minMs;
    const floorMs = Math.max(minMs, this.#config.check_interval! * nearlyOneCheck);
    return Math.min(Math.max(currentMs, floorMs) * 2, Math.max(maxMs, minMs));
  }
}
