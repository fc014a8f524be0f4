/**
 * Exponential histograms as classic buckets. Bucket i of scale s counts (2^(i/2^s), 2^((i+1)/2^s)]. All series
 * of a family share one list of bounds, otherwise `sum by (le)` would be wrong: scale 3 (8 an octave) from the
 * lowest to the highest bucket that any of them ever filled; over 160 bounds scale 2 for all, and so on.
 */
import type { Point } from "../../src/pdata/series/point.ts";
import { Cursor, readVarint, readVarint64 } from "../../src/pdata/wire.ts";

const finestScale = 3;
const maxBounds = 160;
/** From here on there are two buckets, up to 1 and above it. */
const coarsestScale = -10;
/** Its powers of two are still doubles. */
const mostPrecise = 1000;

/** Counts of the buckets offset, offset + 1 … */
export interface Buckets {
  readonly offset: number;
  readonly counts: Float64Array;
}

export interface ExponentialData {
  readonly kind: "exponential";
  readonly scale: number;
  readonly positive: Buckets;
  readonly negative: Buckets;
  readonly zeroCount: number;
  readonly count: number;
  readonly sum: number;
  readonly hasSum: boolean;
}

const noBuckets: Buckets = { offset: 0, counts: new Float64Array(0) };

const isEmpty = ({ counts }: Buckets) => counts.every((count) => count === 0);
const hasNoBuckets = ({ positive, negative }: ExponentialData) =>
  isEmpty(positive) && isEmpty(negative);

/** Indices outside the normal doubles are drawn to their ends, so that bounds stay few and distinct. */
const lowestExponent = -1022;
const highestExponent = 1024;

/** The bucket at scale `to` (not finer than `from`) that holds bucket `index`. */
function coarsen(index: number, from: number, to: number): number {
  return Math.floor(index / 2 ** (from - to));
}

function clampIndex(index: number, scale: number): number {
  const lowest = Math.floor(lowestExponent * 2 ** scale);
  const highest = Math.ceil(highestExponent * 2 ** scale) - 1;
  return Math.min(Math.max(index, lowest), highest);
}

/** The same counts in coarser buckets, without empty ends. */
function atScale(buckets: Buckets, from: number, to: number): Buckets {
  let first = 0;
  let last = buckets.counts.length - 1;
  while (first <= last && buckets.counts[first] === 0) first++;
  while (last >= first && buckets.counts[last] === 0) last--;
  if (first > last) return noBuckets;
  const place = (i: number) => clampIndex(coarsen(buckets.offset + i, from, to), to);
  const offset = place(first);
  const counts = new Float64Array(place(last) - offset + 1);
  for (let i = first; i <= last; i++) counts[place(i) - offset]! += buckets.counts[i]!;
  return { offset, counts };
}

function add(a: Buckets, b: Buckets): Buckets {
  if (a.counts.length === 0) return b;
  if (b.counts.length === 0) return a;
  const offset = Math.min(a.offset, b.offset);
  const end = Math.max(a.offset + a.counts.length, b.offset + b.counts.length);
  const counts = new Float64Array(end - offset);
  for (let i = 0; i < a.counts.length; i++) counts[a.offset - offset + i]! += a.counts[i]!;
  for (let i = 0; i < b.counts.length; i++) counts[b.offset - offset + i]! += b.counts[i]!;
  return { offset, counts };
}

/** Both in one histogram, at the coarser scale of the two. */
export function addExponential(a: ExponentialData, b: ExponentialData): ExponentialData {
  const scale = Math.min(a.scale, b.scale);
  const both = (side: "positive" | "negative") =>
    add(atScale(a[side], a.scale, scale), atScale(b[side], b.scale, scale));
  return {
    kind: "exponential",
    scale,
    positive: both("positive"),
    negative: both("negative"),
    zeroCount: a.zeroCount + b.zeroCount,
    count: a.count + b.count,
    sum: a.sum + b.sum,
    hasSum: a.hasSum && b.hasSum,
  };
}

/** The buckets from `low` to `high`, both included; low > high: none. */
interface Span {
  low: number;
  high: number;
}

const boundsOf = ({ low, high }: Span) => (low > high ? 0 : high - low + 2);

/** What the series of a family ever filled, at the scale they are shown in. Only grows and coarsens. */
export class ExponentialRange {
  scale = finestScale;
  readonly #positive: Span = { low: Infinity, high: -Infinity };
  readonly #negative: Span = { low: Infinity, high: -Infinity };
  #zero = false;
  #bounds: readonly number[] | undefined;

  /** The same buckets for good: for a page, while this one may grow. */
  snapshot(): ExponentialRange {
    const copy = new ExponentialRange();
    copy.scale = this.scale;
    Object.assign(copy.#positive, this.#positive);
    Object.assign(copy.#negative, this.#negative);
    copy.#zero = this.#zero;
    copy.#bounds = this.bounds();
    return copy;
  }

  /** Takes a histogram in and gives it back at a scale that is not finer than the family's. */
  fit(data: ExponentialData): ExponentialData {
    // Of an empty histogram the scale says nothing; senders leave it at zero.
    const tellsNothing = data.scale < this.scale && hasNoBuckets(data);
    if (data.scale < this.scale && !tellsNothing) this.#coarsenTo(data.scale);
    const { scale } = this;
    const positive = tellsNothing ? noBuckets : atScale(data.positive, data.scale, scale);
    const negative = tellsNothing ? noBuckets : atScale(data.negative, data.scale, scale);
    this.#extend(this.#positive, positive);
    this.#extend(this.#negative, negative);
    if (!this.#zero && (data.zeroCount > 0 || negative.counts.length > 0)) {
      this.#zero = true;
      this.#bounds = undefined;
    }
    while (boundsOf(this.#positive) + boundsOf(this.#negative) > maxBounds) {
      this.#coarsenTo(this.scale - 1);
    }
    return { ...data, scale, positive, negative };
  }

  #extend(span: Span, { offset, counts }: Buckets): void {
    if (counts.length === 0) return;
    const high = offset + counts.length - 1;
    if (offset >= span.low && high <= span.high) return;
    span.low = Math.min(span.low, offset);
    span.high = Math.max(span.high, high);
    this.#bounds = undefined;
  }

  #coarsenTo(scale: number): void {
    for (const span of [this.#positive, this.#negative]) {
      if (span.low > span.high) continue;
      span.low = coarsen(span.low, this.scale, scale);
      span.high = coarsen(span.high, this.scale, scale);
    }
    this.scale = scale;
    this.#bounds = undefined;
  }

  /** The shared upper bounds, ascending, without +Inf. The array stays the same until they change. */
  bounds(): readonly number[] {
    this.#bounds ??= this.#makeBounds();
    return this.#bounds;
  }

  #makeBounds(): number[] {
    const bounds: number[] = [];
    this.#walk(noBuckets, noBuckets, 0, (bound) => bounds.push(bound));
    return bounds;
  }

  /** Cumulative counts at `bounds()`. */
  cumulative(data: ExponentialData): number[] {
    const counts: number[] = [];
    const positive = atScale(data.positive, data.scale, this.scale);
    const negative = atScale(data.negative, data.scale, this.scale);
    this.#walk(positive, negative, data.zeroCount, (_, count) => counts.push(count));
    return counts;
  }

  /** Calls back at each bound, ascending, with what lies at or below it. */
  #walk(
    positive: Buckets,
    negative: Buckets,
    zeroCount: number,
    each: (bound: number, count: number) => void,
  ): void {
    const { scale } = this;
    let count = 0;
    for (let i = this.#negative.high + 1; i >= this.#negative.low; i--) {
      count += countOf(negative, i);
      const bound = -boundAt(i, scale);
      if (bound !== 0 && bound !== -Infinity) each(bound, count);
    }
    count += zeroCount;
    if (this.#zero) each(0, count);
    // The lower end of the lowest bucket too: without it, quantiles would be interpolated from zero.
    for (let i = this.#positive.low; i <= this.#positive.high + 1; i++) {
      count += countOf(positive, i - 1);
      const bound = boundAt(i, scale);
      if (bound !== 0 && bound !== Infinity) each(bound, count);
    }
  }
}

const countOf = ({ offset, counts }: Buckets, index: number) => counts[index - offset] ?? 0;

/** Powers of 2^(1/8), so that the bounds of a coarser scale are among those of a finer one, bit for bit. */
const eighths = Array.from({ length: 8 }, (_, i) => 2 ** (i / 8));

/** 2^(index / 2^scale). */
export function boundAt(index: number, scale: number): number {
  const inEighths = index * 2 ** (finestScale - scale);
  const exponent = Math.floor(inEighths / 8);
  const fraction = eighths[inEighths - exponent * 8]!;
  // In two steps: the power alone may be below the smallest double.
  return fraction * 2 ** Math.floor(exponent / 2) * 2 ** Math.ceil(exponent / 2);
}

/**
 *     ExponentialHistogramDataPoint = count:4 sum:5 scale:6 zigzag, zero_count:7, positive:8, negative:9
 *     Buckets = offset:1 zigzag, bucket_counts:2 packed varints
 */
export function readExponential(point: Point): ExponentialData {
  let [scale, zeroCount, count, sum, hasSum] = [0, 0, 0, 0, false];
  let positive = noBuckets;
  let negative = noBuckets;
  const cursor = new Cursor().reset(point.bytes, point.start, point.end);
  while (cursor.next()) {
    switch (cursor.number) {
      case 4:
        count = Number(cursor.fixed64());
        break;
      case 5:
        sum = cursor.double();
        hasSum = true;
        break;
      case 6:
        scale = Math.min(Math.max(cursor.sint32(), coarsestScale), mostPrecise);
        break;
      case 7:
        zeroCount = Number(cursor.fixed64());
        break;
      case 8:
        positive = readBuckets(cursor);
        break;
      case 9:
        negative = readBuckets(cursor);
        break;
      default:
    }
  }
  return { kind: "exponential", scale, positive, negative, zeroCount, count, sum, hasSum };
}

function readBuckets(parent: Cursor): Buckets {
  let offset = 0;
  let counts: number[] = [];
  const cursor = new Cursor().reset(parent.bytes, parent.valueStart, parent.valueEnd);
  while (cursor.next()) {
    if (cursor.number === 1) offset = cursor.sint32();
    else if (cursor.number === 2 && cursor.wireType === 0) counts.push(Number(cursor.varint64()));
    else if (cursor.number === 2) counts = packedVarints(cursor);
  }
  return { offset, counts: Float64Array.from(counts) };
}

function packedVarints(cursor: Cursor): number[] {
  const values: number[] = [];
  let p = cursor.valueStart;
  while (p < cursor.valueEnd) {
    const first = cursor.bytes[p]!;
    if (first < 128) {
      values.push(first);
      p++;
      continue;
    }
    const [value, end] = readVarint(cursor.bytes, p);
    // Beyond 2^53 the low 64 bits count, whatever a longer varint says.
    values.push(value < 2 ** 53 ? value : Number(readVarint64(cursor.bytes, p)));
    p = end;
  }
  return values;
}
