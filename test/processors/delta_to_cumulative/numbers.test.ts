import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { numberPoint as at, ns, pointsOf, sumOf, valuesOf } from "../../support/temporality.ts";
import { toCumulative } from "./support.ts";

const noted = "rmt_delta_to_cumulative_discontinuities";

test("deltas are added up from the start of the first", async () => {
  const tested = toCumulative();
  const first = await tested.run([sumOf(1, [at([10, 20], 5n)])]);
  expect(first).toEqual([sumOf(2, [at([10, 20], 5n)])]);
  const second = await tested.run([sumOf(1, [at([20, 30], 2n), at([30, 40], 4n)])]);
  expect(second).toEqual([sumOf(2, [at([10, 30], 7n), at([10, 40], 11n)])]);
});

test("non-monotonic sums go up and down; cumulative sums and gauges stay", async () => {
  const tested = toCumulative();
  const options = { isMonotonic: false };
  const others = [
    sumOf(2, [at([1, 2], 5n)], { name: "cumulative" }),
    { name: "gauge", gauge: { dataPoints: [at([1, 2], 5n)] } },
  ];
  const points = [at([10, 20], 5), at([20, 30], -7.5)];
  const metrics = await tested.run([sumOf(1, points, options), ...others]);
  expect(valuesOf(metrics.slice(0, 1))).toEqual([5, -2.5]);
  expect(metrics.slice(1)).toEqual(others);
});

test("a series of integers with a double among them goes on as doubles", async () => {
  const tested = toCumulative();
  const points = [at([10, 20], 5n), at([20, 30], 0.5), at([30, 40], 2n)];
  expect(valuesOf(await tested.run([sumOf(1, points)]))).toEqual([5n, 5.5, 7.5]);
});

describe("order", () => {
  test("behind a gap the sum goes on: what was counted stays counted; the gap is counted and said once", async () => {
    const tested = toCumulative();
    const points = [at([10, 20], 5n), at([50, 60], 1n), at([90, 95], 1n)];
    expect(pointsOf(await tested.run([sumOf(1, points)]))).toEqual([
      at([10, 20], 5n),
      at([10, 60], 6n),
      at([10, 95], 7n),
    ]);
    expect(tested.noted(noted, "gap")).toBe(2);
    expect(tested.said).toHaveLength(1);
    expect(tested.dropped).toEqual({});
  });

  test("what is older is dropped, counted and explained once; the sum is unharmed", async () => {
    const tested = toCumulative();
    const points = [
      at([10, 20], 5n),
      at([20, 30], 1n),
      at([20, 30], 1n),
      at([15, 25], 1n),
      at([5, 40], 1n),
      at([30, 40], 1n),
    ];
    expect(valuesOf(await tested.run([sumOf(1, points)]))).toEqual([5n, 6n, 7n]);
    expect(tested.dropped).toEqual({ out_of_order: 2, older_start: 1 });
    expect(tested.said.map(({ fields }) => fields?.["reason"])).toEqual([
      "out_of_order",
      "older_start",
    ]);
  });

  test("deltas without times are added: they stand in no order", async () => {
    const tested = toCumulative();
    const points = [{ asInt: "5" }, { asInt: "2" }, at([0, 30], 1n), { asInt: "1" }];
    expect(valuesOf(await tested.run([sumOf(1, points)]))).toEqual([5n, 7n, 8n, 9n]);
    const withoutStart = [at([10, 20], 5n), at([0, 30], 1n)];
    const metrics = await tested.run([sumOf(1, withoutStart, { name: "other" })]);
    expect(pointsOf(metrics)[1]).toEqual(at([10, 30], 6n));
  });

  test("a clock that jumped ahead costs max_stale at most", async () => {
    const tested = toCumulative({ max_stale: "1m" });
    await tested.stage.start?.();
    await tested.run([sumOf(1, [at([10, 20], 5n)])]);
    await tested.run([sumOf(1, [at([20, 9000], 1n)])]);
    for (let second = 30; second < 90; second += 10) {
      expect(await tested.run([sumOf(1, [at([second, second + 10], 1n)])])).toEqual([]);
      await tested.clock.advance(10_000);
    }
    await tested.clock.advance(60_000);
    const metrics = await tested.run([sumOf(1, [at([200, 210], 4n)])]);
    expect(pointsOf(metrics)).toEqual([at([200, 210], 4n)]);
    expect(tested.dropped).toEqual({ out_of_order: 6 });
    await tested.stage.shutdown?.(new AbortController().signal);
  });
});

test("integers are added as 64 bits, and begin anew where the sum has more", async () => {
  const edges = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n];
  const value = fc.oneof(
    fc.constantFrom(...edges, ...edges.map((edge) => -edge - 1n)),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 6 }), async (deltas) => {
      let total = 0n;
      const expected = deltas.map((delta, i) => {
        const sum = total + delta;
        total = i > 0 && BigInt.asIntN(64, sum) === sum ? sum : delta;
        return total;
      });
      const points = deltas.map((delta, i) => at([10 + i, 11 + i], delta));
      const metrics = await toCumulative().run([sumOf(1, points, { isMonotonic: false })]);
      expect(valuesOf(metrics)).toEqual(expected);
    }),
  );
});

describe("what does not fit", () => {
  test.each([Number.NaN, Infinity, -Infinity])(
    "%d is dropped, the sum is unharmed",
    async (value) => {
      const tested = toCumulative();
      const points = [at([10, 20], 5), at([20, 30], value), at([30, 40], 1)];
      expect(valuesOf(await tested.run([sumOf(1, points)]))).toEqual([5, 6]);
      expect(tested.dropped).toEqual({ not_finite: 1 });
      expect(tested.said.filter(({ level }) => level === "warn")).toHaveLength(1);
    },
  );

  test("a negative delta of a monotonic sum is dropped: the sum would seem to begin anew", async () => {
    const tested = toCumulative();
    const points = [at([10, 20], 5n), at([20, 30], -2n), at([30, 40], 1n)];
    expect(valuesOf(await tested.run([sumOf(1, points)]))).toEqual([5n, 6n]);
    expect(tested.dropped).toEqual({ negative: 1 });
  });

  test.each([
    ["integers", 2n ** 62n, 2n ** 62n],
    ["doubles", 1.7e308, 1.7e308],
  ])("%s beyond what a point can hold: the series begins anew", async (_kind, first, second) => {
    const tested = toCumulative();
    const points = [at([10, 20], first), at([20, 30], second)];
    expect(pointsOf(await tested.run([sumOf(1, points)]))).toEqual(points);
    expect(tested.noted(noted, "overflow")).toBe(1);
  });

  test("the mark of a series that ended passes and adds nothing", async () => {
    const tested = toCumulative();
    const ended = { startTimeUnixNano: ns(20), timeUnixNano: ns(30), flags: 1 };
    const points = [at([10, 20], 5n), ended, at([30, 40], 1n)];
    expect(pointsOf(await tested.run([sumOf(1, points)]))).toEqual([
      at([10, 20], 5n),
      ended,
      at([10, 40], 6n),
    ]);
  });
});
