/**
 * Merging histogram points of equal labels, time and bounds: counts are added.
 *
 *     HistogramDataPoint = startTime:2  time:3  count:4  sum:5  bucketCounts:6 (packed or not)
 *                          explicitBounds:7 (packed or not)  exemplars:8  attributes:9  flags:10  min:11  max:12
 */
import { Cursor, dataViewOf, type Writer } from "../../src/pdata/wire.ts";
import type { DraftPoint } from "./draft-point.ts";
import {
  type MergeLayout,
  type PointCodec,
  type ReadPoint,
  type Totals,
  total,
  totalsShape,
  writeFrame,
  writeTotals,
} from "./merged-point.ts";

interface HistogramPoint extends ReadPoint, Totals {
  startTime: bigint;
  time: bigint;
  flags: number;
  count: bigint;
  sum: number | undefined;
  min: number | undefined;
  max: number | undefined;
  readonly buckets: bigint[];
  /** The bytes of the bounds as text, to compare them. */
  bounds: string;
}

function readHistogram(point: DraftPoint): HistogramPoint {
  const histogram: HistogramPoint = {
    point,
    startTime: 0n,
    time: 0n,
    flags: 0,
    count: 0n,
    sum: undefined,
    min: undefined,
    max: undefined,
    buckets: [],
    bounds: "",
  };
  const c = new Cursor().reset(point.bytes, point.start, point.end);
  while (c.next()) readField(c, histogram);
  return histogram;
}

function readField(c: Cursor, into: HistogramPoint): void {
  if (c.number === 2) into.startTime = c.fixed64();
  else if (c.number === 3) into.time = c.fixed64();
  else if (c.number === 4) into.count = c.fixed64();
  else if (c.number === 5) into.sum = c.double();
  else if (c.number === 10) into.flags = c.varint();
  else if (c.number === 11) into.min = c.double();
  else if (c.number === 12) into.max = c.double();
  else if (c.number === 6) readBuckets(c, into);
  else if (c.number === 7) into.bounds += bytesAsText(c);
}

function readBuckets({ bytes, valueStart, valueEnd }: Cursor, into: HistogramPoint): void {
  const view = dataViewOf(bytes);
  for (let at = valueStart; at < valueEnd; at += 8) into.buckets.push(view.getBigUint64(at, true));
}

const bytesAsText = ({ bytes, valueStart, valueEnd }: Cursor): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + valueStart, valueEnd - valueStart).toString(
    "latin1",
  );

const layout: MergeLayout = { exemplars: 8, replaced: new Set([4, 5, 6, 11, 12]) };

export const histogramCodec: PointCodec<HistogramPoint> = {
  read: readHistogram,
  shape: (point) => `${point.flags}${totalsShape(point)}${point.buckets.length}:${point.bounds}`,
  write(points, out) {
    writeFrame(points, layout, out);
    writeTotals(points, 11, out);
    writeBuckets(points, out);
  },
};

function writeBuckets(points: readonly HistogramPoint[], out: Writer): void {
  const { length } = points[0]!.buckets;
  if (length === 0) return;
  const handle = out.begin(6);
  for (let i = 0; i < length; i++) out.fixed64(total(points.map(({ buckets }) => buckets[i]!)));
  out.end(handle);
}
