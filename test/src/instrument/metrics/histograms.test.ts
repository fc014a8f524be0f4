import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { ExponentialHistogram } from "../../../../src/metrics/exponential-histogram.ts";
import { readExponentialPoint } from "../../../../src/metrics/exponential-histogram-otlp.ts";
import { Bench } from "../../../support/instrument-points.ts";
import { protoType } from "../../../support/otlp-proto.ts";

const values = fc.array(
  fc.oneof(
    fc.double({ min: 0, max: 20, noNaN: true }),
    fc.constantFrom(0, 0.005, 0.01, 1, 10, 10.000001, 1e300),
  ),
  { maxLength: 100 },
);

describe("explicit histograms", () => {
  const boundaries = [0.005, 0.01, 0.1, 1, 10];

  test("property: counts at every bound, sum, min and max equal those of the values", () => {
    fc.assert(
      fc.property(values, fc.boolean(), (recorded, isDelta) => {
        const bench = new Bench({ isDelta });
        const histogram = bench.meter.histogram("h", { boundaries });
        const bound = histogram.bind({});
        recorded.forEach((v, i) => {
          if (i % 2 === 0) bound.record(v);
          else histogram.record(v);
        });
        const points = bench.collect();
        if (recorded.length === 0 && isDelta) {
          expect(points).toEqual([]);
          return;
        }
        const [point] = points;
        expect(point).toMatchObject({
          kind: "histogram",
          temporality: isDelta ? 1 : 2,
          bounds: boundaries,
        });
        expect(point!.count ?? 0).toBe(recorded.length);
        boundaries.forEach((le, i) => {
          const below = point!.buckets!.slice(0, i + 1).reduce((a, b) => a + b, 0);
          expect(below).toBe(recorded.filter((v) => v <= le).length);
        });
        expect(point!.buckets).toHaveLength(boundaries.length + 1);
        expect(point!.sum).toBe(recorded.reduce((a, b) => a + b, 0));
        expect(point!.min).toBe(recorded.length === 0 ? undefined : Math.min(...recorded));
        expect(point!.max).toBe(recorded.length === 0 ? undefined : Math.max(...recorded));
        const again = bench.collect();
        expect(again.map((p) => p.count ?? 0)).toEqual(isDelta ? [] : [recorded.length]);
      }),
    );
  });

  test("no bounds: one bucket", () => {
    const bench = new Bench();
    bench.meter.histogram("h", { boundaries: [] }).record(3);
    expect(bench.collect()).toMatchObject([{ count: 1, sum: 3, buckets: [1] }]);
  });

  test("a trailing Infinity is the bucket that is there anyway", () => {
    const bench = new Bench();
    bench.meter.histogram("h", { boundaries: [1, Infinity] }).record(3);
    expect(bench.collect()).toMatchObject([{ bounds: [1], buckets: [0, 1] }]);
  });

  test.each([[[2, 1]], [[1, 1]], [[Number.NaN]], ["5"]])(
    "boundaries %p: exponential instead",
    (wrong) => {
      const bench = new Bench();
      bench.meter.histogram("h", { boundaries: wrong as number[] }).record(3);
      expect(bench.collect()).toMatchObject([{ kind: "exponentialHistogram", count: 1 }]);
      expect(bench.codes).toEqual(["invalid_instrument"]);
    },
  );

  test("rows of many chunks stay apart", () => {
    const bench = new Bench();
    const histogram = bench.meter.histogram("h", { boundaries });
    for (let i = 0; i < 500; i++) histogram.bind({ i }).record(i);
    expect(bench.collect().map((p) => [p.attributes["i"], p.sum, p.count])).toEqual(
      Array.from({ length: 500 }, (_, i) => [i, i, 1]),
    );
  });
});

describe("exponential histograms", () => {
  test("property: the point is that of the shared sketch at scale 5", () => {
    fc.assert(
      fc.property(
        values.filter((v) => v.length > 0),
        (recorded) => {
          const bench = new Bench();
          const histogram = bench.meter.histogram("h", { unit: "s" });
          const bound = histogram.bind({});
          const sketch = new ExponentialHistogram();
          recorded.forEach((v, i) => {
            if (i % 2 === 0) bound.record(v);
            else histogram.record(v);
            sketch.add(v);
          });
          const [point] = bench.collect();
          expect(point).toMatchObject({ kind: "exponentialHistogram", temporality: 2, unit: "s" });
          const type = protoType("ExponentialHistogramDataPoint");
          const bytes = type.encode(type.fromObject(point!.fields)).finish();
          const read = readExponentialPoint(bytes, 0, bytes.length);
          for (const q of [0, 0.5, 0.95, 0.99, 1])
            expect(read.quantile(q)).toBe(sketch.quantile(q));
          expect([read.count, read.sum]).toEqual([sketch.count, sketch.sum]);
        },
      ),
    );
  });

  test("delta begins anew", () => {
    const bench = new Bench({ isDelta: true });
    const bound = bench.meter.histogram("h").bind({});
    bound.record(1);
    expect(bench.collect()).toMatchObject([{ count: 1, temporality: 1 }]);
    expect(bench.collect()).toEqual([]);
    bound.record(2);
    expect(bench.collect()).toMatchObject([{ count: 1, sum: 2, min: 2 }]);
  });

  test.each([-1, Number.NaN, Infinity])("%p is not recorded", (value) => {
    const bench = new Bench();
    bench.meter.histogram("h").bind({}).record(value);
    bench.meter.histogram("h").record(value);
    expect(bench.collect()).toMatchObject([{ count: undefined }]);
    expect(bench.codes).toEqual(["invalid_value"]);
  });
});
