/**
 * JSON text as growing UTF-8 bytes. Protobuf strings are UTF-8 already, so text is copied byte by byte with a
 * check for what must be escaped; going through JavaScript strings would decode and encode it once more.
 */
import { isUtf8 } from "node:buffer";

const quote = 0x22;
const backslash = 0x5c;

/** 1: the byte stands for itself inside a JSON string and is a whole character. */
const isPlain = new Uint8Array(256);
for (let b = 0x20; b < 0x80; b++) isPlain[b] = 1;
isPlain[quote] = 0;
isPlain[backslash] = 0;

const hexDigits = new TextEncoder().encode("0123456789abcdef");

/** The letter after the backslash for bytes that have a short escape; 0: none. */
const shortEscape = new Uint8Array(256);
for (const [byte, letter] of [
  [quote, '"'],
  [backslash, "\\"],
  [0x08, "b"],
  [0x09, "t"],
  [0x0a, "n"],
  [0x0c, "f"],
  [0x0d, "r"],
] as const) {
  shortEscape[byte] = letter.charCodeAt(0);
}

export class JsonText {
  bytes: Uint8Array;
  position = 0;

  constructor(initialBytes = 4096) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  reserve(n: number): void {
    if (this.position + n <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.position + n));
    larger.set(this.bytes.subarray(0, this.position));
    this.bytes = larger;
  }

  /** What was written, as text; the buffer is used again. */
  takeText(): string {
    const text = Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.position).toString();
    this.position = 0;
    return text;
  }

  /** What was written, in a buffer of its own. */
  takeBytes(): Uint8Array {
    const copy = Buffer.allocUnsafeSlow(this.position);
    copy.set(this.bytes.subarray(0, this.position));
    this.position = 0;
    return copy;
  }

  byte(value: number): void {
    if (this.position === this.bytes.length) this.reserve(1);
    this.bytes[this.position++] = value;
  }

  /** A member's `,"name":`, without the comma where it is the first of its object. */
  key(key: Uint8Array): void {
    this.reserve(key.length);
    const to = this.bytes;
    let p = this.position;
    for (let i = to[p - 1] === 0x7b ? 1 : 0; i < key.length; i++) to[p++] = key[i]!;
    this.position = p;
  }

  ascii(text: string): void {
    this.reserve(text.length);
    const to = this.bytes;
    let p = this.position;
    for (let i = 0; i < text.length; i++) to[p++] = text.charCodeAt(i);
    this.position = p;
  }

  /** A string literal of UTF-8 bytes; invalid sequences become U+FFFD. */
  string(from: Uint8Array, start: number, end: number): void {
    this.reserve(end - start + 2);
    const to = this.bytes;
    let p = this.position;
    to[p++] = quote;
    for (let i = start; i < end; i++) {
      const b = from[i]!;
      if (isPlain[b] === 0) {
        this.position = p;
        this.#escaped(from, i, end);
        return;
      }
      to[p++] = b;
    }
    to[p++] = quote;
    this.position = p;
  }

  /** The rest of a string literal, from the first byte on that is not plain. */
  #escaped(from: Uint8Array, start: number, end: number): void {
    let rest = from.subarray(start, end);
    if (!isUtf8(rest)) rest = Buffer.from(Buffer.from(rest).toString("utf8"), "utf8");
    // The longest escape is \u00xx.
    this.reserve(rest.length * 6 + 1);
    const to = this.bytes;
    let p = this.position;
    for (let i = 0; i < rest.length; i++) {
      const b = rest[i]!;
      if (isPlain[b] === 1 || b > 127) {
        to[p++] = b;
        continue;
      }
      to[p++] = backslash;
      const letter = shortEscape[b]!;
      if (letter !== 0) {
        to[p++] = letter;
        continue;
      }
      to[p++] = 0x75;
      to[p++] = 0x30;
      to[p++] = 0x30;
      to[p++] = hexDigits[b >>> 4]!;
      to[p++] = hexDigits[b & 15]!;
    }
    to[p++] = quote;
    this.position = p;
  }

  /** A string literal of lower-case hexadecimal digits. */
  hex(from: Uint8Array, start: number, end: number): void {
    this.reserve((end - start) * 2 + 2);
    const to = this.bytes;
    let p = this.position;
    to[p++] = quote;
    for (let i = start; i < end; i++) {
      const b = from[i]!;
      to[p++] = hexDigits[b >>> 4]!;
      to[p++] = hexDigits[b & 15]!;
    }
    to[p++] = quote;
    this.position = p;
  }

  base64(from: Uint8Array, start: number, end: number): void {
    this.byte(quote);
    this.ascii(Buffer.from(from.buffer, from.byteOffset + start, end - start).toString("base64"));
    this.byte(quote);
  }

  /** A number; what JSON has no number for is a string, as in protobuf's JSON mapping. */
  double(value: number): void {
    if (Number.isFinite(value)) this.ascii(Object.is(value, -0) ? "-0" : String(value));
    else this.ascii(`"${value}"`);
  }

  int32(value: number): void {
    if (value < 0) {
      this.byte(0x2d);
      this.#digits(-value, 1);
    } else this.#digits(value, 1);
  }

  /** A string literal of the 64-bit integer hi·2^32 + lo (both unsigned). */
  integer64(lo: number, hi: number, isSigned: boolean): void {
    this.byte(quote);
    let low = lo;
    let high = hi;
    if (isSigned && high > 0x7fffffff) {
      this.byte(0x2d);
      low = (~low + 1) >>> 0;
      high = (~high + (low === 0 ? 1 : 0)) >>> 0;
    }
    if (high === 0) this.#digits(low, 1);
    else this.#digits64(low, high);
    this.byte(quote);
  }

  /** Long division by 10^9 in 16-bit steps: exact in doubles, and far cheaper than BigInt. */
  #digits64(lo: number, hi: number): void {
    const q1 = Math.floor(hi / 1e9);
    const x2 = (hi % 1e9) * 65536 + (lo >>> 16);
    const q2 = Math.floor(x2 / 1e9);
    const x3 = (x2 % 1e9) * 65536 + (lo & 65535);
    const quotient = q1 * 4294967296 + q2 * 65536 + Math.floor(x3 / 1e9);
    const rest = x3 % 1e9;
    if (quotient === 0) return this.#digits(rest, 1);
    // The quotient is at most 18,446,744,073.
    const top = Math.floor(quotient / 1e9);
    if (top === 0) this.#digits(quotient, 1);
    else {
      this.#digits(top, 1);
      this.#digits(quotient % 1e9, 9);
    }
    this.#digits(rest, 9);
  }

  /** Decimal digits of an integer below 2^32, with leading zeros up to minDigits. */
  #digits(value: number, minDigits: number): void {
    let width = minDigits;
    for (let bound = 10 ** minDigits; value >= bound; bound *= 10) width++;
    this.reserve(width);
    const to = this.bytes;
    let rest = value;
    for (let p = this.position + width - 1; p >= this.position; p--) {
      const next = Math.floor(rest / 10);
      to[p] = 0x30 + rest - next * 10;
      rest = next;
    }
    this.position += width;
  }
}
