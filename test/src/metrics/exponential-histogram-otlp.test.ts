import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { ExponentialHistogram } from "../../../src/metrics/exponential-histogram.ts";
import {
  readExponentialPoint,
  writeExponentialFields,
} from "../../../src/metrics/exponential-histogram-otlp.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { protoType } from "../../support/otlp-proto.ts";

const pointType = protoType("ExponentialHistogramDataPoint");

function encoded(h: ExponentialHistogram): Uint8Array {
  const out = new Writer();
  writeExponentialFields(out, h);
  return out.take();
}

const foreign = (h: ExponentialHistogram) =>
  pointType.toObject(pointType.decode(encoded(h)), { longs: String });

function histogramOf(values: Iterable<number>, options = {}): ExponentialHistogram {
  const h = new ExponentialHistogram(options);
  for (const value of values) h.add(value);
  return h;
}

interface ForeignPoint {
  scale?: number;
  zeroCount?: number;
  zeroThreshold?: number;
  sum?: number;
  min?: number;
  max?: number;
  count?: number;
  positive?: { offset?: number; bucketCounts: number[] };
  negative?: { offset?: number; bucketCounts: number[] };
}

function decoded(point: ForeignPoint, options = {}): ExponentialHistogram {
  const bytes = pointType.encode(pointType.fromObject(point)).finish();
  return readExponentialPoint(bytes, 0, bytes.length, options);
}

const bucketsOf = ({ positive }: ExponentialHistogram) =>
  Array.from({ length: positive.high - positive.low + 1 }, (_, i) => positive.at(positive.low + i));

describe("encoding", () => {
  test("a foreign decoder reads every field", () => {
    const h = histogramOf([0, 1.5, 2.5, 4.5, -3], { scale: 0 });
    h.zeroThreshold = 1e-9;
    expect(foreign(h)).toEqual({
      count: "5",
      sum: 5.5,
      zeroCount: "1",
      positive: { bucketCounts: ["1", "1", "1"] },
      negative: { offset: 1, bucketCounts: ["1"] },
      min: -3,
      max: 4.5,
      zeroThreshold: 1e-9,
    });
  });

  test("an empty histogram has neither minimum nor maximum", () => {
    // Nor a scale: protobufjs leaves out what is zero.
    expect(foreign(new ExponentialHistogram())).toEqual({ sum: 0 });
  });

  test("unknown sum, minimum and maximum are left out", () => {
    const h = histogramOf([1]);
    h.sum = Number.NaN;
    h.min = Number.NaN;
    expect(Object.keys(foreign(h))).not.toEqual(expect.arrayContaining(["sum"]));
    expect(Object.keys(foreign(h))).not.toEqual(expect.arrayContaining(["max"]));
  });

  test("counts above 2^32", () => {
    const h = new ExponentialHistogram();
    h.add(1, 2 ** 40 + 3);
    expect(foreign(h)).toMatchObject({
      count: "1099511627779",
      positive: { offset: -1, bucketCounts: ["1099511627779"] },
    });
  });

  test("what was written is read again", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, noDefaultInfinity: true })),
        fc.integer({ min: -3, max: 20 }),
        (values, scale) => {
          const h = histogramOf(values, { scale, maxSize: 160 });
          const bytes = encoded(h);
          const again = readExponentialPoint(bytes, 0, bytes.length, { scale, maxSize: 160 });
          expect(encoded(again)).toEqual(bytes);
        },
      ),
    );
  });
});

describe("decoding what others wrote", () => {
  test("a finer scale is coarsened to the wanted one", () => {
    const h = decoded({ scale: 6, positive: { offset: 4, bucketCounts: [1, 2, 3] } });
    expect([h.scale, h.positive.low, bucketsOf(h)]).toEqual([5, 2, [3, 3]]);
    expect(h.count).toBe(6);
  });

  test("a coarser scale is kept, unless nothing is in its buckets", () => {
    expect(decoded({ scale: 3, positive: { bucketCounts: [1] } }).scale).toBe(3);
    expect(decoded({ scale: 0, zeroCount: 7 }).scale).toBe(5);
    expect(decoded({ scale: 0, positive: { bucketCounts: [0, 0] } }).scale).toBe(5);
  });

  test("empty ends are cut, so that they cost no scale", () => {
    const counts = Array.from({ length: 4000 }, (_, i) => (i === 1990 ? 5 : 0));
    const h = decoded({ scale: 5, positive: { offset: -2000, bucketCounts: counts } });
    expect([h.scale, h.positive.low, bucketsOf(h)]).toEqual([5, -10, [5]]);
  });

  test("sum, minimum and maximum that are not there are unknown", () => {
    const h = decoded({ positive: { bucketCounts: [1] } });
    expect([h.sum, h.min, h.max]).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    const known = decoded({ sum: 1.5, min: 1.5, max: 1.5, positive: { bucketCounts: [1] } });
    expect([known.sum, known.min, known.max]).toEqual([1.5, 1.5, 1.5]);
  });

  test("the buckets count, not the count beside them", () => {
    expect(decoded({ count: 1000, zeroCount: 1, negative: { bucketCounts: [2] } }).count).toBe(3);
  });

  test.each([
    [21, 1, 0],
    [40, 1, 0],
    [2 ** 31 - 1, 5, 0],
    [2 ** 31 - 1, -5, -1],
    [-11, 0, 0],
    [-12, 3, 0],
    [-(2 ** 31), -7, -1],
  ])("scale %d, offset %d", (scale, offset, index) => {
    const h = decoded({ scale, positive: { offset, bucketCounts: [1] } }, { scale: 20 });
    expect([h.positive.low, h.positive.high]).toEqual([index, index]);
    expect(h.quantile(0.5)).not.toBeNaN();
  });

  test("indices beyond the doubles are drawn to their ends", () => {
    for (const offset of [2 ** 31 - 1, -(2 ** 31)]) {
      const h = decoded({ scale: 5, positive: { offset, bucketCounts: [1, 1, 1] } });
      expect(h.count).toBe(3);
      expect(h.quantile(0.5)).toBeGreaterThanOrEqual(0);
      expect(h.quantile(0.5)).toBeLessThanOrEqual(Number.MAX_VALUE);
      h.merge(decoded({ scale: 5, positive: { offset: 0, bucketCounts: [1] } }));
      expect(h.positive.total()).toBe(4);
    }
  });

  test("counts that are not packed, and an offset behind them", () => {
    // bucket_counts 1, then 300, each a field of its own; then offset -2
    const buckets = Buffer.from([0x10, 1, 0x10, 0xac, 0x02, 0x08, 3]);
    const bytes = Buffer.concat([Buffer.from([0x42, buckets.length]), buckets]);
    const h = readExponentialPoint(bytes, 0, bytes.length, { scale: 0 });
    expect([h.positive.low, bucketsOf(h)]).toEqual([-2, [1, 300]]);
  });
});
