/**
 * Protobuf fields of bytes that nobody has checked: every length and number is bounded by the message around
 * it. Layout: src/pdata/wire.ts.
 */
import { isUtf8 } from "node:buffer";
import {
  dataViewOf,
  decodeUtf8,
  readVarint,
  readVarint64,
  wireFixed32,
  wireFixed64,
  wireLength,
  wireVarint,
} from "../../pdata/wire.ts";
import { malformed } from "./limits.ts";

const maxFieldNumber = 536_870_911;

export class ProtobufReader {
  readonly bytes: Uint8Array;
  number = 0;
  wireType = 0;
  /** The current field's value. */
  valueStart = 0;
  valueEnd = 0;
  #position: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.#position = start;
    this.#end = end;
  }

  /** Moves to the next field; false at the end. */
  next(): boolean {
    if (this.#position >= this.#end) return false;
    const tag = this.#varint();
    const number = Math.floor(tag / 8);
    if (number < 1 || number > maxFieldNumber) throw malformed("proto: invalid field number");
    this.number = number;
    this.wireType = tag % 8;
    this.#span();
    return true;
  }

  #span(): void {
    switch (this.wireType) {
      case wireVarint:
        this.valueStart = this.#position;
        this.#varint();
        this.valueEnd = this.#position;
        return;
      case wireLength:
        return this.#take(this.#length());
      case wireFixed64:
        return this.#take(8);
      case wireFixed32:
        return this.#take(4);
      default:
        throw malformed(`proto: wire type ${this.wireType} cannot be read`);
    }
  }

  #length(): number {
    const length = this.#varint();
    if (length > this.#end - this.#position) throw malformed("proto: unexpected EOF");
    return length;
  }

  #take(length: number): void {
    if (length > this.#end - this.#position) throw malformed("proto: unexpected EOF");
    this.valueStart = this.#position;
    this.#position += length;
    this.valueEnd = this.#position;
  }

  /** Exact up to 2^53, which is more than any length or field number may be. */
  #varint(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      if (this.#position >= this.#end) throw malformed("proto: unexpected EOF");
      const byte = this.bytes[this.#position++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
    throw malformed("proto: variable length integer overflow");
  }

  /** Moves over a length and what it counts, without a tag; false at the end. */
  nextDelimited(): boolean {
    if (this.#position >= this.#end) return false;
    this.#take(this.#length());
    return true;
  }

  message(): ProtobufReader {
    this.#expect(wireLength);
    return new ProtobufReader(this.bytes, this.valueStart, this.valueEnd);
  }

  string(): string {
    this.#expect(wireLength);
    if (!isUtf8(this.bytes.subarray(this.valueStart, this.valueEnd))) {
      throw malformed("proto: string field contains invalid UTF-8");
    }
    return decodeUtf8(this.bytes, this.valueStart, this.valueEnd);
  }

  double(): number {
    this.#expect(wireFixed64);
    return dataViewOf(this.bytes).getFloat64(this.valueStart, true);
  }

  /** Unsigned; beyond 2^53 it loses precision. */
  uint(): number {
    this.#expect(wireVarint);
    return readVarint(this.bytes, this.valueStart)[0];
  }

  int(): number {
    this.#expect(wireVarint);
    return Number(BigInt.asIntN(64, readVarint64(this.bytes, this.valueStart)));
  }

  /** Zigzag. */
  sint(): number {
    this.#expect(wireVarint);
    return zigzag(readVarint64(this.bytes, this.valueStart));
  }

  /** A repeated number, packed or not; at most `most` in all. */
  doubles(into: number[], most: number): void {
    if (this.wireType !== wireLength) return addNumber(into, this.double(), most);
    const view = dataViewOf(this.bytes);
    if ((this.valueEnd - this.valueStart) % 8 !== 0) throw malformed("proto: unexpected EOF");
    for (let p = this.valueStart; p < this.valueEnd; p += 8) {
      addNumber(into, view.getFloat64(p, true), most);
    }
  }

  sints(into: number[], most: number): void {
    if (this.wireType !== wireLength) return addNumber(into, this.sint(), most);
    const packed = new ProtobufReader(this.bytes, this.valueStart, this.valueEnd);
    while (packed.#position < packed.#end) {
      const at = packed.#position;
      const raw = packed.#varint();
      // Big integers cost ten times as much; deltas of buckets never need them.
      const isExact = raw <= Number.MAX_SAFE_INTEGER;
      const value = isExact ? shortZigzag(raw) : zigzag(readVarint64(this.bytes, at));
      addNumber(into, value, most);
    }
  }

  #expect(wireType: number): void {
    if (this.wireType === wireType) return;
    throw malformed(`proto: field ${this.number} has wire type ${this.wireType}, not ${wireType}`);
  }
}

const shortZigzag = (value: number) => (value % 2 === 0 ? value / 2 : -(value + 1) / 2);
const zigzag = (value: bigint) => Number((value >> 1n) ^ -(value & 1n));

function addNumber(into: number[], value: number, most: number): void {
  if (into.length >= most) throw malformed(`proto: more than ${most} repeated numbers`);
  into.push(value);
}
