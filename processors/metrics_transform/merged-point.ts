import { Cursor, type Writer, wireFixed64 } from "../../src/pdata/wire.ts";
import type { DraftPoint } from "./draft-point.ts";

/** What every kind of point is told apart by, before its kind has a say. */
export interface ReadPoint {
  readonly point: DraftPoint;
  readonly startTime: bigint;
  readonly time: bigint;
}

/** How points of one kind are read, told apart and merged. */
export interface PointCodec<P extends ReadPoint = ReadPoint> {
  read(point: DraftPoint): P;
  /** Points of equal labels and time are merged when this is equal, too. */
  shape(point: P): string;
  /** Whether these can be merged into one. */
  areMergeable?(points: readonly P[]): boolean;
  /** Whether a point alone changes. */
  readonly changesSingle?: boolean;
  /** Writes the message of the merged point. */
  write(points: readonly P[], out: Writer): void;
}

/** Field numbers of a kind of point. */
export interface MergeLayout {
  readonly exemplars: number;
  /** Written anew by the merge; start time (2) always is. */
  readonly replaced: ReadonlySet<number>;
}

/**
 * What is the same for all kinds: the other fields of the first point, the exemplars of all, the earliest start,
 * the attributes.
 */
export function writeFrame(
  points: readonly ReadPoint[],
  { exemplars, replaced }: MergeLayout,
  out: Writer,
): void {
  const first = points[0]!.point;
  const isKept = (number: number) => number !== 2 && !replaced.has(number);
  copyFields(first.bytes, first.start, first.attributesStart, isKept, out);
  copyFields(first.bytes, first.attributesEnd, first.end, isKept, out);
  for (const { point } of points.slice(1)) {
    copyFields(point.bytes, point.start, point.end, (number) => number === exemplars, out);
  }
  writeFixed(2, least(points.map(({ startTime }) => startTime)), out);
  const { attributes } = first;
  out.raw(attributes.bytes, attributes.start, attributes.end);
}

function copyFields(
  bytes: Uint8Array,
  start: number,
  end: number,
  isKept: (number: number) => boolean,
  out: Writer,
): void {
  const c = new Cursor().reset(bytes, start, end);
  while (c.next()) if (isKept(c.number)) out.raw(bytes, c.fieldStart, c.valueEnd);
}

/** Count, sum, minimum and maximum of a histogram of either kind. */
export interface Totals {
  readonly count: bigint;
  readonly sum: number | undefined;
  readonly min: number | undefined;
  readonly max: number | undefined;
}

/** Which of them are there; equal for points that are merged. */
export const totalsShape = ({ sum, min, max }: Totals): string =>
  [sum, min, max].map((value) => (value === undefined ? "-" : "+")).join("");

export function writeTotals(points: readonly Totals[], minField: number, out: Writer): void {
  // A point that counted nothing has no minimum and maximum worth the name.
  const counted = points.filter(({ count }) => count > 0n);
  const base = counted[0] ?? points[0]!;
  writeFixed(4, total(points.map(({ count }) => count)), out);
  if (base.sum !== undefined) {
    writeDouble(
      5,
      points.reduce((sum, point) => sum + point.sum!, 0),
      out,
    );
  }
  if (base.min !== undefined) {
    writeDouble(
      minField,
      counted.reduce((min, p) => Math.min(min, p.min!), base.min),
      out,
    );
  }
  if (base.max !== undefined) {
    writeDouble(
      minField + 1,
      counted.reduce((max, p) => Math.max(max, p.max!), base.max),
      out,
    );
  }
}

export function writeFixed(number: number, value: bigint, out: Writer): void {
  out.tag(number, wireFixed64);
  out.fixed64(value);
}

export function writeDouble(number: number, value: number, out: Writer): void {
  out.tag(number, wireFixed64);
  out.double(value);
}

export const total = (values: readonly bigint[]): bigint => values.reduce((a, b) => a + b, 0n);

const least = (values: readonly bigint[]): bigint => values.reduce((a, b) => (b < a ? b : a));
