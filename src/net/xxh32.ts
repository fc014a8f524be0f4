/** XXH32 with seed 0 (Cyan4973/xxHash, doc/xxhash_spec.md): the checksum of the LZ4 frame format. */
import { runSteps } from "../pdata/json/slices.ts";

const p1 = 0x9e3779b1;
const p2 = 0x85ebca77;
const p3 = 0xc2b2ae3d;
const p4 = 0x27d4eb2f;
const p5 = 0x165667b1;

const rotate = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits));
const lane = (b: Uint8Array, i: number) =>
  b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24);
const round = (sum: number, input: number) =>
  Math.imul(rotate((sum + Math.imul(input, p2)) | 0, 13), p1);

/** Bytes between two steps: about 1 ms. */
const stepBytes = 1 << 20;

/** The hash of bytes [start, end), unsigned, computed in steps (for long runs). */
export function* xxh32Steps(
  bytes: Uint8Array,
  start: number,
  end: number,
): Generator<void, number> {
  let p = start;
  let hash = p5;
  if (end - start >= 16) {
    let a = (p1 + p2) | 0;
    let b = p2;
    let c = 0;
    let d = -p1 | 0;
    const last = end - 16;
    while (p <= last) {
      for (const stop = Math.min(last, p + stepBytes); p <= stop; p += 16) {
        a = round(a, lane(bytes, p));
        b = round(b, lane(bytes, p + 4));
        c = round(c, lane(bytes, p + 8));
        d = round(d, lane(bytes, p + 12));
      }
      yield;
    }
    hash = (rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18)) | 0;
  }
  hash = (hash + (end - start)) | 0;
  for (; p + 4 <= end; p += 4)
    hash = Math.imul(rotate((hash + Math.imul(lane(bytes, p), p3)) | 0, 17), p4);
  for (; p < end; p++) hash = Math.imul(rotate((hash + Math.imul(bytes[p]!, p5)) | 0, 11), p1);
  hash = Math.imul(hash ^ (hash >>> 15), p2);
  hash = Math.imul(hash ^ (hash >>> 13), p3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The same in one go, for short runs. */
export const xxh32 = (bytes: Uint8Array, start: number, end: number): number =>
  runSteps(xxh32Steps(bytes, start, end));
