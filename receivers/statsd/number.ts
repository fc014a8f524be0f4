/** Numbers from the bytes of a line, without a string where the text is a plain decimal of up to 15 digits. */

const zero = 48;
const nine = 57;
const plus = 43;
const minus = 45;
const dot = 46;

/** Up to 10^15 powers and integers are exact doubles, so one division gives the nearest double. */
const powers = Float64Array.from({ length: 16 }, (_, i) => 10 ** i);
const maxDigits = 15;

/** The value of the text [start, end) as Go's ParseFloat reads decimals; NaN: it is no number, or is NaN. */
export function parseNumber(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  const first = bytes[p]!;
  if (first === minus || first === plus) p++;
  let digits = 0;
  let value = 0;
  let pointAt = -1;
  for (; p < end; p++) {
    const byte = bytes[p]!;
    if (byte >= zero && byte <= nine) {
      value = value * 10 + (byte - zero);
      digits++;
    } else if (byte === dot && pointAt < 0) pointAt = p;
    else return parseText(bytes, start, end);
  }
  if (digits === 0) return Number.NaN;
  if (digits > maxDigits) return parseText(bytes, start, end);
  if (pointAt >= 0) value /= powers[end - pointAt - 1]!;
  return first === minus ? -value : value;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/iu;
const infinite = /^[+-]?inf(?:inity)?$/iu;
/** No number that a double can tell from a shorter one is longer. */
const maxTextLength = 400;

/** Exponents, long numbers and infinities. */
function parseText(bytes: Uint8Array, start: number, end: number): number {
  if (end - start > maxTextLength) return Number.NaN;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
  if (decimal.test(text)) return Number(text);
  return infinite.test(text) ? (text.startsWith("-") ? -Infinity : Infinity) : Number.NaN;
}

/** Whether the text is one of Go's spellings of not-a-number. */
export function isNanText(bytes: Uint8Array, start: number, end: number): boolean {
  return (
    end - start <= 4 && /^[+-]?nan$/iu.test(Buffer.from(bytes.subarray(start, end)).toString())
  );
}

/** Whole seconds, digits only; NaN: they are none, or more than a time in nanoseconds can be. */
export function parseSeconds(bytes: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > 11) return Number.NaN;
  let value = 0;
  for (let p = start; p < end; p++) {
    const digit = bytes[p]! - zero;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value <= maxSeconds ? value : Number.NaN;
}

/** 2^64 nanoseconds are 584 years. */
const maxSeconds = 18_446_744_073;
