/**
 * The parts of OTLP data points that the series share.
 *
 *     NumberDataPoint = 2: start fixed64  3: time fixed64  4: as_double | 6: as_int sfixed64  7: attributes
 *
 * Start and time have these field numbers in every kind of point, so their bytes are made once a flush.
 */
import { type Writer, wireFixed64, wireLength } from "../../src/pdata/wire.ts";

const times = { startField: 0x11, timeField: 0x19 };

/** The times of a flush, as the bytes of the fields. */
export interface FlushTimes {
  readonly startAndTime: Uint8Array;
  readonly time: Uint8Array;
}

/** Milliseconds since 1970. */
export function flushTimes(startMs: number, timeMs: number): FlushTimes {
  const bytes = Buffer.alloc(18);
  bytes[0] = times.startField;
  bytes.writeBigUInt64LE(nanoseconds(startMs), 1);
  bytes[9] = times.timeField;
  bytes.writeBigUInt64LE(nanoseconds(timeMs), 10);
  return { startAndTime: bytes, time: bytes.subarray(9) };
}

/** The time field of a point that brought its own time. */
export function ownTime(seconds: number): Uint8Array {
  const bytes = Buffer.alloc(9);
  bytes[0] = times.timeField;
  bytes.writeBigUInt64LE(BigInt(seconds) * 1_000_000_000n, 1);
  return bytes;
}

const nanoseconds = (ms: number) => BigInt(Math.round(ms * 1000)) * 1000n;

/** Field of the points in Gauge, Sum, ExponentialHistogram, Histogram and Summary. */
const pointsField = 1;

export function writeNumberPoint(
  out: Writer,
  timeFields: Uint8Array,
  value: number,
  isInt: boolean,
  attributes: Uint8Array,
): void {
  out.tag(pointsField, wireLength);
  out.varint(timeFields.length + 9 + attributes.length);
  out.raw(timeFields);
  if (isInt) writeInt(out, 6, value);
  else writeDouble(out, 4, value);
  out.raw(attributes);
}

export function writeDouble(out: Writer, field: number, value: number): void {
  out.tag(field, wireFixed64);
  out.double(value);
}

/** A whole number below 2^63 as fixed64, negative ones in two's complement. */
export function writeInt(out: Writer, field: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  out.tag(field, wireFixed64);
  out.fixed32(value - high * 2 ** 32);
  out.fixed32(high);
}

export const beginPoint = (out: Writer) => out.begin(pointsField, 2);
