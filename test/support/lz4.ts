/** LZ4 frames for tests (lz4_Frame_format.md), blocks stored as they are. */
import { xxh32 } from "../../src/net/xxh32.ts";

const blockBytes = 64 * 1024;

interface Options {
  /** Of blocks and content. */
  readonly checksums?: boolean;
  /** The content's size stands in the header. */
  readonly announce?: boolean;
}

export function lz4Frame(content: Uint8Array, { checksums, announce }: Options = {}): Buffer {
  const flags = 0x60 | (checksums === true ? 0x14 : 0) | (announce === true ? 8 : 0);
  const size = Buffer.alloc(announce === true ? 8 : 0);
  if (announce === true) size.writeBigUInt64LE(BigInt(content.length));
  const descriptor = Buffer.concat([Buffer.from([flags, 0x40]), size]);
  const check = (xxh32(descriptor, 0, descriptor.length) >>> 8) & 255;
  const parts: Uint8Array[] = [Buffer.from("04224d18", "hex"), descriptor, Buffer.from([check])];
  for (let at = 0; at < content.length; at += blockBytes) {
    const block = content.subarray(at, at + blockBytes);
    parts.push(word((block.length | 0x80000000) >>> 0), block);
    if (checksums === true) parts.push(word(xxh32(block, 0, block.length)));
  }
  parts.push(word(0));
  if (checksums === true) parts.push(word(xxh32(content, 0, content.length)));
  return Buffer.concat(parts);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
