import { Buckets } from "./exponential-buckets.ts";
import { bucketBound, bucketIndex, maxScale, minScale } from "./exponential-scale.ts";

export interface ExponentialHistogramOptions {
  /** The scale it begins with; only ever lowered. Default 5: quantiles within 1.1 %. */
  readonly scale?: number;
  /** Buckets of each sign; a wider range lowers the scale. Default 1,280: 40 octaves at scale 5. */
  readonly maxSize?: number;
}

/** A quantile with the limits of the bucket it lies in: the true value is within them. */
export interface Quantile {
  readonly value: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * The quantile sketch of the service: a base-2 exponential histogram, as OTLP carries it.
 *
 * - A quantile's relative error is at most (b - 1) / (b + 1) with b = 2^(1 / 2^scale): 1.08 % at scale 5.
 * - `merge` is exact in any order and grouping: buckets, scale, count, min and max come out the same. (`sum` up
 *   to rounding.)
 * - Counts are exact up to 2^53.
 *
 * Unknown `min`, `max` and `sum` are NaN, and stay so through merging; of an empty histogram they are Infinity,
 * -Infinity and 0.
 */
export class ExponentialHistogram {
  readonly maxSize: number;
  readonly #initialScale: number;
  #scale: number;
  count = 0;
  sum = 0;
  min = Infinity;
  max = -Infinity;
  /** Zeros. With a threshold, buckets that lie within it count as zero too, when the histogram is read. */
  zeroCount = 0;
  zeroThreshold = 0;
  readonly positive = new Buckets();
  readonly negative = new Buckets();

  constructor({ scale = 5, maxSize = 1280 }: ExponentialHistogramOptions = {}) {
    if (scale < minScale || scale > maxScale || maxSize < 2) {
      throw new Error(`BUG: no exponential histogram of scale ${scale} and size ${maxSize}`);
    }
    this.maxSize = maxSize;
    this.#initialScale = scale;
    this.#scale = scale;
  }

  get scale(): number {
    return this.#scale;
  }

  /** Bytes it keeps alive, about. */
  get heldBytes(): number {
    return 400 + this.positive.heldBytes + this.negative.heldBytes;
  }

  /** Counts a finite value `weight` times; the weight is a positive integer. */
  add(value: number, weight = 1): void {
    this.count += weight;
    this.sum += value * weight;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    if (value > 0) this.#addTo(this.positive, bucketIndex(value, this.#scale), weight);
    else if (value < 0) this.#addTo(this.negative, bucketIndex(-value, this.#scale), weight);
    else this.zeroCount += weight;
  }

  /** Whether a value can be counted without taking more memory. */
  covers(value: number): boolean {
    if (value === 0) return true;
    const { low, high } = value > 0 ? this.positive : this.negative;
    const index = bucketIndex(Math.abs(value), this.#scale);
    return index >= low && index <= high;
  }

  /** Adds what another histogram counted; the other one stays as it is. */
  merge(other: ExponentialHistogram): void {
    this.count += other.count;
    this.sum += other.sum;
    this.min = Math.min(this.min, other.min);
    this.max = Math.max(this.max, other.max);
    this.zeroCount += other.zeroCount;
    this.zeroThreshold = Math.max(this.zeroThreshold, other.zeroThreshold);
    this.#mergeBuckets(this.positive, other.positive, other.scale);
    this.#mergeBuckets(this.negative, other.negative, other.scale);
  }

  #mergeBuckets(to: Buckets, from: Buckets, scale: number): void {
    if (from.isEmpty) return;
    if (scale < this.#scale) this.#coarsen(this.#scale - scale);
    let shift = scale - this.#scale;
    shift += this.#makeRoom(to, from.low >> shift, from.high >> shift);
    for (let i = from.low; i <= from.high; i++) to.increment(i >> shift, from.at(i));
  }

  /**
   * Counts `count` values in a bucket of a histogram of any scale: for decoding. `count`, `sum`, `min` and `max`
   * of the histogram are the caller's.
   */
  addBucket(to: Buckets, index: number, scale: number, count: number): void {
    if (count === 0) return;
    if (scale < this.#scale) this.#coarsen(this.#scale - scale);
    this.#addTo(to, index >> (scale - this.#scale), count);
  }

  /** Takes in the range of the buckets low … high, which both will count something: for decoding. */
  reserve(to: Buckets, low: number, high: number, scale: number): void {
    if (scale < this.#scale) this.#coarsen(this.#scale - scale);
    const shift = scale - this.#scale;
    this.#makeRoom(to, low >> shift, high >> shift);
  }

  /**
   * What was counted since `previous`, an earlier state of the same series; undefined when it is none: something
   * fell, so the series began anew. Min and max are unknown: what was extreme may have been so before.
   */
  difference(previous: ExponentialHistogram): ExponentialHistogram | undefined {
    const before = previous.clone();
    before.zeroThreshold = this.zeroThreshold;
    before.#fold();
    const result = this.clone();
    result.#fold();
    result.zeroCount -= before.zeroCount;
    if (result.zeroCount < 0 || previous.zeroThreshold > this.zeroThreshold) return undefined;
    if (!result.#subtract(result.positive, before.positive, before.scale)) return undefined;
    if (!result.#subtract(result.negative, before.negative, before.scale)) return undefined;
    result.count = result.zeroCount + result.positive.total() + result.negative.total();
    result.sum = result.count === 0 ? 0 : this.sum - previous.sum;
    result.min = result.count === 0 ? Infinity : Number.NaN;
    result.max = result.count === 0 ? -Infinity : Number.NaN;
    return result;
  }

  /** False: something would fall below zero. */
  #subtract(from: Buckets, what: Buckets, scale: number): boolean {
    if (what.isEmpty) return true;
    if (scale < this.#scale) this.#coarsen(this.#scale - scale);
    const shift = scale - this.#scale;
    for (let i = what.low; i <= what.high; i++) {
      const count = what.at(i);
      if (count === 0) continue;
      if (from.at(i >> shift) < count) return false;
      from.increment(i >> shift, -count);
    }
    from.tighten();
    return true;
  }

  /** The value of rank max(1, ceil(q n)), ascending; q within 0 and 1. NaN of an empty histogram. */
  quantile(q: number): number {
    return this.quantileBounds(q).value;
  }

  quantileBounds(q: number): Quantile {
    if (this.zeroThreshold > 0) {
      const folded = this.clone();
      folded.#fold();
      return folded.#bucketOfRank(q);
    }
    return this.#bucketOfRank(q);
  }

  #bucketOfRank(q: number): Quantile {
    const { positive, negative, zeroThreshold } = this;
    const total = this.zeroCount + positive.total() + negative.total();
    if (total === 0) return nothing;
    // The product may be an integer and a few units in the last place.
    let rest = Math.max(1, Math.ceil(q * total * (1 - 1e-12)));
    for (let i = negative.high; i >= negative.low; i--) {
      rest -= negative.at(i);
      if (rest <= 0) return this.#inBucket(q, i, -1);
    }
    rest -= this.zeroCount;
    if (rest <= 0 || positive.isEmpty) {
      return this.#clamped(q, 0, -zeroThreshold, zeroThreshold);
    }
    for (let i = positive.low; i < positive.high; i++) {
      rest -= positive.at(i);
      if (rest <= 0) return this.#inBucket(q, i, 1);
    }
    return this.#inBucket(q, positive.high, 1);
  }

  /** The harmonic midpoint of a bucket: equally far, relatively, from both of its ends. */
  #inBucket(q: number, index: number, sign: 1 | -1): Quantile {
    const low = bucketBound(index, this.#scale);
    const high = Math.min(bucketBound(index + 1, this.#scale), Number.MAX_VALUE);
    const value = (sign * low) / (0.5 * (1 + low / high));
    return sign > 0 ? this.#clamped(q, value, low, high) : this.#clamped(q, value, -high, -low);
  }

  /** Comparisons with NaN, an unknown minimum or maximum, are false. */
  #clamped(q: number, middle: number, lower: number, upper: number): Quantile {
    const { min, max } = this;
    let value = middle;
    if (value < min || (q === 0 && min <= Infinity)) value = min;
    if (value > max || (q === 1 && max <= Infinity)) value = max;
    return { value, lower, upper };
  }

  /** As new, with its memory kept. */
  reset(): void {
    this.#scale = this.#initialScale;
    this.count = 0;
    this.sum = 0;
    this.min = Infinity;
    this.max = -Infinity;
    this.zeroCount = 0;
    this.zeroThreshold = 0;
    this.positive.clear();
    this.negative.clear();
  }

  clone(): ExponentialHistogram {
    const copy = new ExponentialHistogram({ scale: this.#initialScale, maxSize: this.maxSize });
    copy.merge(this);
    return copy;
  }

  /** The histogram with the buckets inside its zero threshold counted as zero. */
  folded(): ExponentialHistogram {
    if (this.zeroThreshold === 0) return this;
    const copy = this.clone();
    copy.#fold();
    return copy;
  }

  #fold(): void {
    if (this.zeroThreshold === 0) return;
    // A threshold is a bucket's bound, which another implementation may round differently.
    const threshold = this.zeroThreshold * (1 + 1e-12);
    for (const buckets of [this.positive, this.negative]) {
      for (let i = buckets.low; i <= buckets.high; i++) {
        if (bucketBound(i + 1, this.#scale) > threshold) break;
        this.zeroCount += buckets.at(i);
        buckets.increment(i, -buckets.at(i));
      }
      buckets.tighten();
    }
  }

  #addTo(buckets: Buckets, index: number, weight: number): void {
    let at = index;
    if (index < buckets.low || index > buckets.high) at >>= this.#makeRoom(buckets, index, index);
    buckets.increment(at, weight);
  }

  /** Takes a range of indices in, coarsening until it fits; returns by how much. */
  #makeRoom(buckets: Buckets, low: number, high: number): number {
    const first = Math.min(low, buckets.low);
    const last = Math.max(high, buckets.high);
    let shift = 0;
    while ((last >> shift) - (first >> shift) >= this.maxSize) shift++;
    if (shift > 0) this.#coarsen(shift);
    buckets.extend(first >> shift, last >> shift, this.maxSize);
    return shift;
  }

  #coarsen(shift: number): void {
    this.#scale -= shift;
    this.positive.coarsen(shift);
    this.negative.coarsen(shift);
  }
}

const nothing: Quantile = { value: Number.NaN, lower: Number.NaN, upper: Number.NaN };
