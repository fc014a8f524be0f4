/**
 * JSON tokens (RFC 8259) of a byte array. Errors carry the byte offset. Text is not checked for valid UTF-8, as
 * the Collector does not check it in either encoding of OTLP.
 */
import { TelemetryError } from "../../errors.ts";

const quote = 0x22;
const backslash = 0x5c;

/** 1: an ordinary byte of a string; 0: a quote, a backslash or a control character. */
const isOrdinary = new Uint8Array(256).fill(1, 0x20);
isOrdinary[quote] = 0;
isOrdinary[backslash] = 0;

const isDigit = new Uint8Array(256).fill(1, 0x30, 0x3a);

/** The value of a hexadecimal digit; 255: it is none. */
export const hexValue = new Uint8Array(256).fill(255);
for (let i = 0; i < 16; i++) {
  const digit = i.toString(16);
  hexValue[digit.charCodeAt(0)] = i;
  hexValue[digit.toUpperCase().charCodeAt(0)] = i;
}

/** What the letter after a backslash stands for; 0: it is no escape (u is handled apart). */
const escapes = new Uint8Array(256);
for (const [letter, meaning] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"]) {
  escapes[letter!.charCodeAt(0)] = meaning!.charCodeAt(0);
}

const literals: ReadonlyMap<number, Uint8Array> = new Map(
  ["true", "false", "null"].map((word) => [word.charCodeAt(0), new TextEncoder().encode(word)]),
);

/** A string is looked through in goes of this many bytes (0.3 ms). */
export const longBytes = 256 * 1024;
/** No encoder writes more between two tokens. */
const maxSpaceBytes = 1024 * 1024;
/** A number's digits; no value needs more. */
export const maxNumberBytes = 4096;

/** Thrown where a string goes on behind `longBytes`: reading it again continues where this go ended. */
export const unfinished = new Error("BUG: a long JSON string was not continued");

export class JsonReader {
  readonly body: Buffer;
  position = 0;
  /** The token read last: a string's content without quotes, or a number's digits. */
  start = 0;
  end = 0;
  /** Whether the string read last has escapes. */
  hasEscapes = false;
  /** The long string that is being looked through: where it begins, and how far that has come. */
  #longStart = -1;
  #longSeen = 0;
  #longHasEscapes = false;

  constructor(body: Uint8Array) {
    this.body = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  }

  fail(what: string, offset = this.position): never {
    throw new TelemetryError("MALFORMED_DATA", `cannot decode JSON: ${what} at offset ${offset}`);
  }

  /** The next byte that is not white space, without taking it; -1 at the end. */
  peek(): number {
    const { body } = this;
    let p = this.position;
    const limit = Math.min(body.length, p + maxSpaceBytes);
    while (p < limit) {
      const c = body[p]!;
      if (c > 0x20 || (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09)) {
        this.position = p;
        return c;
      }
      p++;
    }
    this.position = p;
    if (p < body.length) this.fail("too much white space");
    return -1;
  }

  expect(byte: number): void {
    if (this.body[this.position] === byte) {
      this.position++;
      return;
    }
    if (this.peek() !== byte) this.unexpected(`'${String.fromCharCode(byte)}'`);
    this.position++;
  }

  /** Takes the string literal at the position if it is this text, written without escapes. */
  takeIfIs(text: Uint8Array): boolean {
    const { body } = this;
    const start = this.position + 1;
    const end = start + text.length;
    if (body[end] !== quote) return false;
    for (let i = 0; i < text.length; i++) if (body[start + i] !== text[i]) return false;
    this.position = end + 1;
    return true;
  }

  /** Fails with what stands at the position instead of what was expected. */
  unexpected(wanted: string): never {
    const c = this.body[this.position];
    const found = c === undefined ? "the end" : `'${String.fromCharCode(c)}'`;
    this.fail(`expected ${wanted}, found ${found}`);
  }

  /**
   * Takes a string literal; its content is [start, end). The position stands at its opening quote. Throws
   * `unfinished` after looking through longBytes of it.
   */
  readString(): void {
    const { body } = this;
    const start = this.position + 1;
    const isContinued = start === this.#longStart;
    let p = isContinued ? this.#longSeen : start;
    this.hasEscapes = isContinued && this.#longHasEscapes;
    const limit = p + longBytes;
    for (;;) {
      // Past the end the byte is undefined, which is not ordinary either.
      while (p < limit && isOrdinary[body[p]!] === 1) p++;
      if (p >= limit) {
        this.#longStart = start;
        this.#longSeen = p;
        this.#longHasEscapes = this.hasEscapes;
        throw unfinished;
      }
      const c = body[p];
      if (c === quote) break;
      if (c !== backslash) {
        this.fail(c === undefined ? "unterminated string" : "control character in string", p);
      }
      this.hasEscapes = true;
      p = this.#checkEscape(p);
    }
    this.start = start;
    this.end = p;
    this.position = p + 1;
  }

  /** The position after the escape at p. */
  #checkEscape(p: number): number {
    const { body } = this;
    const letter = body[p + 1];
    if (letter !== 0x75) {
      if (letter === undefined || escapes[letter] === 0) this.fail("invalid escape", p);
      return p + 2;
    }
    for (let i = p + 2; i < p + 6; i++) {
      if (i >= body.length || hexValue[body[i]!] === 255) this.fail("invalid \\u escape", p);
    }
    return p + 6;
  }

  /** Takes a number; its text is [start, end). */
  readNumber(): void {
    const { body } = this;
    const start = this.position;
    let p = body[start] === 0x2d ? start + 1 : start;
    if (body[p] === 0x30) p++;
    else p = this.#digits(p);
    if (body[p] === 0x2e) p = this.#digits(p + 1);
    if (body[p] === 0x65 || body[p] === 0x45) {
      const sign = body[p + 1];
      p = this.#digits(sign === 0x2b || sign === 0x2d ? p + 2 : p + 1);
    }
    this.start = start;
    this.end = p;
    this.position = p;
  }

  /** The position after one or more digits. */
  #digits(from: number): number {
    const { body } = this;
    let p = from;
    const limit = from + maxNumberBytes;
    while (p < limit && isDigit[body[p]!] === 1) p++;
    if (p === limit) this.fail(`a number has more than ${maxNumberBytes - 1} digits`);
    if (p === from) {
      this.position = from;
      this.unexpected("a value");
    }
    return p;
  }

  /** Takes true, false or null, by its first letter. */
  readLiteral(first: number): void {
    const literal = literals.get(first);
    if (literal === undefined) this.unexpected("a value");
    const at = this.position;
    for (let i = 1; i < literal.length; i++) {
      if (this.body[at + i] !== literal[i]) this.fail("invalid literal", at);
    }
    this.position = at + literal.length;
  }

  /** The token read last, as text with its escapes resolved. */
  text(): string {
    if (!this.hasEscapes) return this.body.toString("utf8", this.start, this.end);
    const out = Buffer.allocUnsafe(this.end - this.start);
    return out.toString("utf8", 0, this.unescape(out, 0));
  }

  /** Writes the string read last to out, escapes resolved; never longer than end - start. Returns the end. */
  unescape(out: Uint8Array, at: number): number {
    const { start } = this;
    const to = this.unescapeTo(out, at, this.end);
    this.start = start;
    return to;
  }

  /** The same for what begins before `until`; `start` is moved to what is left. */
  unescapeTo(out: Uint8Array, at: number, until: number): number {
    const { body } = this;
    if (!this.hasEscapes) {
      out.set(body.subarray(this.start, until), at);
      const length = until - this.start;
      this.start = until;
      return at + length;
    }
    let to = at;
    let p = this.start;
    while (p < until) {
      const c = body[p]!;
      if (c !== backslash) {
        out[to++] = c;
        p++;
      } else if (body[p + 1] !== 0x75) {
        out[to++] = escapes[body[p + 1]!]!;
        p += 2;
      } else {
        let codePoint = this.#hex4(p + 2);
        p += 6;
        if (codePoint >= 0xd800 && codePoint < 0xe000) {
          const low = this.#lowSurrogate(codePoint, p);
          // Half a pair has no UTF-8 form.
          codePoint = low < 0 ? 0xfffd : 0x10000 + ((codePoint & 0x3ff) << 10) + (low & 0x3ff);
          if (low >= 0) p += 6;
        }
        to = writeCodePoint(out, to, codePoint);
      }
    }
    this.start = p;
    return to;
  }

  /** The low surrogate escaped at p that completes a high one; -1: there is none. */
  #lowSurrogate(high: number, p: number): number {
    if (high >= 0xdc00 || p + 6 > this.end) return -1;
    if (this.body[p] !== backslash || this.body[p + 1] !== 0x75) return -1;
    const low = this.#hex4(p + 2);
    return low >= 0xdc00 && low < 0xe000 ? low : -1;
  }

  #hex4(p: number): number {
    let value = 0;
    for (let i = p; i < p + 4; i++) value = value * 16 + hexValue[this.body[i]!]!;
    return value;
  }
}

function writeCodePoint(out: Uint8Array, at: number, codePoint: number): number {
  let to = at;
  if (codePoint < 0x80) {
    out[to++] = codePoint;
    return to;
  }
  if (codePoint < 0x800) out[to++] = 0xc0 | (codePoint >>> 6);
  else {
    if (codePoint < 0x10000) out[to++] = 0xe0 | (codePoint >>> 12);
    else {
      out[to++] = 0xf0 | (codePoint >>> 18);
      out[to++] = 0x80 | ((codePoint >>> 12) & 63);
    }
    out[to++] = 0x80 | ((codePoint >>> 6) & 63);
  }
  out[to++] = 0x80 | (codePoint & 63);
  return to;
}
