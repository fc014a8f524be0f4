/**
 * LZ4 frame format, decoding only (lz4/doc/lz4_Frame_format.md, lz4_Block_format.md).
 *
 *     frame  = 04 22 4d 18, flags, max block size, [content size 8], [dictionary id 4], header checksum 1,
 *              block…, 00 00 00 00, [content checksum 4]
 *     block  = size 4 little end. (top bit: stored as it is), data, [checksum 4]
 *     data   = sequence…:  token (literals << 4 | match - 4), more literals…, literals, offset 2, more match…
 *
 * Checksums are XXH32. Frames may follow one another; skippable frames are passed over. A block may copy from
 * the 64 KiB before it, which is why the output is one array.
 */
import { TelemetryError } from "../errors.ts";
import type { DecodedOutput } from "./decoded-output.ts";
import { xxh32, xxh32Steps } from "./xxh32.ts";

const magic = 0x184d2204;
const skippableMagic = 0x184d2a50;
/** Bytes written between two steps, roughly; one sequence may write a whole block. */
const stepBytes = 128 * 1024;

const malformed = (cause: string) =>
  new TelemetryError("MALFORMED_DATA", `lz4: corrupt input (${cause})`);

interface FrameHeader {
  readonly end: number;
  readonly blockBytes: number;
  /** 0: not announced. */
  readonly contentBytes: number;
  readonly hasBlockChecksum: boolean;
  readonly hasContentChecksum: boolean;
}

/** Decodes a body (see `StepDecoder`). */
export function* lz4Steps(bytes: Uint8Array, output: DecodedOutput): Generator<void, void> {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (input.length === 0) throw malformed("no frame");
  for (let at = 0; at < input.length; ) {
    const kind = word(input, at);
    if ((kind & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + word(input, at + 4);
      if (at > input.length) throw malformed("skippable frame");
    } else if (kind === magic) at = yield* decodeFrame(input, at + 4, output);
    else throw malformed("magic number");
    yield;
  }
}

function* decodeFrame(
  input: Buffer,
  start: number,
  output: DecodedOutput,
): Generator<void, number> {
  const header = readHeader(input, start);
  const frameStart = output.length;
  const expected = frameStart + header.contentBytes;
  if (header.contentBytes > 0) output.check(expected);
  let at = header.end;
  for (;;) {
    const size = word(input, at);
    at += 4;
    if (size === 0) break;
    const end = at + (size & 0x7fffffff);
    if (end - at > header.blockBytes || end > input.length) throw malformed("block size");
    if (size >>> 31 === 1) yield* store(input.subarray(at, end), output, expected);
    else yield* decodeBlock({ input, read: at, end, frameStart }, header, output);
    if (header.hasBlockChecksum && (yield* xxh32Steps(input, at, end)) !== word(input, end))
      throw malformed("block checksum");
    at = end + (header.hasBlockChecksum ? 4 : 0);
    yield;
  }
  if (header.contentBytes > 0 && output.length !== expected) throw malformed("content size");
  if (!header.hasContentChecksum) return at;
  const hash = yield* xxh32Steps(output.bytes, frameStart, output.length);
  if (hash !== word(input, at)) throw malformed("content checksum");
  return at + 4;
}

function readHeader(input: Buffer, start: number): FrameHeader {
  if (start + 3 > input.length) throw malformed("frame header");
  const flags = input[start]!;
  const sizeCode = (input[start + 1]! >> 4) & 7;
  if (flags >> 6 !== 1 || sizeCode < 4) throw malformed("frame header");
  const hasDictionary = (flags & 1) !== 0;
  if (hasDictionary) throw malformed("needs a dictionary");
  const hasContentSize = (flags & 8) !== 0;
  const check = start + 2 + (hasContentSize ? 8 : 0);
  if (check >= input.length) throw malformed("frame header");
  if (((xxh32(input, start, check) >>> 8) & 255) !== input[check])
    throw malformed("header checksum");
  return {
    end: check + 1,
    blockBytes: 1 << (8 + 2 * sizeCode),
    contentBytes: hasContentSize ? Number(input.readBigUInt64LE(start + 2)) : 0,
    hasBlockChecksum: (flags & 16) !== 0,
    hasContentChecksum: (flags & 4) !== 0,
  };
}

function* store(bytes: Uint8Array, output: DecodedOutput, expected: number): Generator<void, void> {
  yield* output.grow(bytes.length, expected);
  output.add(bytes);
}

/** A block being decoded: the next byte to read, its end; nothing is copied from before the frame. */
interface Block {
  readonly input: Buffer;
  read: number;
  readonly end: number;
  readonly frameStart: number;
}

function* decodeBlock(
  block: Block,
  header: FrameHeader,
  output: DecodedOutput,
): Generator<void, void> {
  // A byte of a length stands for 255 bytes of output at most.
  const bound = Math.min(header.blockBytes, (block.end - block.read) * 256);
  const room = Math.min(bound, output.maxBytes - output.length);
  yield* output.grow(room, block.frameStart + header.contentBytes);
  const limit = output.length + bound;
  while (block.read < block.end) {
    decodeSequences(block, output, limit);
    yield;
  }
}

/** Decodes whole sequences until a step is done or the block at its end. */
function decodeSequences(block: Block, output: DecodedOutput, limit: number): void {
  const { input, end, frameStart } = block;
  const out = output.bytes;
  let p = block.read;
  let at = output.length;
  const until = at + stepBytes;
  while (p < end && at < until) {
    const token = input[p++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (p >= end) throw malformed("literal length");
        more = input[p++]!;
      }
    }
    if (p + literals > end || at + literals > limit) throw malformed("literals");
    output.check(at + literals);
    // A call of `set` costs more than a short loop.
    if (literals > 64) out.set(input.subarray(p, p + literals), at);
    else for (let i = 0; i < literals; i++) out[at + i] = input[p + i]!;
    p += literals;
    at += literals;
    if (p === end) break;
    if (p + 2 > end) throw malformed("offset");
    const offset = input[p]! | (input[p + 1]! << 8);
    p += 2;
    let length = (token & 15) + 4;
    if (length === 19) {
      for (let more = 255; more === 255; length += more) {
        if (p >= end) throw malformed("match length");
        more = input[p++]!;
      }
    }
    if (offset === 0 || at - offset < frameStart || at + length > limit) throw malformed("match");
    output.check(at + length);
    // Byte by byte: source and target may overlap, which repeats a pattern.
    for (const stop = at + length; at < stop; at++) out[at] = out[at - offset]!;
  }
  block.read = p;
  output.length = at;
}

function word(input: Buffer, at: number): number {
  if (at + 4 > input.length) throw malformed("end of input");
  return input.readUInt32LE(at);
}
