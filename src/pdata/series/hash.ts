/**
 * Hash and comparison of byte ranges, four bytes at a step: both run once or less a data point, so they read
 * through a DataView, which V8 turns into plain loads.
 */
import { randomBytes } from "../../node-crypto.ts";

/**
 * Chosen anew in each process, so that a sender cannot choose attributes that collide. The factors too: with known
 * ones, words can be chosen that cancel each other out whatever the seed is (Aumasson and Bernstein, 2012).
 */
const secrets = randomBytes(12);
const processSeed = secrets.readInt32LE(0);
const firstFactor = secrets.readInt32LE(4) | 1;
const secondFactor = secrets.readInt32LE(8) | 1;

/** 32-bit hash (MurmurHash3's mixing, with factors of its own) of [start, end), continued from `before`. */
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
  let k = Math.imul(word, firstFactor);
  k = Math.imul((k << 15) | (k >>> 17), secondFactor);
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
  if (length < 8) return equalShort(one, a, other, b, length);
  // 64 bits at a time (compiled code makes no BigInt of them): 24 ns for 200 bytes instead of 45 by four times 32
  // bits; byte by byte it is 110, Buffer.compare 102. The last word overlaps the one before.
  const last = (length - 8) | 0;
  for (let i = 0; i < last; i = (i + 8) | 0) {
    if (one.getBigInt64((a + i) | 0, true) !== other.getBigInt64((b + i) | 0, true)) return false;
  }
  return one.getBigInt64((a + last) | 0, true) === other.getBigInt64((b + last) | 0, true);
}

function equalShort(one: DataView, a: number, other: DataView, b: number, length: number): boolean {
  for (let i = 0; i < length; i = (i + 1) | 0) {
    if (one.getUint8((a + i) | 0) !== other.getUint8((b + i) | 0)) return false;
  }
  return true;
}
