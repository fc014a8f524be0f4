/**
 * Operations on the values of a point. They never change how long it is: values are written over in a copy.
 *
 *     NumberDataPoint    = asDouble:4 | asInt:6 (8 bytes each)
 *     HistogramDataPoint = sum:5  explicitBounds:7 (packed or not)  exemplars:8  min:11  max:12
 *     Exemplar           = asDouble:3 | asInt:6
 */
import { Cursor, dataViewOf } from "../../src/pdata/wire.ts";
import type { Arena } from "./arena.ts";
import type { DraftPoint } from "./draft-point.ts";

const asDouble = 4;
const asInt = 6;
/** The tags of the two members, wire type 1. */
const doubleTag = asDouble * 8 + 1;
const intTag = asInt * 8 + 1;

const minInt64 = -(2n ** 63n);
const maxInt64 = 2n ** 63n - 1n;

/** A double as the nearest int64 towards zero; undefined for NaN. */
export function toInt64(value: number): bigint | undefined {
  if (Number.isNaN(value)) return undefined;
  if (value >= 2 ** 63) return maxInt64;
  return value <= -(2 ** 63) ? minInt64 : BigInt(Math.trunc(value));
}

/** The point with an integer value as double, or the other way round; undefined: it has no value to toggle. */
export function toggled(point: DraftPoint, arena: Arena): DraftPoint | undefined {
  const copy = point.ownCopy(arena);
  const c = lastValue(copy);
  if (c === undefined) return undefined;
  const view = dataViewOf(copy.bytes);
  const { fieldStart, valueStart: at, number } = c;
  // A tag may be written overlong: its low seven bits stand in the first byte all the same.
  const continued = copy.bytes[fieldStart]! & 0x80;
  if (number === asInt) {
    view.setFloat64(at, Number(view.getBigInt64(at, true)), true);
    copy.bytes[fieldStart] = doubleTag | continued;
    return copy;
  }
  const integer = toInt64(view.getFloat64(at, true));
  if (integer === undefined) return undefined;
  view.setBigInt64(at, integer, true);
  copy.bytes[fieldStart] = intTag | continued;
  return copy;
}

/** The point with its value times the factor; undefined: it has no value. */
export function scaledNumber(
  point: DraftPoint,
  factor: number,
  arena: Arena,
): DraftPoint | undefined {
  const copy = point.ownCopy(arena);
  const c = lastValue(copy);
  if (c === undefined) return undefined;
  scaleAt(copy.bytes, c.valueStart, c.number === asInt, factor);
  return copy;
}

/** The value member that counts, the last one. */
function lastValue(point: DraftPoint): Cursor | undefined {
  const c = new Cursor().reset(point.bytes, point.start, point.end);
  let found: number | undefined;
  while (c.next()) if (c.number === asDouble || c.number === asInt) found = c.fieldStart;
  if (found === undefined) return undefined;
  c.reset(point.bytes, found, point.end).next();
  return c;
}

function scaleAt(bytes: Uint8Array, at: number, isInt: boolean, factor: number): void {
  const view = dataViewOf(bytes);
  if (!isInt) return view.setFloat64(at, view.getFloat64(at, true) * factor, true);
  const scaled = toInt64(Number(view.getBigInt64(at, true)) * factor);
  if (scaled !== undefined) view.setBigInt64(at, scaled, true);
}

/** Field numbers of what is scaled in a kind of histogram point. */
export interface ScaledFields {
  /** Doubles, single or packed. */
  readonly doubles: ReadonlySet<number>;
  readonly exemplars: number;
}

const histogramFields: ScaledFields = { doubles: new Set([5, 7, 11, 12]), exemplars: 8 };

/** Sum, bounds, minimum, maximum and exemplars times a factor above 0. */
export const scaledHistogram = (point: DraftPoint, factor: number, arena: Arena): DraftPoint =>
  withScaledFields(point, histogramFields, factor, arena);

export function withScaledFields(
  point: DraftPoint,
  { doubles, exemplars }: ScaledFields,
  factor: number,
  arena: Arena,
): DraftPoint {
  const copy = point.ownCopy(arena);
  const { bytes } = copy;
  const c = new Cursor().reset(bytes, copy.start, copy.end);
  while (c.next()) {
    if (doubles.has(c.number)) {
      for (let at = c.valueStart; at < c.valueEnd; at += 8) scaleAt(bytes, at, false, factor);
    } else if (c.number === exemplars) {
      scaleExemplar(bytes, c.valueStart, c.valueEnd, factor);
    }
  }
  return copy;
}

function scaleExemplar(bytes: Uint8Array, start: number, end: number, factor: number): void {
  const c = new Cursor().reset(bytes, start, end);
  while (c.next()) {
    if (c.number === 3 || c.number === 6) scaleAt(bytes, c.valueStart, c.number === 6, factor);
  }
}
