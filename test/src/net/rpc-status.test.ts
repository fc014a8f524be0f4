import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { decodeStatus, encodeStatus } from "../../../src/net/rpc-status.ts";

test("a status comes back", () => {
  const status = { code: 14, message: "größe", retryAfterMs: 1500 };
  expect(decodeStatus(encodeStatus(status))).toEqual(status);
});

test("whatever bytes a backend sends end in a status or a RangeError", () => {
  const good = encodeStatus({ code: 14, message: "later", retryAfterMs: 1500 });
  const cut = fc.nat({ max: good.length }).map((end) => good.subarray(0, end));
  // Varints whose end is missing are the dangerous ones: a reader may look for it for ever.
  const endless = fc
    .array(fc.constantFrom(0x08, 0x12, 0x1a, 0x7f, 0x80, 0xff), { maxLength: 30 })
    .map((bytes) => Uint8Array.from(bytes));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), cut, endless), (bytes) => {
      let error: unknown;
      try {
        decodeStatus(bytes);
      } catch (thrown) {
        error = thrown;
      }
      expect(error === undefined || error instanceof RangeError).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
