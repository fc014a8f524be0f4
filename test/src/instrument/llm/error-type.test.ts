import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { errorTypeOf, errorTypeOfStatus } from "../../../../src/instrument/llm/error-type.ts";

const all = [
  "rate_limit",
  "quota",
  "overloaded",
  "server_error",
  "timeout",
  "aborted",
  "connection",
  "authentication",
  "permission",
  "not_found",
  "invalid_request",
  "context_length",
  "content_filter",
  "invalid_response",
  "_OTHER",
];

describe("the kind of an error", () => {
  test.each([
    [400, "invalid_request"],
    [401, "authentication"],
    [402, "quota"],
    [403, "permission"],
    [404, "not_found"],
    [408, "timeout"],
    [409, "_OTHER"],
    [413, "invalid_request"],
    [429, "rate_limit"],
    [499, "aborted"],
    [500, "server_error"],
    [503, "overloaded"],
    [529, "overloaded"],
  ])("status %d is %s", (status, type) => {
    expect(errorTypeOfStatus(status)).toBe(type);
    expect(errorTypeOf({ status })).toBe(type);
    expect(errorTypeOf({ statusCode: status })).toBe(type);
    expect(errorTypeOf(String(status))).toBe(type);
  });

  test.each([
    [
      "a code says more than the status",
      { status: 400, code: "context_length_exceeded" },
      "context_length",
    ],
    ["in the body", { status: 429, error: { error: { type: "billing_error" } } }, "quota"],
    [
      "a status more than a general code",
      { status: 404, type: "invalid_request_error" },
      "not_found",
    ],
    ["an aborted fetch", new DOMException("x", "AbortError"), "aborted"],
    ["AbortSignal.timeout", new DOMException("x", "TimeoutError"), "timeout"],
    [
      "a refused connection",
      new TypeError("fetch failed", { cause: { code: "ECONNREFUSED" } }),
      "connection",
    ],
    [
      "a slow connection",
      new TypeError("fetch failed", { cause: { code: "UND_ERR_CONNECT_TIMEOUT" } }),
      "timeout",
    ],
    ["a body that breaks off", new TypeError("terminated"), "connection"],
    ["a client whose names were shortened", new Error("Request timed out."), "timeout"],
    ["broken JSON", new SyntaxError("x"), "invalid_response"],
    [
      "the last of several attempts",
      { name: "AI_RetryError", lastError: { statusCode: 429 } },
      "rate_limit",
    ],
    ["a text that is none of the kinds", "MARKER", "_OTHER"],
    ["any other error", new RangeError("MARKER"), "_OTHER"],
    ["nothing", undefined, "_OTHER"],
  ])("%s", (_, error, type) => expect(errorTypeOf(error)).toBe(type));

  test("causes that go in circles, and errors that throw when they are read", () => {
    const circle = new Error("x") as Error & { cause: unknown };
    circle.cause = circle;
    expect(errorTypeOf(circle)).toBe("_OTHER");
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error("no");
        },
      },
    );
    expect(errorTypeOf(hostile)).toBe("_OTHER");
  });

  test("is one of fifteen, whatever is thrown", () => {
    expect(new Set(all).size).toBe(15);
    fc.assert(fc.property(fc.anything(), (error) => expect(all).toContain(errorTypeOf(error))));
  });
});
