/**
 * Where a value lies in a base-2 exponential histogram. At scale s the buckets are powers of 2^(1/2^s), their
 * upper bounds included:
 *
 *     bucket i = (2^(i / 2^s), 2^((i + 1) / 2^s)]          index at scale s - 1 = index at scale s >> 1
 *
 * All scales share the same bounds, bit for bit, so that counting at a fine scale and coarsening gives what
 * counting at the coarse scale gives: that makes merging exact. (OpenTelemetry data model, ExponentialHistogram.)
 */
export const maxScale = 20;
/** Here every positive double is in bucket -1 or 0; a coarser scale has the same two. */
export const minScale = -11;

/** Up to this scale an octave's bounds stand in a table; above it the place inside a table's bucket is computed. */
const maxTableScale = 10;

/**
 * The octave [1, 2) cut into 2^(s+1) equal slots. A slot is narrower than any bucket, so at most one bound lies
 * in it: the bucket of a mantissa follows from its slot with one comparison (10 ns; Math.log takes 30).
 */
interface OctaveTable {
  /** Bucket of each slot's lower end, within the octave; -1: the last one of the octave below. */
  readonly slots: Int16Array;
  /** Lower bounds of the octave's buckets, and 2. */
  readonly bounds: Float64Array;
}

function makeTable(scale: number): OctaveTable {
  const buckets = 2 ** scale;
  const bounds = Float64Array.from({ length: buckets + 1 }, (_, i) => 2 ** (i / buckets));
  const slots = new Int16Array(buckets * 2);
  let bucket = -1;
  for (let slot = 0; slot < slots.length; slot++) {
    const lowerEnd = 1 + slot / slots.length;
    while (bounds[bucket + 1]! < lowerEnd) bucket++;
    slots[slot] = bucket;
  }
  return { slots, bounds };
}
/** Each is made when its scale is first asked for. */
const tables = Array.from({ length: maxTableScale + 1 }, (): OctaveTable | undefined => undefined);

const tableOf = (scale: number): OctaveTable => tables[scale] ?? (tables[scale] = makeTable(scale));

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** Index of the bucket of a positive finite value. */
export function bucketIndex(value: number, scale: number): number {
  double[0] = value;
  let high = words[1]!;
  let exponent = (high >>> 20) - 1023;
  if (exponent === -1023) {
    // Subnormal: scaled up, it has a mantissa as all others.
    double[0] = value * 2 ** 54;
    high = words[1]!;
    exponent = (high >>> 20) - 1023 - 54;
  }
  words[1] = (high & 0xfffff) | 0x3ff00000;
  const mantissa: number = double[0];
  const tableScale = scale < 0 ? 0 : scale > maxTableScale ? maxTableScale : scale;
  const { slots, bounds } = tableOf(tableScale);
  let bucket = slots[(high & 0xfffff) >>> (19 - tableScale)]!;
  if (mantissa > bounds[bucket + 1]!) bucket++;
  const index = (exponent << tableScale) + bucket;
  if (scale === tableScale) return index;
  return scale < 0 ? index >> -scale : refine(index, bucket, mantissa, scale);
}

/** The place at a scale above the tables' of what lies in a bucket of the finest table. */
function refine(index: number, bucket: number, mantissa: number, scale: number): number {
  const shift = scale - maxTableScale;
  const last = 2 ** shift - 1;
  // The last bucket of an octave has only the power of two itself in it when the mantissa is 1.
  if (bucket < 0) return (index << shift) + last;
  const bound = tableOf(maxTableScale).bounds[bucket]!;
  const finest = Math.ceil(Math.log1p((mantissa - bound) / bound) * (2 ** maxScale / Math.LN2)) - 1;
  const within = Math.max(finest, 0) >> (maxScale - scale);
  return (index << shift) + Math.min(within, last);
}

/** 2^(index / 2^scale): the lower bound of bucket `index`; 0 and Infinity beyond the doubles. */
export function bucketBound(index: number, scale: number): number {
  if (scale <= 0) return power(1, index * 2 ** -scale);
  const octave = index >> scale;
  const within = index - (octave << scale);
  const mantissa =
    scale <= maxTableScale ? tableOf(scale).bounds[within]! : 2 ** (within / 2 ** scale);
  return power(mantissa, octave);
}

/** In two steps: the power alone may be below the smallest double. */
function power(mantissa: number, exponent: number): number {
  return mantissa * 2 ** Math.floor(exponent / 2) * 2 ** Math.ceil(exponent / 2);
}
