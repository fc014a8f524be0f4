import { describe, expect, test } from "@jest/globals";
import { assert, property, uint8Array } from "fast-check";
import {
  decodePartialSuccess,
  parsePartialSuccess,
  readStatus,
} from "../../../src/net/otlp-response.ts";
import { encodeStatus } from "../../../src/net/rpc-status.ts";

test.each([
  ["", {}],
  ["0a00", {}],
  ["0a020803", { rejectedItems: 3, message: "" }],
  ["0a0712056572726f72", { rejectedItems: 0, message: "error" }],
  ["0a0408031201", {}],
  ["0a0b08ffffffffffffffffff01", {}],
  ["0a03089001", { rejectedItems: 144, message: "" }],
  ["120100 0a020803", { rejectedItems: 3, message: "" }],
  ["190102030405060708 0a020803", { rejectedItems: 3, message: "" }],
  ["0d01020304 0a020803", { rejectedItems: 3, message: "" }],
  ["0b", {}],
  ["0aff", {}],
  ["0affffffff0f", {}],
  ["ffffffffffffffffffffffff", {}],
])("binary %s", (hex, result) => {
  expect(decodePartialSuccess(Buffer.from(hex.replaceAll(" ", ""), "hex"))).toEqual(result);
});

test("no bytes make it fail or hang", () => {
  assert(
    property(uint8Array({ maxLength: 64 }), (bytes) => {
      expect(typeof decodePartialSuccess(bytes)).toBe("object");
      expect(typeof parsePartialSuccess(bytes)).toBe("object");
    }),
  );
});

test("the message of a backend is cut to 4096 characters", () => {
  const body = JSON.stringify({ partialSuccess: { errorMessage: "x".repeat(9000) } });
  expect(parsePartialSuccess(Buffer.from(body)).message).toHaveLength(4096);
});

test.each([
  "null",
  "[]",
  "3",
  '{"partialSuccess":null}',
  '{"partialSuccess":{"rejectedSpans":"many"}}',
])("JSON %s says nothing", (text) => {
  expect(parsePartialSuccess(Buffer.from(text))).toEqual({});
});

describe("readStatus", () => {
  test("reads message and delay", () => {
    const status = { code: 8, message: "slow", retryAfterMs: 1500 };
    expect(readStatus(encodeStatus(status))).toEqual(status);
  });

  test.each([
    "ff".repeat(11),
    "0aff",
    "0affffffff0f",
    "1aff",
    "1a0412ffffff",
    "1a0212ff",
    "9280808080010212ff",
  ])("bytes that are no status are told from one: %s", (hex) => {
    expect(readStatus(Buffer.from(hex, "hex"))).toBeUndefined();
  });

  test("no bytes make it fail or hang", () => {
    assert(
      property(uint8Array({ maxLength: 64 }), (bytes) => {
        const nested = Buffer.concat([Buffer.from([0x1a, bytes.length]), bytes]);
        for (const candidate of [bytes, nested]) {
          expect(["object", "undefined"]).toContain(typeof readStatus(candidate));
        }
      }),
      { numRuns: 2000 },
    );
  });
});
