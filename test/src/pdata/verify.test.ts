import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { logs, repeatMetrics, spans, testbedMetrics } from "../../../bench/shapes.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { countItems } from "../../../src/pdata/count.ts";
import { requestMessages } from "../../../src/pdata/otlp-schema.ts";
import { type Signal, signals } from "../../../src/pdata/payload.ts";
import { verify, verifyAndNormalise } from "../../../src/pdata/verify.ts";
import { messageIndex } from "../../../src/pdata/verify-table.ts";
import { emptyTally, walkMessage } from "../../../src/pdata/verify-walker.ts";
import { countForeign, decodeForeign } from "../../support/otlp-proto.ts";
import { lengthDelimited as ld, randomRequest, tag, varint } from "../../support/otlp-random.ts";

const bytes = (...parts: (Uint8Array | number[] | number)[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === "number" ? Buffer.from([part]) : Buffer.from(part))),
  );

/** A request around the fields of one span, record or metric. */
const around = (...fields: (Uint8Array | number[] | number)[]) =>
  ld(1, ld(2, ld(2, bytes(...fields))));
/** A request around the fields of one gauge point. */
const point = (...fields: (Uint8Array | number[] | number)[]) =>
  around(ld(5, ld(1, bytes(...fields))));

const ten = (last: number) => [...Array.from({ length: 9 }, () => 0x80), last];

/** Both halves must say the same: the loop with its asides, and the walker alone. */
function both(signal: Signal, request: Uint8Array): number {
  const items = verify(signal, request);
  const tally = emptyTally();
  const root = messageIndex(requestMessages[signal]);
  walkMessage(request, 0, request.length, { message: root, depth: -1 }, tally);
  expect(tally.items).toBe(items);
  expect(countItems(signal, request)).toBe(items);
  return items;
}

/** The number of items, or the code of the refusal. */
function verdict(signal: Signal, request: Uint8Array): number | string {
  try {
    return verify(signal, request);
  } catch (error) {
    if (error instanceof TelemetryError) return error.code;
    throw error;
  }
}

function refusal(signal: Signal, request: Uint8Array): TelemetryError {
  try {
    verify(signal, request);
  } catch (error) {
    if (error instanceof TelemetryError) return error;
    throw error;
  }
  throw new Error("accepted");
}

describe("what the Collector accepts", () => {
  const accepted: [string, Signal, Uint8Array, number][] = [
    ["an empty request", "traces", bytes(), 0],
    ["an empty resource container", "logs", ld(1, bytes()), 0],
    ["an empty span", "traces", around(), 1],
    ["an empty attribute", "traces", around(ld(9, bytes())), 1],
    ["an attribute with an empty value", "traces", around(ld(9, ld(2, bytes()))), 1],
    ["a metric without data", "metrics", around(ld(1, bytes(0x61))), 0],
    [
      "an unknown field of each wire type",
      "logs",
      around(
        tag(99, 0),
        varint(5n),
        tag(98, 1),
        bytes([1, 2, 3, 4, 5, 6, 7, 8]),
        ld(97, bytes(1)),
        tag(96, 5),
        [1, 2, 3, 4],
      ),
      1,
    ],
    ["an unknown field at the top", "logs", bytes(ld(77, bytes(1, 2)), around()), 1],
    ["the largest field number", "logs", around(ld(536_870_911, bytes(1))), 1],
    ["an overlong tag", "traces", around([0x92, 0x80, 0x00], [0x08, 1, 2, 3, 4, 5, 6, 7, 8]), 1],
    [
      "a tag of ten bytes",
      "traces",
      around([0xaa, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], [1, 0x61]),
      1,
    ],
    ["an overlong length", "traces", around(0x2a, [0x81, 0x80, 0x00], 0x61), 1],
    ["a length of ten bytes", "traces", around(0x2a, [0x81, ...ten(0).slice(1)], 0x61), 1],
    [
      "a length whose bits above 64 are set",
      "traces",
      around(0x2a, [0x81, ...ten(0x7e).slice(1)], 0x61),
      1,
    ],
    [
      "an overlong length of a container",
      "traces",
      bytes(0x0a, [0x80, 0x80, 0x80, 0x80, 0x80, 0x00]),
      0,
    ],
    ["a varint of ten bytes", "traces", around(0x30, ten(1)), 1],
    ["an unknown enum value", "traces", around(0x30, varint(77n)), 1],
    ["invalid UTF-8", "traces", around(ld(5, bytes(0xff, 0xfe))), 1],
    [
      "ids of 16 and 8 bytes",
      "traces",
      around(ld(1, Buffer.alloc(16)), ld(2, Buffer.alloc(8)), ld(4, Buffer.alloc(8))),
      1,
    ],
    ["empty ids", "traces", around(ld(1, bytes()), ld(2, bytes())), 1],
    ["span flags", "traces", around(0x85, 0x01, [1, 1, 0, 0]), 1],
    ["bucket counts packed", "metrics", around(ld(9, ld(1, ld(6, Buffer.alloc(24))))), 1],
    [
      "bucket counts unpacked",
      "metrics",
      around(ld(9, ld(1, bytes(tag(6, 1), Buffer.alloc(8), tag(6, 1), Buffer.alloc(8))))),
      1,
    ],
    [
      "packed varints",
      "metrics",
      around(ld(10, ld(1, ld(8, ld(2, bytes(1, 0x80, 0x01, ten(1))))))),
      1,
    ],
    [
      "unpacked varints",
      "metrics",
      around(ld(10, ld(1, ld(8, bytes(0x10, 0x80, 0x01, 0x10, 7))))),
      1,
    ],
    [
      "an integer attribute of ten bytes",
      "traces",
      around(ld(9, bytes(ld(1, bytes(0x61)), ld(2, bytes(0x18, varint(-1n)))))),
      1,
    ],
    [
      "a boolean attribute, overlong",
      "traces",
      around(ld(9, bytes(ld(1, bytes(0x61)), ld(2, bytes(0x10, 0x81, 0x00))))),
      1,
    ],
  ];
  test.each(accepted)("%s", (_name, signal, request, items) => {
    expect(both(signal, request)).toBe(items);
  });
});

describe("what the Collector refuses", () => {
  const refused: [string, Signal, Uint8Array, RegExp][] = [
    ["half a field", "traces", bytes(0x0a), /unexpected EOF/],
    ["a length past the request", "traces", bytes(0x0a, 5, 1), /unexpected EOF \(at byte 1/],
    ["a length past its message", "traces", ld(1, ld(2, bytes(0x12, 5, 1))), /unexpected EOF/],
    ["a negative length", "traces", around(0x2a, ten(1)), /negative length/],
    ["a fixed64 past its message", "logs", around(0x09, 1, 2, 3), /unexpected EOF/],
    ["a fixed32 past its message", "logs", around(tag(8, 5), 1, 2), /unexpected EOF/],
    [
      "a varint of eleven bytes",
      "traces",
      around(
        0x30,
        Array.from({ length: 10 }, () => 0x80),
        1,
      ),
      /integer overflow/,
    ],
    ["a varint past its message", "traces", around(0x30, 0x80), /unexpected EOF/],
    ["wire type 6", "traces", around(tag(99, 6), 1), /illegal wireType 6/],
    [
      "wire type 7 on a known field",
      "metrics",
      around(tag(1, 7), 1),
      /proto: wrong wireType = 7 for field Name/,
    ],
    ["a group", "logs", around(tag(99, 3), tag(99, 4)), /illegal wireType 3/],
    ["the end of a group", "logs", around(tag(99, 4), 0), /illegal wireType 4/],
    [
      "a wrong wire type on a known field",
      "metrics",
      around(0x08, 1),
      /proto: wrong wireType = 0 for field Name \(at byte 6 in Metric\)/,
    ],
    [
      "a wrong wire type at the top",
      "metrics",
      bytes(0x08, 1),
      /wrong wireType = 0 for field ResourceMetrics/,
    ],
    [
      "a wrong wire type on span flags",
      "traces",
      around(tag(16, 0), 1),
      /wrong wireType = 0 for field Flags/,
    ],
    ["field number 0", "logs", around(0x02, 0), /illegal field=0 \(tag=2/],
    [
      "a tag of more than 32 bits",
      "logs",
      around([0x8a, 0x80, 0x80, 0x80, 0x10], 0),
      /more than 32 bits/,
    ],
    [
      "a tag of eleven bytes",
      "logs",
      around([0x8a, ...Array.from({ length: 9 }, () => 0x80), 0], 0),
      /integer overflow/,
    ],
    ["a trace id of 15 bytes", "traces", around(ld(1, Buffer.alloc(15))), /invalid TraceID length/],
    ["a span id of 16 bytes", "traces", around(ld(2, Buffer.alloc(16))), /invalid SpanID length/],
    [
      "a trace id of 17 bytes in a link",
      "traces",
      around(ld(13, ld(1, Buffer.alloc(17)))),
      /invalid TraceID length/,
    ],
    [
      "a span id of 1 byte in an exemplar",
      "metrics",
      point(ld(5, ld(4, bytes(1)))),
      /invalid SpanID length/,
    ],
    [
      "bucket counts not divisible by 8",
      "metrics",
      around(ld(9, ld(1, ld(6, Buffer.alloc(12))))),
      /invalid field len = 4 for field BucketCounts/,
    ],
    [
      "a packed varint that does not end",
      "metrics",
      around(ld(10, ld(1, ld(8, ld(2, bytes(1, 0x80)))))),
      /unexpected EOF/,
    ],
    [
      "a packed varint of eleven bytes",
      "metrics",
      around(
        ld(
          10,
          ld(
            1,
            ld(
              8,
              ld(
                2,
                bytes(
                  Array.from({ length: 10 }, () => 0x80),
                  1,
                ),
              ),
            ),
          ),
        ),
      ),
      /integer overflow/,
    ],
    [
      "an attribute whose string ends too late",
      "traces",
      around(ld(9, bytes(0x0a, 1, 0x61, 0x12, 3, 0x0a, 5, 0x62))),
      /unexpected EOF/,
    ],
    [
      "an attribute whose string ends too early",
      "traces",
      around(ld(9, bytes(0x0a, 1, 0x61, 0x12, 4, 0x0a, 1, 0x62, 0x62))),
      /unexpected EOF/,
    ],
    [
      "an integer attribute of eleven bytes",
      "traces",
      around(
        ld(
          9,
          bytes(
            ld(1, bytes(0x61)),
            ld(
              2,
              bytes(
                0x18,
                Array.from({ length: 10 }, () => 0x80),
                1,
              ),
            ),
          ),
        ),
      ),
      /integer overflow/,
    ],
  ];
  test.each(refused)("%s", (_name, signal, request, text) => {
    const error = refusal(signal, request);
    expect(error.message).toMatch(text);
    expect(error).toMatchObject({ code: "MALFORMED_DATA", retryable: false });
  });
});

/** An attribute with `levels` array values inside each other. */
const nested = (levels: number) => {
  let value: Uint8Array = Buffer.alloc(0);
  for (let i = 0; i < levels; i++) value = ld(5, ld(1, value));
  return value;
};
const lists = (levels: number) => {
  let value: Uint8Array = Buffer.alloc(0);
  for (let i = 0; i < levels; i++) value = ld(6, ld(1, ld(2, value)));
  return value;
};
const viaUnknown = (levels: number) =>
  around(ld(5, bytes(ld(99, bytes(1)), nested(levels), ld(99, bytes(1)))));
const viaOverlongTag = (levels: number) => {
  const inner = ld(1, nested(levels));
  return around(ld(6, ld(2, bytes([0xaa, 0x00], varint(BigInt(inner.length)), inner))));
};

describe("nesting", () => {
  // KeyValue is depth 0, its AnyValue 1; each array adds 2, each key-value list 3. A body's AnyValue is depth 0.
  test.each([
    ["attribute, arrays", ld(6, ld(2, nested(49))), ld(6, ld(2, nested(50)))],
    ["body, arrays", ld(5, nested(49)), ld(5, nested(50))],
    ["attribute, lists", ld(6, ld(2, lists(32))), ld(6, ld(2, lists(33)))],
    ["body, lists", ld(5, lists(33)), ld(5, lists(34))],
  ])("%s: 99 levels below are accepted, 100 refused", (_name, deepest, tooDeep) => {
    expect(both("logs", around(deepest))).toBe(1);
    expect(refusal("logs", around(tooDeep)).message).toMatch(/exceeded max recursion depth/);
  });

  test("depth counts the same when an aside lies in between", () => {
    expect(both("logs", viaUnknown(49))).toBe(1);
    expect(refusal("logs", viaUnknown(50)).message).toMatch(/recursion/);
  });

  test("an overlong tag does not hide a level", () => {
    expect(both("logs", viaOverlongTag(48))).toBe(1);
    expect(refusal("logs", viaOverlongTag(49)).message).toMatch(/recursion/);
  });
});

describe("shapes with a second meaning", () => {
  const gauge = (points: number) =>
    ld(5, Buffer.concat(Array.from({ length: points }, () => ld(1, bytes()))));
  const sum = (points: number) =>
    ld(7, Buffer.concat(Array.from({ length: points }, () => ld(1, bytes()))));
  const scope = (count: number) =>
    Buffer.concat(Array.from({ length: count }, () => ld(2, bytes())));

  const irregular: [string, Signal, Uint8Array, number][] = [
    ["a second data member of another kind", "metrics", around(gauge(3), sum(2)), 2],
    ["a second data member of the same kind", "metrics", around(gauge(3), gauge(1)), 1],
    ["three data members", "metrics", around(gauge(3), sum(5), gauge(0)), 0],
    [
      "a second data member behind an overlong tag",
      "metrics",
      around(gauge(3), [0xba, 0x00, 2], ld(1, bytes())),
      1,
    ],
    ["the old scope list alone", "traces", ld(1, ld(1000, scope(3))), 3],
    [
      "the old scope list before the new one",
      "traces",
      ld(1, bytes(ld(1000, scope(3)), ld(2, scope(2)))),
      2,
    ],
    [
      "the old scope list behind the new one",
      "traces",
      ld(1, bytes(ld(2, scope(2)), ld(1000, scope(3)))),
      2,
    ],
    [
      "the old scope list twice, and an empty new one",
      "logs",
      ld(1, bytes(ld(1000, scope(3)), ld(1000, scope(1)), ld(2, bytes()))),
      0,
    ],
    [
      "the old scope list in one of two resources",
      "logs",
      bytes(ld(1, ld(1000, scope(3))), ld(1, ld(2, scope(2)))),
      5,
    ],
    [
      "a resource given twice",
      "traces",
      ld(1, bytes(ld(1, ld(1, bytes())), ld(2, scope(1)), ld(1, ld(1, bytes())))),
      1,
    ],
    [
      "a scope given twice",
      "traces",
      ld(1, ld(2, bytes(ld(1, bytes()), scope(2), ld(1, bytes())))),
      2,
    ],
  ];
  test.each(irregular)("%s: counted once, and normalised", (_name, signal, request, items) => {
    expect(both(signal, request)).toBe(items);
    const normal = verifyAndNormalise(signal, request);
    expect(normal.items).toBe(items);
    expect(normal.bytes).not.toBe(request);
    expect(verifyAndNormalise(signal, normal.bytes)).toEqual({ bytes: normal.bytes, items });
    expect(countForeign(signal, decodeForeign(signal, normal.bytes))).toBe(items);
  });

  test("many old scope lists cost no more than one each", () => {
    const request = ld(1, Buffer.concat(Array.from({ length: 20_000 }, () => ld(1000, scope(1)))));
    const start = performance.now();
    expect(verify("traces", request)).toBe(20_000);
    // One search a list would be 200 million steps.
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test("a regular request stays the same object", () => {
    const request = testbedMetrics(1);
    expect(verifyAndNormalise("metrics", request).bytes).toBe(request);
  });
});

describe("counts", () => {
  test.each([
    ["testbed", "metrics", testbedMetrics(3), 700],
    ["testbed, descending", "metrics", testbedMetrics(3, "descending"), 700],
    ["repeat", "metrics", repeatMetrics(2), 1000],
    ["repeat, descending", "metrics", repeatMetrics(2, 1000, "descending"), 1000],
    ["spans", "traces", spans(50), 50],
    ["spans, descending", "traces", spans(50, 0, "descending"), 50],
    ["logs", "logs", logs(50), 50],
    ["logs, descending", "logs", logs(50, 0, "descending"), 50],
  ] as const)("%s", (_name, signal, request, items) => {
    expect(both(signal, request)).toBe(items);
    expect(countForeign(signal, decodeForeign(signal, request))).toBe(items);
  });

  test.each(signals)(
    "%s: as the foreign codec counts, whatever the order of the fields",
    (signal) => {
      fc.assert(
        fc.property(
          fc.integer(),
          fc.constantFrom("ascending" as const, "descending" as const, "shuffled" as const),
          fc.boolean(),
          (seed, order, unknown) => {
            const request = randomRequest(signal, seed, { order, unknown });
            const items = both(signal, request);
            expect(items).toBe(countForeign(signal, decodeForeign(signal, request)));
          },
        ),
        { numRuns: 150 },
      );
    },
  );

  test.each(signals)("%s: every prefix of a request is refused or has fewer items", (signal) => {
    const request = randomRequest(signal, 42, { order: "shuffled", unknown: true });
    const whole = both(signal, request);
    for (let end = 0; end < request.length; end++) {
      const items = verdict(signal, request.subarray(0, end));
      expect(typeof items === "number" ? items <= whole : items === "MALFORMED_DATA").toBe(true);
    }
  });
});
