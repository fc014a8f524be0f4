import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { concat, halveAtSeams, splitAtSeams } from "../../../src/pdata/concat.ts";
import { createPayload, type Payload } from "../../../src/pdata/payload.ts";

const smallBytes = 16 * 1024;

/** Parts that are views of a few buffers, as receivers and operations leave them; a part is named by its bytes. */
const request = fc
  .array(fc.record({ buffer: fc.nat(2), length: fc.nat(9000) }), { minLength: 1, maxLength: 4 })
  .map((views) => {
    const used = [0, 0, 0];
    const buffers = used.map(() => Buffer.allocUnsafeSlow(40_000));
    const parts = views.map(({ buffer, length }, i) => {
      const start = used[buffer]!;
      used[buffer] = start + length;
      return buffers[buffer]!.subarray(start, start + length).fill(i + length);
    });
    return createPayload(
      "logs",
      parts,
      parts.map((part) => part.length % 7),
    );
  });

const textOf = ({ parts, partItems }: Payload) =>
  parts.map((part, i) => `${partItems[i]} ${Buffer.from(part).toString("base64")}`);

/** Sums, bounds and seams are as they should be. */
function check(payload: Payload): void {
  const { parts, partItems, seams, byteLength, heldBytes } = payload;
  const buffers = new Set(parts.map((part) => part.buffer));
  const reallyHeld = [...buffers].reduce((sum, { byteLength: size }) => sum + size, 0);
  expect(byteLength).toBe(parts.reduce((sum, part) => sum + part.length, 0));
  expect(payload.itemCount).toBe(partItems.reduce((a, b) => a + b, 0));
  expect(heldBytes).toBeGreaterThanOrEqual(reallyHeld);
  expect(heldBytes).toBeLessThanOrEqual(Math.max(smallBytes, 2 * byteLength));
  expect([...seams]).toEqual([...new Set(seams)].toSorted((a, b) => a - b));
  expect(seams[0]).toBe(parts.length === 0 ? undefined : 0);
  expect(seams.every((seam) => seam < parts.length)).toBe(true);
}

describe("parts", () => {
  test("are the same bytes, in at most twice as much memory", () => {
    fc.assert(
      fc.property(request, (payload) => {
        check(payload);
        expect([...payload.seams]).toEqual([0]);
      }),
      { numRuns: 50 },
    );
  });

  test("nothing is a payload too", () => {
    const none = createPayload("logs", [], []);
    check(none);
    expect(concat([none, none]).parts).toEqual([]);
    expect(splitAtSeams(none)).toEqual([none]);
    expect(halveAtSeams(none)).toBeUndefined();
  });
});

test("requests that were joined come apart again, one by one or by halves", () => {
  fc.assert(
    fc.property(fc.array(request, { minLength: 1, maxLength: 6 }), (requests) => {
      const joined = concat(requests);
      check(joined);
      expect(textOf(joined)).toEqual(requests.flatMap(textOf));
      const apart = splitAtSeams(joined);
      expect(apart.map(textOf)).toEqual(requests.map(textOf));
      expect(halves(joined).map(textOf)).toEqual(requests.map(textOf));
      // What was joined before stays apart too.
      expect(splitAtSeams(concat([joined, joined])).map(textOf)).toEqual(
        [...requests, ...requests].map(textOf),
      );
    }),
    { numRuns: 50 },
  );
});

/** Halved until there is one request in each. */
function halves(payload: Payload): Payload[] {
  check(payload);
  const two = halveAtSeams(payload);
  return two === undefined ? [payload] : two.flatMap(halves);
}
