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
