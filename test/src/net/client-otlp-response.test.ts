import { expect, test } from "@jest/globals";
import { assert, property, uint8Array } from "fast-check";
import { decodePartialSuccess, parsePartialSuccess } from "../../../src/net/otlp-response.ts";

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
