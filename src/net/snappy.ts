/**
 * Snappy block format (google/snappy format_description.txt).
 *
 *     block   = varint(length of the decoded bytes) element…
 *     element = tag byte, low two bits:
 *       00 literal   upper 6 bits: length - 1, or 60..63: the length - 1 follows in 1..4 bytes
 *       01 copy      length 4..11 in bits 2..4, offset 11 bits: bits 5..7 and one byte
 *       10 copy      length - 1 in the upper 6 bits, offset in two bytes
 *       11 copy      the same with an offset of four bytes
 */
import { TelemetryError } from "../errors.ts";

const malformed = (cause: string) =>
  new TelemetryError("MALFORMED_DATA", `snappy: corrupt input (${cause})`);

/** How far a block is decoded: the next byte to read, the next to write. */
interface Progress {
  read: number;
  written: number;
}

/** Between two steps of `snappySteps` at most this much (and one literal) is written. */
const stepBytes = 1 << 20;

/**
 * Decodes a block in steps, so that a large one need not hold up the event loop. `admit` is asked for the
 * announced length before anything is allocated, and throws to refuse it.
 */
export function* snappySteps(
  bytes: Uint8Array,
  admit: (length: number) => void,
): Generator<void, Uint8Array> {
  const header = readLength(bytes);
  admit(header.length);
  // No element yields more than 64 bytes for three: a larger claim is a lie, not worth its memory.
  if (header.length > bytes.length * 32) throw malformed("announced length");
  const out = Buffer.allocUnsafeSlow(header.length);
  const progress = { read: header.end, written: 0 };
  while (progress.read < bytes.length) {
    decodeElements(bytes, out, progress, progress.written + stepBytes);
    yield;
  }
  if (progress.written !== out.length) throw malformed("length");
  return out;
}

/** Decodes a block; TOO_LARGE before anything is allocated. */
export function decodeSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const steps = snappySteps(bytes, (length) => {
    if (length > maxBytes) throw new TelemetryError("TOO_LARGE", "request body too large");
  });
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

function decodeElements(bytes: Uint8Array, out: Buffer, progress: Progress, until: number): void {
  let p = progress.read;
  let at = progress.written;
  while (p < bytes.length && at < until) {
    const tag = bytes[p++]!;
    let length = (tag >> 2) + 1;
    if ((tag & 3) === 0) {
      if (length > 60) {
        const extra = length - 60;
        if (p + extra > bytes.length) throw malformed("literal length");
        length = readLittleEndian(bytes, p, extra) + 1;
        p += extra;
      }
      if (p + length > bytes.length || at + length > out.length) throw malformed("literal");
      out.set(bytes.subarray(p, p + length), at);
      p += length;
      at += length;
      continue;
    }
    const offsetBytes = (tag & 3) === 3 ? 4 : tag & 3;
    if (p + offsetBytes > bytes.length) throw malformed("copy");
    let offset = readLittleEndian(bytes, p, offsetBytes);
    p += offsetBytes;
    if (offsetBytes === 1) {
      length = ((tag >> 2) & 7) + 4;
      offset |= (tag >> 5) << 8;
    }
    if (offset === 0 || offset > at || at + length > out.length) throw malformed("copy");
    // Byte by byte: source and target may overlap, which repeats a pattern.
    for (let end = at + length; at < end; at++) out[at] = out[at - offset]!;
  }
  progress.read = p;
  progress.written = at;
}

/** What a block says of its decoded length. */
export const announcedSnappyBytes = (bytes: Uint8Array): number => readLength(bytes).length;

function readLength(bytes: Uint8Array): { length: number; end: number } {
  let length = 0;
  for (let p = 0; p < 5 && p < bytes.length; p++) {
    const byte = bytes[p]!;
    length += (byte & 127) * 2 ** (7 * p);
    if (byte < 128) return { length, end: p + 1 };
  }
  throw malformed("header");
}

function readLittleEndian(bytes: Uint8Array, p: number, count: number): number {
  let value = 0;
  for (let i = count - 1; i >= 0; i--) value = value * 256 + bytes[p + i]!;
  return value;
}

const hashBits = 14;
/** Matches are looked for within blocks of this size, so that positions fit the table. */
const blockBytes = 1 << 16;

/** Encodes a block: greedy matching over a hash of four bytes, as the reference encoder. */
export function encodeSnappy(bytes: Uint8Array): Uint8Array {
  const out = Buffer.allocUnsafeSlow(32 + bytes.length + Math.ceil(bytes.length / 6));
  let at = 0;
  let rest = bytes.length;
  while (rest >= 128) {
    out[at++] = (rest & 127) | 128;
    rest = Math.floor(rest / 128);
  }
  out[at++] = rest;
  const table = new Int32Array(1 << hashBits);
  for (let start = 0; start < bytes.length; start += blockBytes) {
    at = encodeBlock(
      bytes,
      start,
      Math.min(start + blockBytes, bytes.length),
      out,
      at,
      table.fill(-1),
    );
  }
  return out.subarray(0, at);
}

function encodeBlock(
  b: Uint8Array,
  start: number,
  end: number,
  out: Uint8Array,
  at: number,
  table: Int32Array,
): number {
  let literal = start;
  let p = start;
  while (p + 4 <= end) {
    const word = b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16) | (b[p + 3]! << 24);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - hashBits);
    const candidate = table[slot]!;
    table[slot] = p;
    const matches =
      candidate >= 0 &&
      b[candidate] === b[p] &&
      b[candidate + 1] === b[p + 1] &&
      b[candidate + 2] === b[p + 2] &&
      b[candidate + 3] === b[p + 3];
    if (!matches) {
      p++;
      continue;
    }
    at = writeLiteral(b, literal, p, out, at);
    let length = 4;
    while (p + length < end && b[candidate + length] === b[p + length]) length++;
    at = writeCopy(p - candidate, length, out, at);
    p += length;
    literal = p;
  }
  return writeLiteral(b, literal, end, out, at);
}

function writeLiteral(
  b: Uint8Array,
  from: number,
  to: number,
  out: Uint8Array,
  at: number,
): number {
  const length = to - from;
  if (length === 0) return at;
  const n = length - 1;
  if (n < 60) out[at++] = n << 2;
  else {
    const extra = n < 256 ? 1 : 2;
    out[at++] = (59 + extra) << 2;
    out[at++] = n & 255;
    if (extra === 2) out[at++] = n >> 8;
  }
  out.set(b.subarray(from, to), at);
  return at + length;
}

function writeCopy(offset: number, length: number, out: Uint8Array, at: number): number {
  for (let rest = length; rest > 0; ) {
    const n = Math.min(rest, 64);
    out[at++] = ((n - 1) << 2) | 2;
    out[at++] = offset & 255;
    out[at++] = offset >> 8;
    rest -= n;
  }
  return at;
}
