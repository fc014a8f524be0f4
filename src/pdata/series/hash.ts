/**
 * Hash and comparison of byte ranges, four bytes at a step: both run once or less a data point, so they read
 * through a DataView, which V8 turns into plain loads.
 */
import { randomBytes } from "node:crypto";

/** Chosen anew in each process, so that a sender cannot choose attributes that collide. */
const processSeed = randomBytes(4).readInt32LE();

/** 32-bit hash (MurmurHash3's mixing) of [start, end), continued from `before`. */
export function hashBytes(view: DataView, start: number, end: number, before = 0): number {
  let h = (before ^ processSeed) | 0;
  let p = start | 0;
  for (; p + 4 <= end; p += 4) h = mix(h, view.getInt32(p, true));
  let rest = end - p;
  while (rest > 0) {
    h = mix(h, view.getUint8(p++) | (rest << 8));
    rest--;
  }
  h ^= end - start;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function mix(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
  h ^= k;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** Whether `length` bytes at a of one view equal those at b of the other. */
export function equalBytes(
  one: DataView,
  a: number,
  other: DataView,
  b: number,
  length: number,
): boolean {
  let i = 0;
  // Sixteen bytes a branch: 50 ns for 175 bytes instead of 70; byte by byte it is 110, Buffer.compare 102.
  for (const end = length & ~15; i < end; i = (i + 16) | 0) {
    const p = (a + i) | 0;
    const q = (b + i) | 0;
    const difference =
      (one.getInt32(p, true) ^ other.getInt32(q, true)) |
      (one.getInt32((p + 4) | 0, true) ^ other.getInt32((q + 4) | 0, true)) |
      (one.getInt32((p + 8) | 0, true) ^ other.getInt32((q + 8) | 0, true)) |
      (one.getInt32((p + 12) | 0, true) ^ other.getInt32((q + 12) | 0, true));
    if (difference !== 0) return false;
  }
  for (const end = length & ~3; i < end; i = (i + 4) | 0) {
    if (one.getInt32((a + i) | 0, true) !== other.getInt32((b + i) | 0, true)) return false;
  }
  for (; i < length; i = (i + 1) | 0) {
    if (one.getUint8((a + i) | 0) !== other.getUint8((b + i) | 0)) return false;
  }
  return true;
}
