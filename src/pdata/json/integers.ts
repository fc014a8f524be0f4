/**
 * Decimal text to 64-bit integers as two halves: a double holds only 53 bits, and BigInt costs 200 ns on each
 * of the two time stamps of a point.
 */

/** The magnitude and sign of the integer parsed last; reused. */
export class Integer64 {
  lo = 0;
  hi = 0;
  isNegative = false;

  get isZero(): boolean {
    return this.lo === 0 && this.hi === 0;
  }

  /**
   * Parses decimal text such as `-12`, `1e3` or `5.0`. "inexact": it is no integer; "range": its magnitude
   * needs more than 64 bits; "syntax": it is no number.
   */
  parse(text: Uint8Array, start: number, end: number): "ok" | "syntax" | "inexact" | "range" {
    this.isNegative = text[start] === 0x2d;
    const first = this.isNegative ? start + 1 : start;
    if (first === end) return "syntax";
    // Up to 19 digits fit into 64 bits: the common case, without looking at the magnitude.
    const split = end - 9;
    const head = parseDigits(text, first, Math.max(split, first));
    const tail = parseDigits(text, Math.max(split, first), end);
    if (end - first > 19 || head < 0 || tail < 0) return this.#parseLong(text, first, end);
    this.#set(head, tail);
    return "ok";
  }

  /** head·10^9 + tail, for a head below 10^10. */
  #set(head: number, tail: number): void {
    // Sixteen bits at a time keep every product below 2^53.
    const high = Math.floor(head / 65536) * 1e9;
    const low = (high % 65536) * 65536 + (head % 65536) * 1e9 + tail;
    this.hi = Math.floor(high / 65536) + Math.floor(low / 4294967296);
    this.lo = low % 4294967296;
  }

  /** Twenty digits, fractions, exponents, and everything that is wrong. */
  #parseLong(bytes: Uint8Array, start: number, end: number): "ok" | "syntax" | "inexact" | "range" {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString(
      "latin1",
    );
    const match = /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text);
    if (match === null) return "syntax";
    const [, whole = "", fraction = "", exponent = "0"] = match;
    const digits = (whole + fraction).replace(/^0+/, "");
    const significant = stripTrailingZeros(digits);
    const zeros = digits.length - significant.length + Number(exponent) - fraction.length;
    if (significant === "") return this.#setBig(0n);
    if (zeros < 0) return "inexact";
    if (significant.length + zeros > 20) return "range";
    return this.#setBig(BigInt(significant + "0".repeat(zeros)));
  }

  #setBig(value: bigint): "ok" | "range" {
    if (value > 0xffff_ffff_ffff_ffffn) return "range";
    this.lo = Number(value & 0xffff_ffffn);
    this.hi = Number(value >> 32n);
    return "ok";
  }
}

/** Up to ten digits as a number; -1: there is something else among them. */
function parseDigits(text: Uint8Array, start: number, end: number): number {
  let value = 0;
  for (let p = start; p < end; p++) {
    const digit = text[p]! - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** A loop, because /0+$/ takes quadratic time on long runs of zeros. */
function stripTrailingZeros(digits: string): string {
  let end = digits.length;
  while (end > 0 && digits.charCodeAt(end - 1) === 0x30) end--;
  return digits.slice(0, end);
}
