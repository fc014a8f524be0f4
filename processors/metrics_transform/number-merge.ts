/**
 * Merging number points of equal labels and time.
 *
 *     NumberDataPoint = startTime:2  time:3  asDouble:4 | asInt:6  exemplars:5  attributes:7  flags:8
 */
import { Cursor, dataViewOf } from "../../src/pdata/wire.ts";
import type { Aggregation } from "./config.ts";
import type { DraftPoint } from "./draft-point.ts";
import {
  type MergeLayout,
  type PointCodec,
  type ReadPoint,
  total,
  writeDouble,
  writeFixed,
  writeFrame,
} from "./merged-point.ts";

export interface NumberPoint extends ReadPoint {
  /** bigint: an integer; undefined: the point has no value. */
  readonly value: number | bigint | undefined;
  readonly flags: number;
}

function readNumber(point: DraftPoint): NumberPoint {
  const c = new Cursor().reset(point.bytes, point.start, point.end);
  let startTime = 0n;
  let time = 0n;
  let value: number | bigint | undefined;
  let flags = 0;
  while (c.next()) {
    if (c.number === 2) startTime = c.fixed64();
    else if (c.number === 3) time = c.fixed64();
    else if (c.number === 4) value = c.double();
    else if (c.number === 6) value = dataViewOf(c.bytes).getBigInt64(c.valueStart, true);
    else if (c.number === 8) flags = c.varint();
  }
  return { point, startTime, time, value, flags };
}

const layout: MergeLayout = { exemplars: 5, replaced: new Set([4, 6]) };

export const numberCodec = (aggregation: Aggregation): PointCodec<NumberPoint> => ({
  read: readNumber,
  shape: ({ value, flags }) => `${flags}${value === undefined ? "-" : ""}`,
  changesSingle: aggregation === "count",
  write(points, out) {
    writeFrame(points, layout, out);
    const values = points.map(({ value }) => value).filter((value) => value !== undefined);
    // Points without a value, which say that a series ended, stay without.
    if (values.length === 0) return;
    const value = aggregate(values, aggregation);
    if (typeof value === "bigint") writeFixed(6, value, out);
    else writeDouble(4, value, out);
  },
});

/** Integers stay integers; where one is a double, all are taken as doubles. */
export function aggregate(
  values: readonly (number | bigint)[],
  aggregation: Aggregation,
): number | bigint {
  const isInt = values.every((value) => typeof value === "bigint");
  return isInt ? ofIntegers[aggregation](values) : ofDoubles[aggregation](values.map(Number));
}

const ofIntegers: Readonly<Record<Aggregation, (values: readonly bigint[]) => bigint>> = {
  sum: (values) => BigInt.asIntN(64, total(values)),
  mean: (values) => total(values) / BigInt(values.length),
  min: (values) => values.reduce((a, b) => (b < a ? b : a)),
  max: (values) => values.reduce((a, b) => (b > a ? b : a)),
  median(values) {
    const [low, high] = middle(values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
    return (low + high) / 2n;
  },
  count: (values) => BigInt(values.length),
};

const ofDoubles: Readonly<Record<Aggregation, (values: readonly number[]) => number>> = {
  sum: (values) => values.reduce((a, b) => a + b),
  mean: (values) => values.reduce((a, b) => a + b) / values.length,
  min: (values) => values.reduce((a, b) => Math.min(a, b)),
  max: (values) => values.reduce((a, b) => Math.max(a, b)),
  median(values) {
    const [low, high] = middle(Float64Array.from(values).toSorted());
    return low === high ? low : (low + high) / 2;
  },
  count: (values) => values.length,
};

/** The two middle values, or the middle one twice. */
function middle<T>(sorted: ArrayLike<T>): [low: T, high: T] {
  const half = sorted.length >> 1;
  return [sorted[sorted.length % 2 === 1 ? half : half - 1]!, sorted[half]!];
}
