/**
 * Attributes in OTLP, encoded once per series:
 *
 *     attributes = repeated KeyValue { 1: key string  2: value AnyValue }
 *     AnyValue   = 1: string | 2: bool | 3: int64 | 4: double
 */
import { Cursor, type Writer, wireFixed64, wireVarint } from "../../pdata/wire.ts";
import type { Value } from "../types.ts";

export type Pair = readonly [key: string, value: Value];

/** Writes attributes as repeated fields of the message at hand. */
export function writeAttributes(out: Writer, field: number, pairs: readonly Pair[]): void {
  for (const [key, value] of pairs) {
    const pair = out.begin(field, 1);
    out.string(1, key);
    const any = out.begin(2, 1);
    writeAnyValue(out, value);
    out.end(any);
    out.end(pair);
  }
}

function writeAnyValue(out: Writer, value: Value): void {
  if (typeof value === "string") {
    out.string(1, value);
  } else if (typeof value === "boolean") {
    out.tag(2, wireVarint);
    out.varint(value ? 1 : 0);
  } else if (Number.isSafeInteger(value)) {
    out.tag(3, wireVarint);
    if (value >= 0) out.varint(value);
    else out.varint64(BigInt(value));
  } else {
    out.tag(4, wireFixed64);
    out.double(value);
  }
}

const fields = new Cursor();
const pairFields = new Cursor();
const valueFields = new Cursor();

/** Reads back what writeAttributes wrote. */
export function readAttributes(bytes: Uint8Array): Pair[] {
  const pairs: Pair[] = [];
  fields.reset(bytes);
  while (fields.next()) {
    pairFields.reset(bytes, fields.valueStart, fields.valueEnd);
    pairFields.next();
    const key = pairFields.string();
    pairFields.next();
    valueFields.reset(bytes, pairFields.valueStart, pairFields.valueEnd).next();
    pairs.push([key, readAnyValue(valueFields)]);
  }
  return pairs;
}

function readAnyValue(field: Cursor): Value {
  switch (field.number) {
    case 1:
      return field.string();
    case 2:
      return field.varint() === 1;
    case 3:
      return Number(BigInt.asIntN(64, field.varint64()));
    default:
      return field.double();
  }
}
