/** Exponential histograms as classic buckets. */
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import type { ExponentialData } from "../../../exporters/prometheus/exponential.ts";
import {
  addExponential,
  boundAt,
  ExponentialRange,
} from "../../../exporters/prometheus/exponential.ts";
import {
  attributes,
  distribution,
  exporterStarter,
  lines,
  type Running,
  request,
} from "./support.ts";

const start = exporterStarter();

interface Numbers {
  scale: number;
  positive?: [offset: number, ...counts: number[]];
  negative?: [offset: number, ...counts: number[]];
  zeroCount?: number;
  sum?: number;
}

const buckets = ([offset, ...bucketCounts]: [number, ...number[]]) => ({ offset, bucketCounts });
const total = (...sides: (readonly number[] | undefined)[]) =>
  sides.reduce((sum, side) => sum + (side ?? [0]).slice(1).reduce((a, b) => a + b, 0), 0);

function point({ positive, negative, zeroCount = 0, ...rest }: Numbers, k?: string): object {
  return {
    ...rest,
    zeroCount,
    count: zeroCount + total(positive, negative),
    ...(positive === undefined ? {} : { positive: buckets(positive) }),
    ...(negative === undefined ? {} : { negative: buckets(negative) }),
    ...(k === undefined ? {} : { attributes: attributes({ k }) }),
  };
}

const push = (r: Running, points: readonly object[], rest: object = {}) =>
  r.push(request([distribution("exponentialHistogram", "e", points, rest)]));

/** `le` and count of each bucket. */
const bucketsOf = async (r: Running, k?: string) =>
  (await lines(r)).flatMap((line) => {
    const match = /^e_bucket\{(?:k="(.*)",)?le="(.*)"\} (.*)$/u.exec(line);
    return match === null || match[1] !== k ? [] : [`${match[2]} ${match[3]}`];
  });

describe("one series", () => {
  test("positive buckets: the lower end of the lowest, then each upper end", async () => {
    const r = await start();
    await push(r, [point({ scale: 0, positive: [0, 1, 0, 2], sum: 13.5 })]);
    expect((await r.scrape()).text).toBe(
      [
        "# TYPE e histogram",
        'e_bucket{le="1"} 0',
        'e_bucket{le="2"} 1',
        'e_bucket{le="4"} 1',
        'e_bucket{le="8"} 3',
        'e_bucket{le="+Inf"} 3',
        "e_sum 13.5",
        "e_count 3",
        "",
      ].join("\n"),
    );
  });

  test.each<[string, Numbers, string[]]>([
    ["nothing", { scale: 0 }, ["+Inf 0"]],
    ["only zeros", { scale: 0, zeroCount: 5 }, ["0 5", "+Inf 5"]],
    [
      "negative, zero, positive",
      { scale: 0, negative: [0, 1, 2], zeroCount: 4, positive: [-1, 8] },
      ["-4 0", "-2 2", "-1 3", "0 7", "0.5 7", "1 15", "+Inf 15"],
    ],
    ["negative scale", { scale: -1, positive: [0, 1, 2] }, ["1 0", "4 1", "16 3", "+Inf 3"]],
    [
      "finer than shown: two buckets of scale 4 are one of scale 3",
      { scale: 4, positive: [-2, 1, 2, 4, 8] },
      ["0.9170040432046712 0", "1 3", "1.0905077326652577 15", "+Inf 15"],
    ],
    [
      "empty ends do not count",
      { scale: 0, positive: [-9, 0, 0, 3, 0] },
      ["0.0078125 0", "0.015625 3", "+Inf 3"],
    ],
    [
      "the coarsest: up to 1 and above",
      { scale: -10, positive: [-1, 1, 2] },
      ["5.562684646268003e-309 0", "1 1", "+Inf 3"],
    ],
    [
      "coarser than OpenTelemetry knows",
      { scale: -11, positive: [-1, 1, 2] },
      ["5.562684646268003e-309 0", "1 1", "+Inf 3"],
    ],
    [
      "absurdly coarse",
      { scale: -2147483648, positive: [-1, 1, 2] },
      ["5.562684646268003e-309 0", "1 1", "+Inf 3"],
    ],
    [
      "absurdly fine: both sides of 1",
      { scale: 2147483647, positive: [-1, 1, 2] },
      ["0.9170040432046712 0", "1 1", "1.0905077326652577 3", "+Inf 3"],
    ],
    [
      "above the doubles",
      { scale: 0, positive: [1023, 1, 1, 1] },
      ["8.98846567431158e+307 0", "+Inf 3"],
    ],
    [
      "below the normal doubles",
      { scale: 0, positive: [-1080, 1] },
      ["2.2250738585072014e-308 0", "4.450147717014403e-308 1", "+Inf 1"],
    ],
  ])("%s", async (_, numbers, expected) => {
    const r = await start();
    await push(r, [point(numbers)]);
    expect(await bucketsOf(r)).toEqual(expected);
  });

  test("deltas add up, at the coarser scale of two", async () => {
    const r = await start();
    const delta = { aggregationTemporality: 1 };
    await push(r, [point({ scale: 1, positive: [0, 1, 1], sum: 1 })], delta);
    await push(r, [point({ scale: 0, positive: [1, 5], zeroCount: 2, sum: 2 })], delta);
    expect(await lines(r)).toEqual([
      'e_bucket{le="0"} 2',
      'e_bucket{le="1"} 2',
      'e_bucket{le="2"} 4',
      'e_bucket{le="4"} 9',
      'e_bucket{le="+Inf"} 9',
      "e_sum 3",
      "e_count 9",
    ]);
  });
});

describe("all series of a name share their bounds", () => {
  test("from the lowest to the highest that any filled", async () => {
    const r = await start();
    await push(r, [
      point({ scale: 0, positive: [0, 1] }, "a"),
      point({ scale: 0, positive: [2, 1], zeroCount: 1 }, "b"),
    ]);
    expect(await bucketsOf(r, "a")).toEqual(["0 0", "1 0", "2 1", "4 1", "8 1", "+Inf 1"]);
    expect(await bucketsOf(r, "b")).toEqual(["0 1", "1 1", "2 1", "4 1", "8 2", "+Inf 2"]);
  });

  test("a coarser one makes all coarser; an empty one does not", async () => {
    const r = await start();
    await push(r, [point({ scale: 1, positive: [0, 1, 2] }, "a"), point({ scale: -5 }, "empty")]);
    expect(await bucketsOf(r, "a")).toEqual(["1 0", "1.4142135623730951 1", "2 3", "+Inf 3"]);
    await push(r, [point({ scale: 0, positive: [0, 9] }, "b")]);
    expect(await bucketsOf(r, "a")).toEqual(["1 0", "2 3", "+Inf 3"]);
    expect(await bucketsOf(r, "empty")).toEqual(["1 0", "2 0", "+Inf 0"]);
  });

  test("more than 160 bounds: the next coarser scale", async () => {
    const r = await start();
    await push(r, [point({ scale: 3, positive: [0, 1] }, "a")]);
    await push(r, [point({ scale: 3, positive: [158, 1] }, "b")]);
    expect(await bucketsOf(r, "a")).toHaveLength(161);
    await push(r, [point({ scale: 3, positive: [159, 1] }, "b")]);
    expect(await bucketsOf(r, "a")).toHaveLength(82);
  });
});

describe("properties", () => {
  const side = fc.record({
    offset: fc.integer({ min: -3000, max: 3000 }),
    counts: fc.array(fc.nat({ max: 1000 }), { maxLength: 40 }),
  });
  const data: fc.Arbitrary<ExponentialData> = fc
    .record({
      scale: fc.integer({ min: -10, max: 20 }),
      positive: side,
      negative: side,
      zeroCount: fc.nat(9),
    })
    .map(({ positive, negative, ...rest }) => {
      const of = ({ offset, counts }: typeof positive) => ({
        offset,
        counts: Float64Array.from(counts),
      });
      const sum = (counts: number[]) => counts.reduce((a, b) => a + b, 0);
      const count = sum(positive.counts) + sum(negative.counts) + rest.zeroCount;
      return {
        kind: "exponential",
        ...rest,
        positive: of(positive),
        negative: of(negative),
        count,
        sum: 0,
        hasSum: true,
      };
    });

  test("bounds ascend and are at most 161, counts never fall and none is lost", () => {
    fc.assert(
      fc.property(fc.array(data, { minLength: 1, maxLength: 5 }), (all) => {
        const range = new ExponentialRange();
        const fitted = all.map((one) => range.fit(one));
        fitted.push(fitted.reduce(addExponential));
        const bounds = range.bounds();
        expect(bounds.length).toBeLessThanOrEqual(161);
        expect(
          bounds.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > bounds[i - 1]!)),
        ).toBe(true);
        for (const one of fitted) {
          const counts = range.cumulative(one);
          expect(counts).toHaveLength(bounds.length);
          expect(counts.every((count, i) => count >= (i === 0 ? 0 : counts[i - 1]!))).toBe(true);
          expect(counts.at(-1) ?? 0).toBeLessThanOrEqual(one.count);
        }
      }),
    );
  });

  test("a snapshot stays what it was while the range grows", () => {
    fc.assert(
      fc.property(data, data, (first, second) => {
        const range = new ExponentialRange();
        const fitted = range.fit(first);
        const snapshot = range.snapshot();
        const bounds = [...snapshot.bounds()];
        const counts = snapshot.cumulative(fitted);
        range.fit(second);
        expect(snapshot.bounds()).toEqual(bounds);
        expect(snapshot.cumulative(fitted)).toEqual(counts);
      }),
    );
  });

  test("bounds of a coarser scale are among those of a finer one, bit for bit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -1000, max: 1000 }),
        fc.integer({ min: -9, max: 3 }),
        (i, scale) => {
          expect(boundAt(i, scale - 1)).toBe(boundAt(2 * i, scale));
        },
      ),
    );
  });
});
