import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { testbedMetrics } from "../../../bench/shapes.ts";
import { concat } from "../../../src/pdata/concat.ts";
import { createPayload, type Payload, type Signal, signals } from "../../../src/pdata/payload.ts";
import {
  drop,
  keep,
  type MetricKind,
  type Place,
  type Rewriter,
  replaced,
  rewrite,
  type Verdict,
} from "../../../src/pdata/rewrite.ts";
import { select } from "../../../src/pdata/select.ts";
import { verify } from "../../../src/pdata/verify.ts";
import type { Writer } from "../../../src/pdata/wire.ts";
import { type FlatItem, flattenPayload } from "../../support/otlp-flatten.ts";
import { decodeForeign } from "../../support/otlp-proto.ts";
import {
  lengthDelimited as ld,
  type RandomOptions,
  randomRequest,
} from "../../support/otlp-random.ts";

const payloadOf = (signal: Signal, ...requests: Uint8Array[]): Payload =>
  concat(requests.map((bytes) => createPayload(signal, [bytes], [verify(signal, bytes)])));

/** The payload is one in its own right, with the items it says. */
function checked(payload: Payload | undefined): Payload {
  if (payload === undefined) throw new Error("nothing is left");
  expect(payload.parts.map((part) => verify(payload.signal, part))).toEqual([...payload.partItems]);
  return payload;
}

const flat = (payload: Payload | undefined): FlatItem[] =>
  payload === undefined ? [] : flattenPayload(checked(payload));

const levels = ["resource", "scope", "metric", "point", "span", "record"] as const;
type Level = (typeof levels)[number];
const itemLevels: Readonly<Record<Signal, Level>> = {
  metrics: "point",
  traces: "span",
  logs: "record",
};
const levelsOf = (signal: Signal): Level[] =>
  signal === "metrics"
    ? ["resource", "scope", "metric", "point"]
    : ["resource", "scope", itemLevels[signal]];

const randomPayload = (signal: Signal) =>
  fc
    .record({
      seeds: fc.array(fc.integer(), { minLength: 1, maxLength: 3 }),
      order: fc.constantFrom<RandomOptions["order"]>("ascending", "descending", "shuffled"),
    })
    .map(({ seeds, order }) =>
      payloadOf(
        signal,
        ...seeds.map((seed) => randomRequest(signal, seed, { order, unknown: true })),
      ),
    );

const cases = signals.flatMap((signal) =>
  levelsOf(signal).map((level): [Signal, Level] => [signal, level]),
);

const copy = (place: Place, out: Writer) => {
  out.raw(place.bytes, place.start, place.end);
  return replaced;
};
/** Adds an unknown field, so that the change can be seen at any level. */
const mark = ld(999, Buffer.from("mark"));
const marked = (place: Place, out: Writer) => {
  copy(place, out);
  out.raw(mark);
  return replaced;
};

describe("every level of every signal", () => {
  test.each(cases)("%s, %s: keep leaves the same payload", (signal, level) => {
    fc.assert(
      fc.property(randomPayload(signal), (payload) => {
        expect(rewrite(payload, { [level]: () => keep })).toBe(payload);
      }),
      { numRuns: 10 },
    );
  });

  test.each(cases)(
    "%s, %s: an untouched copy is lossless, for a foreign reader too",
    (signal, level) => {
      fc.assert(
        fc.property(randomPayload(signal), (payload) => {
          const result = checked(rewrite(payload, { [level]: copy }));
          // A resource or scope that was absent is now there, empty.
          const isHead = level === "resource" || level === "scope";
          const before = isHead ? withHeads(payload, level) : payload;
          expect(flat(result)).toEqual(flat(before));
          expect(result.parts.map((part) => decodeForeign(signal, part))).toEqual(
            before.parts.map((part) => decodeForeign(signal, part)),
          );
        }),
        { numRuns: 20 },
      );
    },
  );

  test.each(cases)("%s, %s: a change is where it should be and nowhere else", (signal, level) => {
    fc.assert(
      fc.property(randomPayload(signal), fc.integer({ min: 1, max: 5 }), (payload, every) => {
        let count = 0;
        const places: string[] = [];
        const result = rewrite(payload, {
          [level]: (place: Place, out: Writer) => {
            places.push(bodyOf(place));
            return count++ % every === 0 ? marked(place, out) : keep;
          },
        });
        const marks = Math.ceil(count / every);
        const written = Buffer.concat(checked(result).parts).toString("hex");
        expect(written.split(mark.toString("hex"))).toHaveLength(marks + 1);
        expect(result!.itemCount).toBe(payload.itemCount);
        expect(places.length).toBe(count);
      }),
      { numRuns: 20 },
    );
  });

  test.each(cases)("%s, %s: drop takes exactly what is below", (signal, level) => {
    fc.assert(
      fc.property(randomPayload(signal), fc.integer({ min: 1, max: 3 }), (payload, every) => {
        let count = 0;
        const result = rewrite(payload, { [level]: () => (count++ % every === 0 ? drop : keep) });
        expect(result === payload).toBe(count === 0);
        expect(flat(result)).toEqual(withoutEvery(payload, level, every));
      }),
      { numRuns: 20 },
    );
  });
});

const isMarked = (item: FlatItem) => JSON.stringify(item).includes(mark.toString("hex"));

/** The items that are left when every n-th message of a level is dropped, found by marking instead. */
function withoutEvery(payload: Payload, level: Level, every: number): FlatItem[] {
  let count = 0;
  if (level === itemLevels[payload.signal]) {
    return flat(payload).filter((_item, i) => i % every !== 0);
  }
  const tagged = rewrite(payload, {
    [level]: (place: Place, out: Writer) => (count++ % every === 0 ? marked(place, out) : keep),
  });
  const kept = flat(tagged).map((item) => !isMarked(item));
  return flat(payload).filter((_item, i) => kept[i]);
}

const bodyOf = (place: Place) =>
  Buffer.from(place.bytes.subarray(place.start, place.end)).toString("hex");

/** The payload with every absent resource (or scope) written as an empty one. */
function withHeads(payload: Payload, level: "resource" | "scope"): Payload {
  const result = rewrite(payload, {
    [level]: (place: Place, out: Writer) => (isAbsent(place) ? copy(place, out) : keep),
  });
  return result!;
}

const textOf = (place: Place, start: number, end: number) =>
  Buffer.from(place.bytes.subarray(start, end)).toString("latin1");
const metricOf = (number: number) => ld(2, ld(number, ld(1, Buffer.alloc(0))));
const gaugeOf = (count: number) => ld(2, ld(5, points(count)));
const isAbsent = (place: Place) => place.start === place.end;
const points = (count: number) =>
  Buffer.concat(Array.from({ length: count }, () => ld(1, Buffer.alloc(0))));
const recordsOf = (count: number) =>
  ld(1, ld(2, Buffer.concat(Array.from({ length: count }, () => ld(2, Buffer.alloc(0))))));

describe("places", () => {
  test("a point knows its metric, scope and resource in both field orders", () => {
    for (const order of ["ascending", "descending"] as const) {
      const payload = payloadOf("metrics", testbedMetrics(4, order));
      const seen = new Set<string>();
      rewrite(payload, {
        point(place) {
          expect(textOf(place, place.resourceStart, place.resourceEnd)).toContain("host-4");
          expect(textOf(place, place.scopeStart, place.scopeEnd)).toContain("load");
          const metric = textOf(place, place.metricStart, place.metricEnd);
          expect(metric).toContain(textOf(place, place.start, place.end));
          seen.add(/load_generator_\d+/u.exec(metric)![0]);
          return keep;
        },
      });
      expect(seen.size).toBe(100);
    }
  });

  test("the kind of a metric", () => {
    const numbers = [5, 7, 9, 10, 11];
    const request = ld(
      1,
      ld(2, Buffer.concat([...numbers.map(metricOf), ld(2, ld(1, Buffer.from("n")))])),
    );
    const kinds: MetricKind[] = [];
    const visit = (place: Place): Verdict => {
      kinds.push(place.metricKind);
      return keep;
    };
    rewrite(payloadOf("metrics", request), { metric: visit });
    rewrite(payloadOf("metrics", request), { point: visit });
    const all = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
    expect(kinds).toEqual([...all, "none", ...all]);
  });

  test("an absent resource and scope are empty ranges; a new one is written", () => {
    const payload = payloadOf("logs", ld(1, ld(2, ld(2, Buffer.alloc(0)))));
    const name = ld(1, Buffer.from("new"));
    const result = rewrite(payload, {
      resource(place, out) {
        expect(isAbsent(place)).toBe(true);
        out.raw(ld(1, name));
        return replaced;
      },
      scope(place, out) {
        expect(isAbsent(place)).toBe(true);
        out.raw(name);
        return replaced;
      },
    });
    expect(decodeForeign("logs", checked(result).parts[0]!)).toEqual({
      resourceLogs: [
        {
          resource: { attributes: [{ key: "new" }] },
          scopeLogs: [{ scope: { name: "new" }, logRecords: [{}] }],
        },
      ],
    });
  });

  test("only the levels asked for are visited, in the order of the data", () => {
    const log: string[] = [];
    const note = (name: string) => (): Verdict => {
      log.push(name);
      return keep;
    };
    const one = ld(
      1,
      ld(2, ld(2, ld(5, Buffer.concat([ld(1, Buffer.alloc(0)), ld(1, Buffer.alloc(0))])))),
    );
    const payload = payloadOf("metrics", Buffer.concat([one, one]));
    rewrite(payload, { resource: note("r"), metric: note("m"), point: note("p"), span: note("s") });
    expect(log.join("")).toBe("rmpprmpp");
  });
});

describe("metrics", () => {
  const payload = payloadOf("metrics", ld(1, ld(2, Buffer.concat([gaugeOf(3), gaugeOf(2)]))));

  test("the points of a replaced metric are counted and not visited", () => {
    let visited = 0;
    const result = rewrite(payload, {
      metric(place, out) {
        if (place.end - place.start !== 8) return keep;
        out.raw(ld(7, points(6)));
        return replaced;
      },
      point() {
        visited++;
        return keep;
      },
    });
    expect(checked(result).itemCount).toBe(8);
    expect(visited).toBe(2);
  });

  test("a metric, its scope and its resource vanish with their last point", () => {
    let count = 0;
    const result = rewrite(payload, { point: () => (count++ < 3 ? drop : keep) });
    expect(decodeForeign("metrics", checked(result).parts[0]!)).toEqual({
      resourceMetrics: [{ scopeMetrics: [{ metrics: [{ gauge: { dataPoints: [{}, {}] } }] }] }],
    });
    expect(rewrite(payload, { point: () => drop })).toBeUndefined();
  });

  test("a metric that had no points stays, and so does an empty scope beside a dropped one", () => {
    const request = ld(1, Buffer.concat([ld(2, gaugeOf(0)), ld(2, gaugeOf(1))]));
    const result = rewrite(payloadOf("metrics", request), { point: () => drop });
    expect(decodeForeign("metrics", checked(result).parts[0]!)).toEqual({
      resourceMetrics: [{ scopeMetrics: [{ metrics: [{ gauge: {} }] }] }],
    });
  });
});

describe("parts and seams", () => {
  test("parts without a change stay the same objects", () => {
    // Larger than half of Node's buffer pool, so that no payload copies them together.
    const parts = [recordsOf(20_000), recordsOf(10_000)];
    const result = select(payloadOf("logs", ...parts), (i) => i !== 20_000)!;
    expect(result.parts[0]).toBe(parts[0]);
    expect([[...result.partItems], [...result.seams]]).toEqual([
      [20_000, 9999],
      [0, 1],
    ]);
  });

  test("a seam moves to the next part of its request, or goes with it", () => {
    const joined = concat([
      createPayload("logs", [recordsOf(1), recordsOf(1), recordsOf(1)], [1, 1, 1]),
      createPayload("logs", [recordsOf(1)], [1]),
      createPayload("logs", [recordsOf(1), recordsOf(1)], [1, 1]),
    ]);
    const result = select(joined, (i) => i !== 0 && i !== 3)!;
    expect(result.parts).toHaveLength(4);
    expect([...result.seams]).toEqual([0, 2]);
    expect(select(joined, () => true)).toBe(joined);
    expect(select(joined, () => false)).toBeUndefined();
  });
});

describe("select", () => {
  test.each(signals)("%s: random items of random payloads", (signal) => {
    fc.assert(
      fc.property(randomPayload(signal), fc.integer({ min: 0, max: 255 }), (payload, mask) => {
        const chosen = (i: number) => ((mask >> (i % 8)) & 1) === 1;
        expect(flat(select(payload, chosen))).toEqual(
          flat(payload).filter((_item, i) => chosen(i)),
        );
      }),
      { numRuns: 40 },
    );
  });

  test("of an irregular request: indices count what verify counts", () => {
    const gauge = ld(5, Buffer.concat([ld(1, Buffer.alloc(0)), ld(1, Buffer.alloc(0))]));
    const sum = ld(7, ld(1, ld(7, ld(1, Buffer.from("kept")))));
    const request = Buffer.concat([
      ld(1, ld(2, ld(2, ld(5, ld(1, Buffer.alloc(0)))))),
      ld(1, ld(2, ld(2, Buffer.concat([gauge, sum])))),
    ]);
    const seen: number[] = [];
    const result = select(payloadOf("metrics", request), (i) => {
      seen.push(i);
      return i === 1;
    });
    expect(checked(result).itemCount).toBe(1);
    expect(Buffer.from(result!.parts[0]!).includes("kept")).toBe(true);
    expect(Math.max(...seen)).toBe(1);
  });
});

test("a callback that replaces, keeps and drops in turn is obeyed", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(keep, drop, replaced), { maxLength: 30 }), (verdicts) => {
      const records = verdicts.map((_v, i) => ld(2, ld(3, Buffer.from(`r${i};`))));
      const payload = payloadOf("logs", ld(1, ld(2, Buffer.concat(records))));
      let i = 0;
      const rewriter: Rewriter = {
        record(_place, out) {
          const verdict = verdicts[i++]!;
          // What is written without "replaced" must not be seen.
          out.raw(ld(3, Buffer.from(`w${i - 1};`)));
          return verdict;
        },
      };
      const result = rewrite(payload, rewriter);
      const text = Buffer.concat(result?.parts ?? []).toString("latin1");
      const expected = verdicts.flatMap((v, k) =>
        v === drop ? [] : [`${v === keep ? "r" : "w"}${k}`],
      );
      expect([...text.matchAll(/[rw]\d+(?=;)/gu)].map((m) => m[0])).toEqual(expected);
    }),
  );
});
