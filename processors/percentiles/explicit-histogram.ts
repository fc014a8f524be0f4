import type { Quantile } from "../../src/metrics/exponential-histogram.ts";
import { Cursor, dataViewOf } from "../../src/pdata/wire.ts";

/** Ranks that differ by less are the same: q n is rounded. */
const slack = 1e-12;

/**
 * A histogram with fixed bounds. Unknown `min`, `max` and `sum` are NaN, and stay so through merging; of an
 * empty histogram they are Infinity, -Infinity and 0.
 *
 *     bucket i = (bounds[i - 1], bounds[i]]      the first from -Infinity, the last, one more, to Infinity
 */
export class ExplicitHistogram {
  bounds: Float64Array;
  counts: Float64Array;
  sum = 0;
  min = Infinity;
  max = -Infinity;

  constructor(bounds: Float64Array, counts = new Float64Array(bounds.length + 1)) {
    this.bounds = bounds;
    this.counts = counts;
  }

  get count(): number {
    let total = 0;
    for (const count of this.counts) total += count;
    return total;
  }

  get heldBytes(): number {
    return 400 + this.bounds.byteLength + this.counts.byteLength;
  }

  /** Adds what another one with the same bounds, or with more, counted. */
  merge(other: ExplicitHistogram): void {
    addCounts(this.counts, this.bounds, other);
    this.sum += other.sum;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
  }

  /** Keeps only these of its bounds. */
  reduceTo(bounds: Float64Array): void {
    if (sameBounds(this.bounds, bounds)) return;
    const counts = new Float64Array(bounds.length + 1);
    addCounts(counts, bounds, this);
    this.bounds = bounds;
    this.counts = counts;
  }

  /**
   * What was counted since `previous`, an earlier state of the same series; undefined when it is none: something
   * fell or the bounds are others. Min and max are unknown: what was extreme may have been so before.
   */
  difference(previous: ExplicitHistogram): ExplicitHistogram | undefined {
    if (!sameBounds(this.bounds, previous.bounds)) return undefined;
    const counts = new Float64Array(this.counts.length);
    let total = 0;
    for (let i = 0; i < counts.length; i++) {
      const count = this.counts[i]! - previous.counts[i]!;
      if (count < 0) return undefined;
      counts[i] = count;
      total += count;
    }
    const result = new ExplicitHistogram(this.bounds, counts);
    if (total > 0) {
      result.sum = this.sum - previous.sum;
      result.min = Number.NaN;
      result.max = Number.NaN;
    }
    return result;
  }

  /**
   * The value of rank q n, linear within its bucket. The first bucket begins at the minimum if that is known, else
   * at 0 if its bound is positive, else it is its bound; the last one ends at the maximum if that is known, else
   * its lower bound is the value. NaN of an empty histogram.
   */
  quantileBounds(q: number): Quantile {
    const { counts, count: total, min, max } = this;
    if (total === 0) return { value: Number.NaN, lower: Number.NaN, upper: Number.NaN };
    const rank = q * total - total * slack;
    let before = 0;
    let i = 0;
    let last = counts.length - 1;
    while (counts[last] === 0) last--;
    while (i < last && (counts[i] === 0 || before + counts[i]! < rank)) before += counts[i++]!;
    const fraction = Math.min(Math.max((q * total - before) / counts[i]!, 0), 1);
    const { value: middle, lower, upper } = this.#inBucket(i, fraction);
    let value = middle;
    // Comparisons with NaN, an unknown minimum or maximum, are false.
    if (value < min || (q === 0 && min <= Infinity)) value = min;
    if (value > max || (q === 1 && max <= Infinity)) value = max;
    return { value, lower, upper };
  }

  #inBucket(i: number, fraction: number): Quantile {
    const { bounds } = this;
    const isFirst = i === 0;
    const isLast = i === bounds.length;
    const lower = isFirst ? this.#beginning() : bounds[i - 1]!;
    const upper = isLast ? this.#end() : bounds[i]!;
    if (lower === -Infinity) return { value: upper, lower, upper };
    if (upper === Infinity) return { value: lower, lower, upper };
    // Not lower + (upper - lower) * fraction: the difference of two doubles may be none.
    return { value: lower * (1 - fraction) + upper * fraction, lower, upper };
  }

  #beginning(): number {
    const bound = this.bounds[0]!;
    if (!Number.isNaN(this.min)) return Math.min(this.min, bound);
    return bound > 0 ? 0 : -Infinity;
  }

  #end(): number {
    const bound = this.bounds.at(-1)!;
    return Number.isNaN(this.max) ? Infinity : Math.max(this.max, bound);
  }
}

/** Adds counts to the buckets of `bounds`, which are among the other's. */
function addCounts(to: Float64Array, bounds: Float64Array, other: ExplicitHistogram): void {
  let at = 0;
  for (let i = 0; i < other.counts.length; i++) {
    to[at]! += other.counts[i]!;
    if (at < bounds.length && other.bounds[i] === bounds[at]) at++;
  }
}

export function sameBounds(a: Float64Array, b: Float64Array): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The bounds that both have, ascending. */
export function sharedBounds(a: Float64Array, b: Float64Array): Float64Array {
  if (sameBounds(a, b)) return a;
  const other = new Set(b);
  return a.filter((bound) => other.has(bound));
}

/**
 * Reads the data point at [start, end) of verified bytes; undefined: buckets and bounds do not fit together.
 *
 *     HistogramDataPoint = 5: sum double  6: bucket_counts fixed64  7: explicit_bounds double (packed or not)
 *                          11: min double  12: max double
 */
export function readExplicitPoint(
  bytes: Uint8Array,
  start: number,
  end: number,
): ExplicitHistogram | undefined {
  const counts: number[] = [];
  const bounds: number[] = [];
  let [sum, min, max] = [Number.NaN, Number.NaN, Number.NaN];
  const view = dataViewOf(bytes);
  const cursor = new Cursor().reset(bytes, start, end);
  while (cursor.next()) {
    const { number, valueStart, valueEnd } = cursor;
    if (number === 6) {
      for (let p = valueStart; p < valueEnd; p += 8) {
        counts.push(view.getUint32(p, true) + view.getUint32(p + 4, true) * 2 ** 32);
      }
    } else if (number === 7) {
      for (let p = valueStart; p < valueEnd; p += 8) bounds.push(view.getFloat64(p, true));
    } else if (number === 5) sum = view.getFloat64(valueStart, true);
    else if (number === 11) min = view.getFloat64(valueStart, true);
    else if (number === 12) max = view.getFloat64(valueStart, true);
  }
  const isEmpty = counts.length === 0 && bounds.length === 0;
  if (!isEmpty && (counts.length !== bounds.length + 1 || !isAscending(bounds))) return undefined;
  const histogram = new ExplicitHistogram(
    Float64Array.from(bounds),
    isEmpty ? undefined : Float64Array.from(counts),
  );
  if (histogram.count > 0) {
    histogram.sum = sum;
    histogram.min = min;
    histogram.max = max;
  }
  return histogram;
}

const isAscending = (bounds: readonly number[]) =>
  bounds.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > bounds[i - 1]!));
