/**
 * Protobuf wire primitives (protobuf.dev/programming-guides/encoding) for verified bytes and for output.
 *
 *     field   = tag value            tag = varint(number << 3 | wireType)
 *     value   = varint               wireType 0
 *             | 8 bytes, little end. wireType 1
 *             | varint(length) bytes wireType 2
 *             | 4 bytes, little end. wireType 5
 */
export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireLength = 2;
export const wireFixed32 = 5;

/**
 * Walks the fields of one message in verified bytes. Reused objects: call `reset`, then
 * `while (cursor.next()) switch (cursor.number) …`; after `next` the value lies at [valueStart, valueEnd).
 */
export class Cursor {
  bytes: Uint8Array = empty;
  /** Where the current field's tag begins. */
  fieldStart = 0;
  number = 0;
  wireType = 0;
  valueStart = 0;
  valueEnd = 0;
  #position = 0;
  #end = 0;

  reset(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes;
    this.#position = start;
    this.#end = end;
    return this;
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    const b = this.bytes;
    let p = this.#position;
    // Not `p >= end`: where unverified bytes are cut off within a field, the position is no number.
    if (!(p < this.#end)) return false;
    this.fieldStart = p;
    let tag = b[p++]!;
    if (tag > 127) {
      const [value, at] = readVarint(b, p - 1);
      tag = value;
      p = at;
    }
    this.number = tag >>> 3;
    const wireType = tag & 7;
    this.wireType = wireType;
    if (wireType === wireLength) {
      let length = b[p++]!;
      if (length > 127) {
        length &= 127;
        for (let shift = 7; ; shift += 7) {
          const byte = b[p++]!;
          if (shift < 32) length |= (byte & 127) << shift;
          if (!(byte > 127)) break;
        }
        // Never backwards, also in bytes that were not verified.
        length &= 0x7fffffff;
      }
      this.valueStart = p;
      p += length;
    } else if (wireType === wireVarint) {
      this.valueStart = p;
      while (b[p++]! > 127);
    } else {
      this.valueStart = p;
      p += wireType === wireFixed64 ? 8 : 4;
    }
    this.valueEnd = p;
    this.#position = p;
    return true;
  }

  /** The varint value as a number; exact up to 2^53. */
  varint(): number {
    return readVarint(this.bytes, this.valueStart)[0];
  }

  varint64(): bigint {
    return readVarint64(this.bytes, this.valueStart);
  }

  /** A sint32, zigzag: of a longer varint the low 32 bits. */
  sint32(): number {
    const b = this.bytes;
    let p = this.valueStart;
    let bits = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = b[p++]!;
      if (shift < 32) bits |= (byte & 127) << shift;
      if (!(byte > 127)) return (bits >>> 1) ^ -(bits & 1);
    }
  }

  fixed64(): bigint {
    return dataViewOf(this.bytes).getBigUint64(this.valueStart, true);
  }

  double(): number {
    return dataViewOf(this.bytes).getFloat64(this.valueStart, true);
  }

  string(): string {
    return decodeUtf8(this.bytes, this.valueStart, this.valueEnd);
  }

  /** A view of the value's bytes; keeps the whole buffer alive. */
  view(): Uint8Array {
    return this.bytes.subarray(this.valueStart, this.valueEnd);
  }
}

const empty = new Uint8Array(0);

/** [value, position after it]; bits above 2^53 lose precision (use readVarint64 where they matter). */
export function readVarint(b: Uint8Array, p: number): [value: number, end: number] {
  let value = 0;
  let factor = 1;
  for (;;) {
    const byte = b[p++]!;
    value += (byte & 127) * factor;
    // Not `byte < 128`: that would never end where unverified bytes end in a continuation bit.
    if (!(byte > 127)) return [value, p];
    factor *= 128;
  }
}

/** The low 64 bits of the varint at p, unsigned. */
export function readVarint64(b: Uint8Array, p: number): bigint {
  let value = 0n;
  let shift = 0n;
  for (;;) {
    const byte = b[p++]!;
    value |= BigInt(byte & 127) << shift;
    if (!(byte > 127)) return BigInt.asUintN(64, value);
    shift += 7n;
  }
}

let lastBytes: Uint8Array | undefined;
let lastView: DataView = new DataView(new ArrayBuffer(0));

/** A DataView over the same bytes, remembered for the last array: most reads follow one another in one part. */
export function dataViewOf(bytes: Uint8Array): DataView {
  if (bytes !== lastBytes) {
    lastBytes = bytes;
    lastView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }
  return lastView;
}

/** UTF-8 to text; invalid sequences become U+FFFD. Short ASCII, the common case, without a call into C++. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  if (end - start <= 24) {
    let text = "";
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (byte > 127) return slowUtf8(bytes, start, end);
      text += String.fromCharCode(byte);
    }
    return text;
  }
  return slowUtf8(bytes, start, end);
}

function slowUtf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}

/** Bytes of the varint of a non-negative number below 2^53. */
export function varintLength(value: number): number {
  let length = 1;
  while (value >= 128) {
    value = Math.floor(value / 128);
    length++;
  }
  return length;
}

/**
 * Copies [start, end), eight bytes or more, to position `at`, 64 bits at a time (compiled code allocates no BigInt for
 * this): for 40 to 150 bytes faster than `set`, which makes a view and calls into C++. The last word overlaps the one
 * before.
 */
export function copyWords(
  from: DataView,
  start: number,
  end: number,
  to: DataView,
  at: number,
): void {
  const shift = (at - start) | 0;
  const last = (end - 8) | 0;
  for (let i = start | 0; i < last; i = (i + 8) | 0) {
    to.setBigInt64((i + shift) | 0, from.getBigInt64(i, true), true);
  }
  to.setBigInt64((last + shift) | 0, from.getBigInt64(last, true), true);
}

/**
 * Writes protobuf forward into one growing buffer. Nested messages: `const at = w.begin(field)` …
 * `w.end(at)`; the length is written afterwards, into as many bytes as were guessed where the guess is right.
 */
export class Writer {
  bytes: Uint8Array;
  position = 0;
  #view: DataView;
  /** The array that `raw` copies from most, and a view of it; the array that it copied from last. */
  #source: Uint8Array = empty;
  #candidate: Uint8Array = empty;
  #sourceView: DataView = new DataView(empty.buffer);

  constructor(initialBytes = 1024) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Makes room for n more bytes. */
  reserve(n: number): void {
    if (this.position + n <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.position + n));
    larger.set(this.bytes.subarray(0, this.position));
    this.bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  /** A copy of what was written, in a buffer of its own; the writer can be used again after `reset`. */
  take(): Uint8Array {
    const copy = Buffer.allocUnsafeSlow(this.position);
    copy.set(this.bytes.subarray(0, this.position));
    return copy;
  }

  reset(): void {
    this.position = 0;
  }

  /** Copies bytes [start, end) as they are. */
  raw(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const length = end - start;
    this.reserve(length);
    if (length < 32) {
      this.#copyBytes(bytes, start, end);
    } else if (length < 160 && this.#isSource(bytes)) {
      copyWords(this.#sourceView, start, end, this.#view, this.position);
    } else if (length < 64) {
      this.#copyBytes(bytes, start, end);
    } else {
      this.bytes.set(bytes.subarray(start, end), this.position);
    }
    this.position += length;
  }

  #copyBytes(bytes: Uint8Array, start: number, end: number): void {
    const to = this.bytes;
    let p = this.position;
    for (let i = start; i < end; i++) to[p++] = bytes[i]!;
  }

  /**
   * Whether there is a DataView over these bytes. One is made for an array that is copied from twice in a row:
   * mostly the part that is being rewritten, with constants in between.
   */
  #isSource(bytes: Uint8Array): boolean {
    if (bytes === this.#source) {
      this.#candidate = empty;
      return true;
    }
    if (bytes !== this.#candidate) {
      this.#candidate = bytes;
      return false;
    }
    this.#source = bytes;
    this.#sourceView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return true;
  }

  /** A varint of a non-negative number below 2^53. */
  varint(value: number): void {
    this.reserve(10);
    const b = this.bytes;
    let p = this.position;
    while (value >= 128) {
      b[p++] = (value % 128) | 128;
      value = Math.floor(value / 128);
    }
    b[p++] = value;
    this.position = p;
  }

  /** An integer of 32 bits, zigzag. */
  sint32(value: number): void {
    this.varint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** The 64-bit two's complement of any integer. */
  varint64(value: bigint): void {
    let rest = BigInt.asUintN(64, value);
    this.reserve(10);
    while (rest >= 128n) {
      this.bytes[this.position++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.position++] = Number(rest);
  }

  tag(number: number, wireType: number): void {
    this.varint(number * 8 + wireType);
  }

  fixed64(value: bigint): void {
    this.reserve(8);
    this.#view.setBigUint64(this.position, BigInt.asUintN(64, value), true);
    this.position += 8;
  }

  fixed32(value: number): void {
    this.reserve(4);
    this.#view.setUint32(this.position, value >>> 0, true);
    this.position += 4;
  }

  /** Non-negative integers up to 2^53, eight bytes each. */
  fixed64s(values: Float64Array): void {
    this.reserve(values.length * 8);
    const view = this.#view;
    let p = this.position;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const high = Math.floor(value / 0x1_0000_0000);
      view.setUint32(p, value - high * 0x1_0000_0000, true);
      view.setUint32(p + 4, high, true);
      p += 8;
    }
    this.position = p;
  }

  double(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.position, value, true);
    this.position += 8;
  }

  /** Field with a string value. */
  string(number: number, value: string): void {
    this.tag(number, wireLength);
    if (value.length < 64 && this.#shortAscii(value)) return;
    const length = Buffer.byteLength(value, "utf8");
    this.varint(length);
    this.reserve(length);
    Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength).write(
      value,
      this.position,
      "utf8",
    );
    this.position += length;
  }

  /** Length and bytes of a short ASCII text without a call into C++; false, and nothing written, if it is none. */
  #shortAscii(value: string): boolean {
    const { length } = value;
    this.reserve(length + 1);
    const b = this.bytes;
    let p = this.position;
    b[p++] = length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      b[p++] = code;
    }
    this.position = p;
    return true;
  }

  /** Field with a bytes value. */
  lengthDelimited(number: number, bytes: Uint8Array, start = 0, end = bytes.length): void {
    this.tag(number, wireLength);
    this.varint(end - start);
    this.raw(bytes, start, end);
  }

  /** Begins a nested message; lengthBytes guesses the width of its length (2 fits 128 B to 16 KB). */
  begin(number: number, lengthBytes = 2): number {
    this.tag(number, wireLength);
    this.reserve(lengthBytes);
    // The guess travels in the low bits of the handle.
    const handle = this.position * 8 + lengthBytes;
    this.position += lengthBytes;
    return handle;
  }

  end(handle: number): void {
    const lengthBytes = handle % 8;
    const at = (handle - lengthBytes) / 8;
    const start = at + lengthBytes;
    const length = this.position - start;
    const needed = varintLength(length);
    if (needed !== lengthBytes) {
      this.reserve(needed);
      this.bytes.copyWithin(at + needed, start, this.position);
    }
    this.position = at + needed + length;
    // Not by varint(): that makes room behind a position, and would keep only what stands before it.
    const b = this.bytes;
    let p = at;
    let rest = length;
    for (; rest >= 128; rest = Math.floor(rest / 128)) b[p++] = (rest % 128) | 128;
    b[p] = rest;
  }
}
