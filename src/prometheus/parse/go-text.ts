/** Texts and numbers as Go has them: Prometheus' messages quote the input with %q. */
import { isUtf8 } from "node:buffer";

/** Bytes of the input that a message shows. */
const maxQuotedBytes = 512;

const escapes: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/** The bytes [start, end) as %q shows them. */
export function quoteBytes(bytes: Uint8Array, start: number, end: number): string {
  const cut = Math.min(end, start + maxQuotedBytes);
  let text = "";
  for (let p = start; p < cut; ) {
    const length = characterLength(bytes, p, end);
    text += length === 0 ? hex(bytes[p]!) : quoteCharacter(bytes, p, length);
    p += Math.max(1, length);
  }
  return `"${text}${cut < end ? "…" : ""}"`;
}

export function quoteText(text: string): string {
  const bytes = Buffer.from(text);
  return quoteBytes(bytes, 0, bytes.length);
}

/** A byte as %q shows it: the character of this code in single quotes. */
export function quoteByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (character === '"') return `'"'`;
  if (character === "'") return String.raw`'\''`;
  const bytes = Buffer.from(character);
  return `'${quoteCharacter(bytes, 0, bytes.length)}'`;
}

const hex = (byte: number) => `\\x${byte.toString(16).padStart(2, "0")}`;

function quoteCharacter(bytes: Uint8Array, p: number, length: number): string {
  const byte = bytes[p]!;
  if (length === 1) {
    const escape = escapes[byte];
    if (escape !== undefined) return escape;
    return byte < 32 || byte === 127 ? hex(byte) : String.fromCharCode(byte);
  }
  const text = Buffer.from(bytes.subarray(p, p + length)).toString();
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u.test(text)) return text;
  const code = text.codePointAt(0)!;
  const digits = code.toString(16);
  return code > 0xffff ? `\\U${digits.padStart(8, "0")}` : `\\u${digits.padStart(4, "0")}`;
}

/** Bytes of the UTF-8 character at p; 0: there is none. */
function characterLength(bytes: Uint8Array, p: number, end: number): number {
  const byte = bytes[p]!;
  if (byte < 128) return 1;
  const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
  return p + length <= end && isUtf8(bytes.subarray(p, p + length)) ? length : 0;
}

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/u;
const infinity = /^([+-]?)inf(?:inity)?$/iu;

/**
 * A number as strconv.ParseFloat reads it, without hexadecimal and underscores; else why it is none.
 * @param quote How the error shows the text: the bytes that it comes from need not be UTF-8.
 */
export function parseFloatText(
  text: string,
  quote = () => quoteText(text),
): number | { readonly error: string } {
  if (/[pP_]/u.test(text)) return { error: "unsupported character in float" };
  const problem = (why: string) => ({ error: `strconv.ParseFloat: parsing ${quote()}: ${why}` });
  if (decimal.test(text)) {
    const value = Number(text);
    return Number.isFinite(value) ? value : problem("value out of range");
  }
  const sign = infinity.exec(text)?.[1];
  if (sign !== undefined) return sign === "-" ? -Infinity : Infinity;
  return /^nan$/iu.test(text) ? NaN : problem("invalid syntax");
}

/** A whole number of 64 bits as strconv.ParseInt reads it; beyond 2^53 it loses precision. */
export function parseIntText(text: string): number | { readonly error: string } {
  const problem = (why: string) => ({
    error: `strconv.ParseInt: parsing ${quoteText(text)}: ${why}`,
  });
  if (!/^[+-]?\d+$/u.test(text)) return problem("invalid syntax");
  const value = BigInt(text.replace("+", ""));
  return BigInt.asIntN(64, value) === value ? Number(value) : problem("value out of range");
}
