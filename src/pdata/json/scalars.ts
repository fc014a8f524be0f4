/** One scalar JSON value to one protobuf value, strictly by the kind of the field. */
import { varintLength, type Writer, wireLength } from "../wire.ts";
import { Integer64 } from "./integers.ts";
import {
  type JsonField,
  kindBool,
  kindBytes,
  kindDouble,
  kindEnum,
  kindFixed32,
  kindFixed64,
  kindId,
  kindInt32,
  kindInt64,
  kindSfixed64,
  kindSint32,
  kindString,
  kindUint32,
} from "./messages.ts";
import { hexValue, type JsonReader, maxNumberBytes } from "./reader.ts";

const quote = 0x22;

/** As Go's ParseFloat reads what JSON has no number for; also the protobuf spellings. */
const specialDoubles: ReadonlyMap<string, number> = new Map([
  ["nan", Number.NaN],
  ["inf", Number.POSITIVE_INFINITY],
  ["+inf", Number.POSITIVE_INFINITY],
  ["-inf", Number.NEGATIVE_INFINITY],
  ["infinity", Number.POSITIVE_INFINITY],
  ["+infinity", Number.POSITIVE_INFINITY],
  ["-infinity", Number.NEGATIVE_INFINITY],
]);

const decimal = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

/** Standard and URL-safe alphabet, with or without padding. */
const base64 = /^[\w+/-]*={0,2}$/;

/** Largest magnitudes by kind, as halves: [hi, lo] of positive and of negative numbers. */
const limits: ReadonlyMap<number, readonly [number, number, number, number]> = new Map([
  [kindInt32, [0, 0x7fffffff, 0, 0x80000000]],
  [kindEnum, [0, 0x7fffffff, 0, 0x80000000]],
  [kindSint32, [0, 0x7fffffff, 0, 0x80000000]],
  [kindUint32, [0, 0xffffffff, 0, 0]],
  [kindFixed32, [0, 0xffffffff, 0, 0]],
  [kindInt64, [0x7fffffff, 0xffffffff, 0x80000000, 0]],
  [kindSfixed64, [0x7fffffff, 0xffffffff, 0x80000000, 0]],
]);
const unsigned64: readonly [number, number, number, number] = [0xffffffff, 0xffffffff, 0, 0];

export class ScalarDecoder {
  readonly #reader: JsonReader;
  readonly #writer: Writer;
  readonly #integer = new Integer64();

  constructor(reader: JsonReader, writer: Writer) {
    this.#reader = reader;
    this.#writer = writer;
  }

  /** Takes the value that begins with byte c and writes it, tagged or packed. False: it is the type's zero. */
  write(field: JsonField, c: number, isTagged: boolean): boolean {
    switch (field.kind) {
      case kindString:
        return this.#string(field, c);
      case kindId:
        return this.#id(field, c);
      case kindBytes:
        return this.#bytes(field, c);
      case kindBool:
        return this.#bool(field, c);
      default:
    }
    if (isTagged) this.#writer.tag(field.number, field.wireType);
    return field.kind === kindDouble ? this.#double(field, c) : this.#number(field, c);
  }

  #readString(field: JsonField, c: number): void {
    if (c !== quote) this.#reader.unexpected(`a string for ${field.name}`);
    this.#reader.readString();
  }

  #string(field: JsonField, c: number): boolean {
    const reader = this.#reader;
    const writer = this.#writer;
    this.#readString(field, c);
    const length = reader.end - reader.start;
    if (!reader.hasEscapes) {
      writer.lengthDelimited(field.number, reader.body, reader.start, reader.end);
      return length > 0;
    }
    const handle = writer.begin(field.number, varintLength(length));
    writer.reserve(length);
    writer.position = reader.unescape(writer.bytes, writer.position);
    writer.end(handle);
    return true;
  }

  #id(field: JsonField, c: number): boolean {
    this.#readString(field, c);
    const { body, start, end } = this.#reader;
    if (end === start) {
      this.#writer.lengthDelimited(field.number, body, start, end);
      return false;
    }
    if (end - start !== field.idBytes * 2) {
      this.#reader.fail(`${field.name} is not ${field.idBytes} bytes in hexadecimal`, start);
    }
    const writer = this.#writer;
    writer.tag(field.number, wireLength);
    writer.varint(field.idBytes);
    writer.reserve(field.idBytes);
    for (let p = start; p < end; p += 2) {
      const high = hexValue[body[p]!]!;
      const low = hexValue[body[p + 1]!]!;
      if (high > 15 || low > 15) this.#reader.fail(`${field.name} is not hexadecimal`, p);
      writer.bytes[writer.position++] = high * 16 + low;
    }
    return true;
  }

  #bytes(field: JsonField, c: number): boolean {
    this.#readString(field, c);
    const text = this.#reader.text();
    // One digit over a multiple of four carries no whole byte.
    if (!base64.test(text) || text.replace(/=+$/, "").length % 4 === 1) {
      this.#reader.fail(`${field.name} is not base64`, this.#reader.start);
    }
    this.#writer.lengthDelimited(field.number, Buffer.from(text, "base64"));
    return text !== "";
  }

  #bool(field: JsonField, c: number): boolean {
    const isTrue = c === 0x74;
    if (!isTrue && c !== 0x66) this.#reader.unexpected(`true or false for ${field.name}`);
    this.#reader.readLiteral(c);
    this.#writer.tag(field.number, field.wireType);
    this.#writer.varint(isTrue ? 1 : 0);
    return isTrue;
  }

  #double(field: JsonField, c: number): boolean {
    const reader = this.#reader;
    let text: string;
    if (c === quote) {
      this.#readNumberText(field);
      text = reader.text();
      const special = specialDoubles.get(text.toLowerCase());
      if (special !== undefined) {
        this.#writer.double(special);
        return true;
      }
      if (!decimal.test(text)) reader.fail(`${field.name} is not a number`, reader.start);
    } else {
      reader.readNumber();
      text = reader.body.toString("latin1", reader.start, reader.end);
    }
    const value = Number(text);
    if (!Number.isFinite(value)) reader.fail(`${field.name} is out of range`, reader.start);
    this.#writer.double(value);
    // -0 has a bit set, so it is not the default.
    return value !== 0 || Object.is(value, -0);
  }

  /** A number or an enum's name as text. */
  #readNumberText(field: JsonField): void {
    const reader = this.#reader;
    reader.readString();
    if (reader.end - reader.start > maxNumberBytes)
      reader.fail(`${field.name} is not a number`, reader.start);
  }

  #number(field: JsonField, c: number): boolean {
    const reader = this.#reader;
    if (c !== quote) reader.readNumber();
    else {
      this.#readNumberText(field);
      const value = field.enumNames?.get(reader.text());
      if (value !== undefined) {
        this.#writer.varint(value);
        return value !== 0;
      }
    }
    const integer = this.#integer;
    const outcome = integer.parse(reader.body, reader.start, reader.end);
    if (outcome === "syntax" || outcome === "inexact") {
      const kind = field.kind === kindEnum ? "a value of its enum" : "an integer";
      reader.fail(`${field.name} is not ${kind}`, reader.start);
    }
    if (outcome === "range" || !isWithin(integer, limits.get(field.kind) ?? unsigned64)) {
      reader.fail(`${field.name} is out of range`, reader.start);
    }
    this.#integerOf(field.kind);
    return !integer.isZero;
  }

  #integerOf(kind: number): void {
    const writer = this.#writer;
    const { lo, hi, isNegative } = this.#integer;
    switch (kind) {
      case kindFixed32:
        return writer.fixed32(lo);
      case kindFixed64:
      case kindSfixed64: {
        // Two's complement of the halves.
        const low = isNegative ? (~lo + 1) >>> 0 : lo;
        writer.fixed32(low);
        return writer.fixed32(isNegative ? ~hi + (low === 0 ? 1 : 0) : hi);
      }
      case kindSint32:
        return writer.varint(isNegative && lo !== 0 ? lo * 2 - 1 : lo * 2);
      default:
        if (!isNegative && hi < 0x200000) return writer.varint(hi * 4294967296 + lo);
        return this.#bigVarint();
    }
  }

  #bigVarint(): void {
    const { lo, hi, isNegative } = this.#integer;
    const magnitude = (BigInt(hi) << 32n) | BigInt(lo);
    this.#writer.varint64(isNegative ? -magnitude : magnitude);
  }
}

function isWithin(value: Integer64, limit: readonly [number, number, number, number]): boolean {
  const maxHi = value.isNegative ? limit[2] : limit[0];
  const maxLo = value.isNegative ? limit[3] : limit[1];
  return value.hi < maxHi || (value.hi === maxHi && value.lo <= maxLo);
}
