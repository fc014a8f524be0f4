import { expect, test } from "@jest/globals";
import { assert, integer, property, uint8Array } from "fast-check";
import { equalBytes, hashBytes } from "../../../../src/pdata/series/hash.ts";

/** The bytes behind `shift` others. */
function viewAt(bytes: Uint8Array, shift: number): DataView {
  const buffer = new ArrayBuffer(shift + bytes.length);
  new Uint8Array(buffer).set(bytes, shift);
  return new DataView(buffer);
}

const bytesOf = uint8Array({ maxLength: 60 });
const shiftOf = integer({ min: 0, max: 9 });

test("equal bytes are equal and hash equally, wherever they lie", () => {
  assert(
    property(bytesOf, shiftOf, shiftOf, (bytes, a, b) => {
      const [one, other] = [viewAt(bytes, a), viewAt(bytes, b)];
      expect(equalBytes(one, a, other, b, bytes.length)).toBe(true);
      expect(hashBytes(one, a, a + bytes.length)).toBe(hashBytes(other, b, b + bytes.length));
    }),
  );
});

test("one byte that differs, anywhere, is seen", () => {
  const missed: string[] = [];
  for (let length = 1; length <= 40; length++) {
    for (let at = 0; at < length; at++) {
      for (const bit of [1, 128]) {
        const bytes = Uint8Array.from({ length }, (_, i) => i);
        const changed = Uint8Array.from(bytes);
        changed[at]! ^= bit;
        const isEqual = equalBytes(viewAt(bytes, 3), 3, viewAt(changed, 5), 5, length);
        if (isEqual) missed.push(`byte ${at} of ${length}`);
      }
    }
  }
  expect(missed).toEqual([]);
});

/** The word whose mixing by MurmurHash3's own factors gives `mixed`. */
function wordFor(mixed: number): number {
  const rotated = Math.imul(mixed, inverse(0x1b873593));
  return Math.imul((rotated << 17) | (rotated >>> 15), inverse(0xcc9e2d51 | 0));
}

function inverse(odd: number): number {
  let x = odd;
  for (let i = 0; i < 5; i++) x = Math.imul(x, 2 - Math.imul(odd, x));
  return x;
}

test("words that cancel each other out in MurmurHash3, whatever its seed, do not here", () => {
  // A difference in bit 18 is one in bit 31 after the first word, and the second word's takes it back.
  const pairs = [
    [wordFor(5), wordFor(9)],
    [wordFor(5 ^ (1 << 18)), wordFor(9 ^ (1 << 31))],
  ] as const;
  const hashes = new Set<number>();
  for (let n = 0; n < 256; n++) {
    const view = new DataView(new ArrayBuffer(64));
    for (let i = 0; i < 8; i++) {
      const [first, second] = pairs[(n >> i) & 1]!;
      view.setInt32(i * 8, first, true);
      view.setInt32(i * 8 + 4, second, true);
    }
    hashes.add(hashBytes(view, 0, 64));
  }
  expect(hashes.size).toBeGreaterThan(250);
});
