/** From cumulative histograms to what was added since the point before. */
import type { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import { type Distribution, forgetExtremes } from "./distribution.ts";
import { ExplicitHistogram } from "./explicit-histogram.ts";
import type { Ignored } from "./reports.ts";
import type { StateMemory } from "./state-memory.ts";

/** The last point of a cumulative series. */
export interface Baseline {
  readonly key: string;
  histogram: Distribution;
  /** As the sender says; 0: it does not. */
  startNs: number;
  timeNs: number;
  /** When it came: monotonic, and by the wall clock. */
  seenMs: number;
  seenWallMs: number;
  bytes: number;
}

/** A cumulative point. */
export interface CumulativePoint {
  readonly histogram: Distribution;
  readonly startNs: number;
  readonly timeNs: number;
}

export interface Arrival {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** undefined: nothing to sample. */
export type Increment = Distribution | Ignored | undefined;

const baselineBytes = 300;

interface Options {
  readonly limit: number;
  readonly memory: StateMemory;
  readonly expireMs: number;
  /** Wall clock: series that begin from here on have been seen whole. */
  readonly startedMs: number;
}

export class Baselines {
  readonly #byKey = new Map<string, Baseline>();
  readonly #options: Options;
  /**
   * Of series that began before this, points may have been sampled of which nothing is remembered. It moves with
   * each baseline that is forgotten: counted whole, such a series would be counted twice when it comes back.
   */
  #unseenNs: number;

  constructor(options: Options) {
    this.#options = options;
    this.#unseenNs = options.startedMs * 1e6;
  }

  get size(): number {
    return this.#byKey.size;
  }

  find(key: string): Baseline | undefined {
    return this.#byKey.get(key);
  }

  /** What the point adds to its baseline, which it becomes. */
  advance(key: string, point: CumulativePoint, arrival: Arrival): Increment {
    const { histogram, startNs, timeNs } = point;
    forgetExtremes(histogram);
    const before = this.#unexpired(key, arrival.monotonicMs);
    if (before === undefined) return this.#first(key, point, arrival);
    if (timeNs > 0 && timeNs <= before.timeNs) return "out_of_order";
    const increment = isNewer(point, before)
      ? histogram
      : differenceOf(histogram, before.histogram);
    const bytes = baselineBytes + histogram.heldBytes;
    if (bytes > before.bytes && this.#options.memory.isFull) this.forget(before);
    else this.#options.memory.change(bytes - before.bytes);
    before.bytes = bytes;
    before.histogram = histogram;
    before.startNs = startNs;
    before.timeNs = timeNs;
    before.seenMs = arrival.monotonicMs;
    before.seenWallMs = arrival.wallMs;
    return increment;
  }

  #first(
    key: string,
    { histogram, startNs, timeNs }: CumulativePoint,
    arrival: Arrival,
  ): Increment {
    const { limit, memory } = this.#options;
    const bytes = baselineBytes + histogram.heldBytes;
    const isWhole = startNs >= this.#unseenNs;
    if (this.#byKey.size >= limit || !memory.tryTake(bytes)) {
      this.#seeOnlyAfter(arrival.wallMs);
      return "series_limit";
    }
    this.#byKey.set(key, {
      key,
      histogram,
      startNs,
      timeNs,
      seenMs: arrival.monotonicMs,
      seenWallMs: arrival.wallMs,
      bytes,
    });
    return isWhole ? histogram : undefined;
  }

  #unexpired(key: string, nowMs: number): Baseline | undefined {
    const baseline = this.#byKey.get(key);
    if (baseline === undefined || nowMs - baseline.seenMs <= this.#options.expireMs)
      return baseline;
    this.forget(baseline);
    return undefined;
  }

  /** The series has ended, or there is no room for it. */
  forget(baseline: Baseline): void {
    if (!this.#byKey.delete(baseline.key)) return;
    this.#options.memory.change(-baseline.bytes);
    this.#seeOnlyAfter(baseline.seenWallMs);
  }

  #seeOnlyAfter(wallMs: number): void {
    this.#unseenNs = Math.max(this.#unseenNs, (wallMs + 1) * 1e6);
  }

  /** Forgets the series that fell silent. */
  sweep(nowMs: number): void {
    for (const baseline of this.#byKey.values()) {
      if (nowMs - baseline.seenMs > this.#options.expireMs) this.forget(baseline);
    }
  }
}

/** A start that one of the two does not know says nothing, unless it lies behind the other point. */
const isNewer = ({ startNs }: CumulativePoint, before: Baseline): boolean =>
  startNs > before.startNs && (before.startNs > 0 || startNs >= before.timeNs);

/** All of it where the series began anew. */
function differenceOf(now: Distribution, before: Distribution): Distribution {
  const difference =
    now instanceof ExplicitHistogram
      ? now.difference(before as ExplicitHistogram)
      : now.difference(before as ExponentialHistogram);
  return difference ?? now;
}
