import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { logs, repeatMetrics, spans, testbedMetrics } from "../../../bench/shapes.ts";
import { concat, halveAtSeams, splitAtSeams } from "../../../src/pdata/concat.ts";
import { createPayload, type Payload, type Signal, signals } from "../../../src/pdata/payload.ts";
import { split } from "../../../src/pdata/split.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { flattenPayload } from "../../support/otlp-flatten.ts";
import { lengthDelimited as ld, randomRequest } from "../../support/otlp-random.ts";

const payloadOf = (signal: Signal, ...requests: Uint8Array[]): Payload =>
  concat(requests.map((bytes) => createPayload(signal, [bytes], [verify(signal, bytes)])));

/** In a buffer of its own: payloads copy small views of Node's pool together. */
function unpooled(...parts: Uint8Array[]): Buffer {
  const bytes = Buffer.concat(parts);
  const own = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(own);
  return own;
}

/** Every piece is a payload in its own right: valid parts with the items it says. */
function check(pieces: readonly Payload[]): void {
  for (const piece of pieces) {
    const items = piece.parts.map((part) => verify(piece.signal, part));
    expect(items).toEqual([...piece.partItems]);
    expect(piece.itemCount).toBe(items.reduce((a, b) => a + b, 0));
    expect(piece.byteLength).toBe(piece.parts.reduce((a, part) => a + part.length, 0));
    expect(piece.seams[0]).toBe(piece.parts.length > 0 ? 0 : undefined);
    expect(piece.seams.every((seam) => seam < piece.parts.length)).toBe(true);
  }
}

const randomPayload = fc
  .record({
    signal: fc.constantFrom(...signals),
    seeds: fc.array(fc.integer(), { minLength: 1, maxLength: 3 }),
    order: fc.constantFrom("ascending" as const, "descending" as const, "shuffled" as const),
  })
  .map(({ signal, seeds, order }) =>
    payloadOf(
      signal,
      ...seeds.map((seed) => randomRequest(signal, seed, { order, unknown: true })),
    ),
  );

const shapes: [string, Payload][] = [
  ["testbed", payloadOf("metrics", testbedMetrics(0), testbedMetrics(1, "descending"))],
  ["repeat", payloadOf("metrics", repeatMetrics(0, 200), repeatMetrics(1, 200, "descending"))],
  ["spans", payloadOf("traces", spans(120), spans(75, 1, "descending"))],
  ["logs", payloadOf("logs", logs(130), logs(75, 1, "descending"))],
];

describe("split by items", () => {
  test.each(shapes)(
    "%s: every piece but the last is full, nothing is lost, order is kept",
    (_name, payload) => {
      for (const maxItems of [1, 7, 64, 100]) {
        const pieces = split(payload, { maxItems });
        check(pieces);
        expect(pieces).toHaveLength(Math.ceil(payload.itemCount / maxItems));
        expect(pieces.slice(0, -1).every((piece) => piece.itemCount === maxItems)).toBe(true);
        expect(pieces.flatMap(flattenPayload)).toEqual(flattenPayload(payload));
      }
    },
  );

  test("random payloads keep every item with all that is around it", () => {
    fc.assert(
      fc.property(randomPayload, fc.integer({ min: 1, max: 12 }), (payload, maxItems) => {
        const pieces = split(payload, { maxItems });
        check(pieces);
        expect(pieces.every((piece) => piece.itemCount <= maxItems)).toBe(true);
        expect(pieces.flatMap(flattenPayload)).toEqual(flattenPayload(payload));
      }),
      { numRuns: 200 },
    );
  });
});

describe("split by bytes", () => {
  test.each(shapes)("%s: no piece is larger, and pieces are well filled", (_name, payload) => {
    for (const maxBytes of [600, 4000, 30_000]) {
      const pieces = split(payload, { maxBytes });
      check(pieces);
      for (const piece of pieces) {
        expect(piece.byteLength <= maxBytes || piece.itemCount === 1).toBe(true);
      }
      expect(pieces.flatMap(flattenPayload)).toEqual(flattenPayload(payload));
      // Headers repeat; still no piece but the last may be small enough for the next one's first item.
      const small = pieces.slice(0, -1).filter((piece) => piece.byteLength < maxBytes - 600);
      expect(small).toEqual([]);
    }
  });

  test("random payloads, both limits at once", () => {
    fc.assert(
      fc.property(
        randomPayload,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 3000 }),
        (payload, maxItems, maxBytes) => {
          const pieces = split(payload, { maxItems, maxBytes });
          check(pieces);
          for (const piece of pieces) {
            expect(piece.itemCount <= maxItems).toBe(true);
            expect(piece.byteLength <= maxBytes || piece.itemCount <= 1).toBe(true);
          }
          expect(pieces.flatMap(flattenPayload)).toEqual(flattenPayload(payload));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("an item that alone is larger becomes a payload of its own", () => {
    const big = ld(
      1,
      ld(2, Buffer.concat([ld(2, ld(3, Buffer.alloc(5000, 65))), ld(2, Buffer.alloc(0))])),
    );
    const pieces = split(payloadOf("logs", big), { maxBytes: 1000 });
    expect(pieces.map((piece) => piece.itemCount)).toEqual([1, 1]);
    expect(pieces[0]!.byteLength).toBeGreaterThan(5000);
    expect(pieces[1]!.byteLength).toBeLessThan(1000);
  });
});

describe("what a split leaves alone", () => {
  test("a payload within the limit is returned as it is", () => {
    const payload = shapes[0]![1];
    expect(split(payload, { maxItems: payload.itemCount })).toEqual([payload]);
    expect(split(payload, { maxItems: payload.itemCount })[0]).toBe(payload);
    expect(split(payload, {})[0]).toBe(payload);
  });

  test("parts that are not cut are the same objects, and seams survive between them", () => {
    const [a, b, c] = [logs(10), logs(10, 1), logs(10, 2)];
    const pieces = split(payloadOf("logs", a, b, c), { maxItems: 15 });
    expect(pieces.map((piece) => [piece.itemCount, [...piece.seams]])).toEqual([
      [15, [0, 1]],
      [15, [0, 1]],
    ]);
    expect(pieces[0]!.parts[0]).toBe(a);
    expect(pieces[1]!.parts[1]).toBe(c);
  });

  test("resources that are not cut are views of their part", () => {
    const three = unpooled(logs(3), logs(3, 1), logs(3, 2));
    const pieces = split(createPayload("logs", [three], [9]), { maxItems: 6 });
    expect(pieces.map((piece) => piece.itemCount)).toEqual([6, 3]);
    expect(pieces[0]!.parts[0]!.buffer).toBe(three.buffer);
  });

  test("containers without items and unknown fields of the request stay where they are", () => {
    const empty = ld(1, ld(1, ld(1, ld(1, Buffer.from("k")))));
    const request = Buffer.concat([empty, ld(99, Buffer.from("x")), logs(2), empty]);
    const pieces = split(payloadOf("logs", request), { maxItems: 1 });
    expect(pieces.map((piece) => piece.itemCount)).toEqual([1, 1]);
    const joined = Buffer.concat(pieces.flatMap((piece) => [...piece.parts]));
    expect(joined.indexOf(empty)).toBe(0);
    expect(joined.lastIndexOf(empty)).toBe(joined.length - empty.length);
    expect(joined.includes(ld(99, Buffer.from("x")))).toBe(true);
  });
});

test("a split of an irregular request counts as verify does", () => {
  const empty = Buffer.alloc(0);
  const gauges = ld(5, Buffer.concat([ld(1, empty), ld(1, empty), ld(1, empty)]));
  const sums = ld(7, Buffer.concat([ld(1, empty), ld(1, empty)]));
  const request = Buffer.concat([
    ld(1, ld(2, ld(2, Buffer.concat([gauges, sums])))),
    ld(1, ld(1000, ld(2, gauges))),
  ]);
  const payload = payloadOf("metrics", request);
  expect(payload.itemCount).toBe(5);
  const pieces = split(payload, { maxItems: 1 });
  check(pieces);
  expect(pieces).toHaveLength(5);
});

describe("seams", () => {
  const parts = [logs(5), logs(1, 1), logs(2, 2)];
  const payload = payloadOf("logs", ...parts);

  test("splitAtSeams gives back the requests that were joined", () => {
    expect(splitAtSeams(payload).map((piece) => [...piece.parts])).toEqual(parts.map((p) => [p]));
  });

  test("a request of several parts stays together", () => {
    const joined = concat([createPayload("logs", [parts[0]!, parts[1]!], [5, 1]), payload]);
    expect(splitAtSeams(joined).map((piece) => [...piece.partItems])).toEqual([
      [5, 1],
      [5],
      [1],
      [2],
    ]);
  });

  test("halveAtSeams cuts where the bytes are most equal", () => {
    const [head, tail] = halveAtSeams(payload)!;
    expect([head.itemCount, tail.itemCount]).toEqual([5, 3]);
    expect([[...head.seams], [...tail.seams]]).toEqual([[0], [0, 1]]);
    expect(halveAtSeams(head)).toBeUndefined();
    expect(halveAtSeams(tail)!.map((piece) => piece.itemCount)).toEqual([1, 2]);
  });

  test("halving down to single requests finds each", () => {
    const single = (p: Payload): Payload[] => halveAtSeams(p)?.flatMap(single) ?? [p];
    expect(single(payload).map((piece) => piece.parts[0])).toEqual(parts);
  });

  test("concat copies nothing", () => {
    expect(payload.parts.map((part, i) => part === parts[i])).toEqual([true, true, true]);
    expect(concat([payload])).toBe(payload);
    expect(() => concat([])).toThrow(/BUG/);
  });
});
