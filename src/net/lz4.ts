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
import { xxh32 } from "./xxh32.ts";

const magic = 0x184d2204;
const skippableMagic = 0x184d2a50;

const malformed = (cause: string) =>
  new TelemetryError("MALFORMED_DATA", `lz4: corrupt input (${cause})`);

/** The output: grows block by block, after `admit` was asked for the new capacity. */
class Output {
  bytes: Buffer = Buffer.alloc(0);
  length = 0;
  readonly #admit: (bytes: number) => void;

  constructor(admit: (bytes: number) => void) {
    this.#admit = admit;
  }

  reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    this.#admit(needed);
    const larger = Buffer.allocUnsafeSlow(
      Math.max(needed, Math.min(this.bytes.length * 2, needed * 2)),
    );
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}

interface FrameHeader {
  readonly end: number;
  readonly blockBytes: number;
  readonly hasBlockChecksum: boolean;
  readonly hasContentChecksum: boolean;
}

/** Decodes in steps of a block. `admit` is asked for the output's size before it grows, and throws to refuse. */
export function* lz4Steps(
  bytes: Uint8Array,
  admit: (bytes: number) => void,
): Generator<void, Uint8Array> {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const output = new Output(admit);
  let at = 0;
  if (input.length === 0) throw malformed("no frame");
  while (at < input.length) {
    const kind = word(input, at);
    if ((kind & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + word(input, at + 4);
      if (at > input.length) throw malformed("skippable frame");
      continue;
    }
    if (kind !== magic) throw malformed("magic number");
    at = yield* decodeFrame(input, at + 4, output);
  }
  return output.bytes.subarray(0, output.length);
}

function* decodeFrame(input: Buffer, start: number, output: Output): Generator<void, number> {
  const header = readHeader(input, start);
  const frameStart = output.length;
  let at = header.end;
  for (;;) {
    const size = word(input, at);
    at += 4;
    if (size === 0) break;
    const end = at + (size & 0x7fffffff);
    if ((size & 0x7fffffff) > header.blockBytes || end > input.length)
      throw malformed("block size");
    output.reserve(header.blockBytes);
    if (size >>> 31 === 1) store(input, at, end, output);
    else decodeBlock(input, at, end, output, output.length + header.blockBytes, frameStart);
    if (header.hasBlockChecksum && xxh32(input, at, end) !== word(input, end))
      throw malformed("block checksum");
    at = end + (header.hasBlockChecksum ? 4 : 0);
    yield;
  }
  if (!header.hasContentChecksum) return at;
  if (xxh32(output.bytes, frameStart, output.length) !== word(input, at))
    throw malformed("content checksum");
  return at + 4;
}

function readHeader(input: Buffer, start: number): FrameHeader {
  if (start + 3 > input.length) throw malformed("frame header");
  const flags = input[start]!;
  const sizeCode = (input[start + 1]! >> 4) & 7;
  if (flags >> 6 !== 1 || sizeCode < 4) throw malformed("frame header");
  const hasDictionary = (flags & 1) !== 0;
  if (hasDictionary) throw malformed("needs a dictionary");
  const check = start + 2 + ((flags & 8) === 0 ? 0 : 8);
  if (check >= input.length) throw malformed("frame header");
  if (((xxh32(input, start, check) >>> 8) & 255) !== input[check])
    throw malformed("header checksum");
  return {
    end: check + 1,
    blockBytes: 1 << (8 + 2 * sizeCode),
    hasBlockChecksum: (flags & 16) !== 0,
    hasContentChecksum: (flags & 4) !== 0,
  };
}

function store(input: Buffer, start: number, end: number, output: Output): void {
  output.bytes.set(input.subarray(start, end), output.length);
  output.length += end - start;
}

/** Decodes one block; nothing is written at or beyond `limit`, nothing is copied from before `floor`. */
function decodeBlock(
  input: Buffer,
  start: number,
  end: number,
  output: Output,
  limit: number,
  floor: number,
): void {
  const out = output.bytes;
  let at = output.length;
  let p = start;
  while (p < end) {
    const token = input[p++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (p >= end) throw malformed("literal length");
        more = input[p++]!;
      }
    }
    if (p + literals > end || at + literals > limit) throw malformed("literals");
    out.set(input.subarray(p, p + literals), at);
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
    if (offset === 0 || at - offset < floor || at + length > limit) throw malformed("match");
    // Byte by byte: source and target may overlap, which repeats a pattern.
    for (const stop = at + length; at < stop; at++) out[at] = out[at - offset]!;
  }
  output.length = at;
}

function word(input: Buffer, at: number): number {
  if (at + 4 > input.length) throw malformed("end of input");
  return input.readUInt32LE(at);
}
