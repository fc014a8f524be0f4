import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { numberPoint as at, ns, pointsOf, sumOf, valuesOf } from "../../support/temporality.ts";
import { serviceStart, toDelta } from "./support.ts";

const old: readonly [number, number] = [500, 1010];

describe("the first point", () => {
  test("is dropped where the series began before the service, and counted", async () => {
    const tested = toDelta();
    expect(await tested.run([sumOf(2, [at(old, 5n)])])).toEqual([]);
    expect(tested.dropped).toEqual({ initial: 1 });
    expect(tested.edge.calls).toBe(0);
  });

  test("is kept where the series began with the service or later", async () => {
    const tested = toDelta();
    const metrics = await tested.run([sumOf(2, [at([serviceStart, 1010], 5n)])]);
    expect(pointsOf(metrics)).toEqual([at([serviceStart, 1010], 5n)]);
    expect(metrics).toMatchObject([{ sum: { aggregationTemporality: 1, isMonotonic: true } }]);
  });

  test("is dropped where it stands at its own start: a value of unknown age", async () => {
    const tested = toDelta();
    expect(await tested.run([sumOf(2, [at([1010, 1010], 5n)])])).toEqual([]);
  });

  test("initial_value keep and drop decide alone", async () => {
    const kept = await toDelta({ initial_value: "keep" }).run([sumOf(2, [at(old, 5n)])]);
    expect(pointsOf(kept)).toEqual([at(old, 5n)]);
    const dropping = toDelta({ initial_value: "drop" });
    expect(await dropping.run([sumOf(2, [at([1005, 1010], 5n)])])).toEqual([]);
    expect(dropping.dropped).toEqual({ initial: 1 });
  });
});

describe("the following points", () => {
  test("are the differences, each from where the last one stood", async () => {
    const tested = toDelta();
    await tested.run([sumOf(2, [at([500, 1010], 5n)])]);
    const metrics = await tested.run([sumOf(2, [at([500, 1020], 12n), at([500, 1030], 12n)])]);
    expect(pointsOf(metrics)).toEqual([at([1010, 1020], 7n), at([1020, 1030], 0n)]);
  });

  test("doubles stay doubles, integers integers; a series of each is one of its own", async () => {
    const tested = toDelta({ initial_value: "drop" });
    await tested.run([sumOf(2, [at([1, 10], 1.5), at([1, 10], 100n)])]);
    const metrics = await tested.run([sumOf(2, [at([1, 20], 4), at([1, 20], 101n)])]);
    expect(valuesOf(metrics)).toEqual([2.5, 1n]);
  });

  test("integers beyond 2^53 are exact", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const large = 2n ** 62n;
    const metrics = await tested.run([sumOf(2, [at([1, 10], large), at([1, 20], large + 3n)])]);
    expect(valuesOf(metrics)).toEqual([3n]);
  });

  test("integers are compared and subtracted as 64 bits", async () => {
    const edges = [0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n, 2n ** 63n - 1n];
    const value = fc.oneof(
      fc.constantFrom(...edges, ...edges.map((edge) => -edge - 1n)),
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    );
    await fc.assert(
      fc.asyncProperty(value, value, async (before, after) => {
        const points = [at([1, 10], before), at([1, 20], after)];
        const tested = toDelta({ initial_value: "drop" });
        const difference = after - before;
        const fits = difference >= 0n && difference < 2n ** 63n;
        expect(valuesOf(await tested.run([sumOf(2, points)]))).toEqual(fits ? [difference] : []);
      }),
    );
  });

  test("times are compared to the nanosecond, beyond 63 bits, too", async () => {
    const time = 2n ** 63n + 2n ** 32n;
    const point = (timeNs: bigint, value: number) => ({
      startTimeUnixNano: String(time - 5n),
      timeUnixNano: String(timeNs),
      asDouble: value,
    });
    const tested = toDelta({ initial_value: "drop" });
    const points = [point(time, 1), point(time - 1n, 1), point(time + 1n, 4)];
    expect(pointsOf(await tested.run([sumOf(2, points)]))).toEqual([
      { startTimeUnixNano: String(time), timeUnixNano: String(time + 1n), asDouble: 3 },
    ]);
    expect(tested.dropped).toEqual({ initial: 1, out_of_order: 1 });
  });

  test("a point without a start time gets one", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const point = (time: number, value: number) => ({ timeUnixNano: ns(time), asDouble: value });
    const metrics = await tested.run([sumOf(2, [point(10, 1), point(20, 4)])]);
    expect(pointsOf(metrics)).toEqual([at([10, 20], 3)]);
  });

  test("a value that fell is dropped, counted and explained once; the next one counts from it", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const points = [at([1, 10], 100n), at([1, 20], 40n), at([1, 30], 50n), at([1, 40], 2n)];
    expect(pointsOf(await tested.run([sumOf(2, points)]))).toEqual([at([20, 30], 10n)]);
    expect(tested.dropped).toEqual({ initial: 1, reset: 2 });
    expect(tested.said).toEqual([
      {
        level: "warn",
        message: "A cumulative value fell: its series began anew.",
        fields: { reason: "reset", metric: "requests" },
      },
    ]);
  });

  test("another start time is another series", async () => {
    const tested = toDelta();
    const first = [at([1001, 1010], 100n), at([1002, 1010], 7n)];
    const second = [at([1001, 1020], 103n), at([1002, 1020], 9n)];
    await tested.run([sumOf(2, first)]);
    expect(valuesOf(await tested.run([sumOf(2, second)]))).toEqual([3n, 2n]);
  });
});

describe("what does not fit", () => {
  test("NaN passes as it is, and the series goes on", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const points = [at([1, 10], 1), at([1, 20], Number.NaN), at([1, 30], 4)];
    const metrics = await tested.run([sumOf(2, points)]);
    expect(pointsOf(metrics)).toEqual([at([1, 20], Number.NaN), at([10, 30], 3)]);
  });

  test.each([Infinity, -Infinity])(
    "%d is dropped and counted, and the series goes on",
    async (value) => {
      const tested = toDelta({ initial_value: "drop" });
      const points = [at([1, 10], 1), at([1, 20], value), at([1, 30], 4)];
      expect(valuesOf(await tested.run([sumOf(2, points)]))).toEqual([3]);
      expect(tested.dropped).toEqual({ initial: 1, not_finite: 1 });
    },
  );

  test("points without a value are dropped and counted, and the series goes on", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const ended = { startTimeUnixNano: ns(1), timeUnixNano: ns(20), flags: 1 };
    const points = [at([1, 10], 1n), ended, { ...ended, flags: 0 }, at([1, 30], 4n)];
    expect(valuesOf(await tested.run([sumOf(2, points)]))).toEqual([3n]);
    expect(tested.dropped).toEqual({ initial: 1, no_recorded_value: 2 });
  });

  test("an older point is dropped, and the next delta is that since the newest", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const points = [at([1, 10], 1n), at([1, 30], 9n), at([1, 20], 4n), at([1, 40], 10n)];
    expect(pointsOf(await tested.run([sumOf(2, points)]))).toEqual([
      at([10, 30], 8n),
      at([30, 40], 1n),
    ]);
    expect(tested.dropped).toEqual({ initial: 1, out_of_order: 1 });
  });

  test("a clock that was set back loses nothing: the value says what came later", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const points = [at([1, 5000], 1n), at([1, 1400], 4n), at([1, 1410], 9n)];
    expect(pointsOf(await tested.run([sumOf(2, points)]))).toEqual([
      at([1400, 1400], 3n),
      at([1400, 1410], 5n),
    ]);
    expect(tested.noted("rmt_cumulative_to_delta_discontinuities", "clock_set_back")).toBe(1);
    expect(tested.said).toHaveLength(1);
  });

  test("a difference that no point can hold is a reset", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const least = -(2n ** 63n);
    const integers = [at([1, 10], least), at([1, 20], 2n ** 63n - 1n)];
    const doubles = [at([1, 10], -1.7e308), at([1, 20], 1.7e308)];
    expect(await tested.run([sumOf(2, integers), sumOf(2, doubles, { name: "d" })])).toEqual([]);
    expect(tested.dropped).toEqual({ initial: 2, reset: 2 });
  });

  test("the same point again is a delta of zero", async () => {
    const tested = toDelta({ initial_value: "drop" });
    const metrics = [sumOf(2, [at([1, 10], 5n)])];
    await tested.run(metrics);
    expect(valuesOf(await tested.run(metrics))).toEqual([0n]);
  });
});

test("one name with several types: each goes its own way", async () => {
  const tested = toDelta({ initial_value: "drop" });
  const name = "requests";
  const metrics = (time: number, value: bigint) => [
    sumOf(2, [at([1, time], value)], { name }),
    sumOf(2, [at([1, time], value)], { name, isMonotonic: false }),
    sumOf(1, [at([1, time], value)], { name }),
    { name, gauge: { dataPoints: [at([1, time], value)] } },
    {
      name,
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [{ timeUnixNano: ns(time), count: "1" }],
      },
    },
    { name },
  ];
  await tested.run(metrics(10, 5n));
  const after = metrics(20, 8n);
  const histogram = { startTimeUnixNano: ns(10), timeUnixNano: ns(20) };
  expect(await tested.run(after)).toEqual([
    sumOf(1, [at([10, 20], 3n)], { name }),
    { name, sum: { aggregationTemporality: 2, dataPoints: [at([1, 20], 8n)] } },
    ...after.slice(2, 4),
    { name, histogram: { aggregationTemporality: 1, dataPoints: [histogram] } },
    { name },
  ]);
});
