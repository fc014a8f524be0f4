/**
 * Merging exponential histogram points of equal labels, time and scale: buckets are added by their index.
 *
 *     ExponentialHistogramDataPoint = attributes:1  startTime:2  time:3  count:4  sum:5  scale:6  zeroCount:7
 *                                     positive:8  negative:9  flags:10  exemplars:11  min:12  max:13  zeroThreshold:14
 *     Buckets = offset:1 (zigzag)  bucketCounts:2 (varints, packed or not)
 */
import { Cursor, readVarint64, type Writer, wireVarint } from "../../src/pdata/wire.ts";
import type { DraftPoint } from "./draft-point.ts";
import {
  type MergeLayout,
  type PointCodec,
  type ReadPoint,
  type Totals,
  total,
  totalsShape,
  writeFixed,
  writeFrame,
  writeTotals,
} from "./merged-point.ts";

/** Counts of the buckets offset, offset + 1 … */
interface Buckets {
  readonly offset: number;
  readonly counts: readonly bigint[];
}

interface ExponentialPoint extends ReadPoint, Totals {
  startTime: bigint;
  time: bigint;
  flags: number;
  count: bigint;
  sum: number | undefined;
  min: number | undefined;
  max: number | undefined;
  scale: number;
  zeroCount: bigint;
  zeroThreshold: number;
  positive: Buckets;
  negative: Buckets;
}

const noBuckets: Buckets = { offset: 0, counts: [] };

/** Points whose buckets lie farther apart than this are not merged: the sum would be mostly empty buckets. */
const maxBuckets = 4096;

function readExponential(point: DraftPoint): ExponentialPoint {
  const read: ExponentialPoint = {
    point,
    startTime: 0n,
    time: 0n,
    flags: 0,
    count: 0n,
    sum: undefined,
    min: undefined,
    max: undefined,
    scale: 0,
    zeroCount: 0n,
    zeroThreshold: 0,
    positive: noBuckets,
    negative: noBuckets,
  };
  const c = new Cursor().reset(point.bytes, point.start, point.end);
  while (c.next()) readField(c, read);
  return read;
}

function readField(c: Cursor, into: ExponentialPoint): void {
  switch (c.number) {
    case 2:
      into.startTime = c.fixed64();
      break;
    case 3:
      into.time = c.fixed64();
      break;
    case 4:
      into.count = c.fixed64();
      break;
    case 5:
      into.sum = c.double();
      break;
    case 6:
      into.scale = c.sint32();
      break;
    case 7:
      into.zeroCount = c.fixed64();
      break;
    case 8:
      into.positive = readBuckets(c);
      break;
    case 9:
      into.negative = readBuckets(c);
      break;
    case 10:
      into.flags = c.varint();
      break;
    case 12:
      into.min = c.double();
      break;
    case 13:
      into.max = c.double();
      break;
    case 14:
      into.zeroThreshold = c.double();
      break;
    default:
  }
}

function readBuckets({ bytes, valueStart, valueEnd }: Cursor): Buckets {
  const c = new Cursor().reset(bytes, valueStart, valueEnd);
  let offset = 0;
  const counts: bigint[] = [];
  while (c.next()) {
    if (c.number === 1) offset = c.sint32();
    // With more it cannot be merged: the rest need not be read.
    else if (counts.length > maxBuckets) continue;
    else if (c.number === 2 && c.wireType === wireVarint) counts.push(c.varint64());
    else if (c.number === 2) readPacked(c, counts);
  }
  return { offset, counts };
}

function readPacked({ bytes, valueStart, valueEnd }: Cursor, into: bigint[]): void {
  for (let at = valueStart; at < valueEnd && into.length <= maxBuckets; ) {
    into.push(readVarint64(bytes, at));
    while (bytes[at++]! > 127);
  }
}

const layout: MergeLayout = { exemplars: 11, replaced: new Set([4, 5, 7, 8, 9, 12, 13]) };

export const exponentialCodec: PointCodec<ExponentialPoint> = {
  read: readExponential,
  shape: (point) => `${point.flags}${totalsShape(point)}${point.scale}:${point.zeroThreshold}`,
  areMergeable,
  write(points, out) {
    writeFrame(points, layout, out);
    writeTotals(points, 12, out);
    writeFixed(7, total(points.map(({ zeroCount }) => zeroCount)), out);
    writeBuckets(
      8,
      points.map(({ positive }) => positive),
      out,
    );
    writeBuckets(
      9,
      points.map(({ negative }) => negative),
      out,
    );
  },
};

/** Whether the buckets of these points lie close enough together. */
function areMergeable(points: readonly ExponentialPoint[]): boolean {
  return (["positive", "negative"] as const).every((side) => {
    const { from, to } = span(points.map((point) => point[side]));
    return to - from <= maxBuckets;
  });
}

/** Indices [from, to) of all buckets. */
function span(all: readonly Buckets[]): { from: number; to: number } {
  const filled = all.filter(({ counts }) => counts.length > 0);
  if (filled.length === 0) return { from: 0, to: 0 };
  const from = filled.reduce((least, { offset }) => Math.min(least, offset), Infinity);
  const to = filled.reduce((most, b) => Math.max(most, b.offset + b.counts.length), -Infinity);
  return { from, to };
}

function writeBuckets(number: number, all: readonly Buckets[], out: Writer): void {
  const { from, to } = span(all);
  const sums = Array.from({ length: to - from }, () => 0n);
  for (const { offset, counts } of all) {
    for (const [i, count] of counts.entries()) sums[offset - from + i]! += count;
  }
  if (sums.length === 0) return;
  const handle = out.begin(number);
  out.tag(1, wireVarint);
  out.sint32(from);
  const packed = out.begin(2);
  for (const sum of sums) out.varint64(sum);
  out.end(packed);
  out.end(handle);
}
