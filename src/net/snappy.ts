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
import { runSteps } from "../pdata/json/slices.ts";
import { DecodedOutput } from "./decoded-output.ts";

const malformed = (cause: string) =>
  new TelemetryError("MALFORMED_DATA", `snappy: corrupt input (${cause})`);

/** How far a block is decoded: the next byte to read, the next to write, and what is left of a long literal. */
interface Progress {
  read: number;
  written: number;
  literal: number;
}

/** Bytes written between two steps; an element may be a single byte, so this bounds their number, too. */
const stepBytes = 128 * 1024;

/** Decodes a block (see `StepDecoder`); its announced length is checked before anything is allocated. */
export function* snappySteps(bytes: Uint8Array, output: DecodedOutput): Generator<void, void> {
  const header = readLength(bytes);
  output.check(header.length);
  // No element yields more than 64 bytes for three: a larger claim is a lie, not worth its memory.
  if (header.length > bytes.length * 32) throw malformed("announced length");
  yield* output.grow(header.length, header.length);
  const out = output.bytes.subarray(0, header.length);
  const progress: Progress = { read: header.end, written: 0, literal: 0 };
  while (progress.read < bytes.length) {
    decodeElements(bytes, out, progress, progress.written + stepBytes);
    yield;
  }
  if (progress.written !== out.length) throw malformed("length");
  output.length = out.length;
}

/** Decodes a block in one go: for short ones. TOO_LARGE before anything is allocated. */
export function decodeSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const output = new DecodedOutput(maxBytes);
  runSteps(snappySteps(bytes, output));
  return output.take();
}

function decodeElements(
  bytes: Uint8Array,
  out: Uint8Array,
  progress: Progress,
  until: number,
): void {
  if (progress.literal > 0) copyLiteral(bytes, out, progress, until);
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
      if (length > longLiteralBytes) {
        progress.read = p;
        progress.written = at;
        progress.literal = length;
        return copyLiteral(bytes, out, progress, until);
      }
      for (const end = p + length; p < end; p++) out[at++] = bytes[p]!;
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

/** From here on a call of `set` is cheaper than a loop, and the copy may need more than one step. */
const longLiteralBytes = 256;

/** Copies of a long literal what the step has room for. */
function copyLiteral(bytes: Uint8Array, out: Uint8Array, progress: Progress, until: number): void {
  const { read, written, literal } = progress;
  const length = Math.min(literal, until - written);
  out.set(bytes.subarray(read, read + length), written);
  progress.read += length;
  progress.written += length;
  progress.literal -= length;
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

/** Encodes a block in steps of 64 KiB: greedy matching over a hash of four bytes, as the reference encoder. */
export function* encodeSnappySteps(bytes: Uint8Array): Generator<void, Uint8Array> {
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
    const end = Math.min(start + blockBytes, bytes.length);
    at = encodeBlock(bytes, start, end, out, at, table.fill(-1));
    yield;
  }
  return out.subarray(0, at);
}

/** The same in one go: for short input. */
export const encodeSnappy = (bytes: Uint8Array): Uint8Array => runSteps(encodeSnappySteps(bytes));

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
