import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import {
  ExponentialHistogram,
  type ExponentialHistogramOptions,
} from "../../../src/metrics/exponential-histogram.ts";
import { bucketBound, bucketIndex } from "../../../src/metrics/exponential-scale.ts";

/** The promise: at scale 5. */
const maxError = 0.011;
const quantiles = [0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999];

/** A reproducible uniform (0, 1). */
function randomOf(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
}

const normal = (random: () => number) =>
  Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());

const distributions: Readonly<Record<string, (random: () => number) => number>> = {
  "log-normal": (random) => 0.05 * Math.exp(1.5 * normal(random)),
  bimodal: (random) =>
    random() < 0.7 ? 0.002 * Math.exp(0.3 * normal(random)) : 2 + Math.abs(normal(random)),
  constant: () => 0.25,
  "heavy-tailed": (random) => 1e-3 * (1 - random()) ** (-1 / 1.2),
  "both signs": (random) => 10 * normal(random),
  integers: (random) => Math.floor(random() * 1000),
};

function sample(name: string, size: number): Float64Array {
  const random = randomOf(42);
  return Float64Array.from({ length: size }, () => distributions[name]!(random));
}

function histogramOf(
  values: Iterable<number>,
  options?: ExponentialHistogramOptions,
): ExponentialHistogram {
  const h = new ExponentialHistogram(options);
  for (const value of values) h.add(value);
  return h;
}

/** Everything that can be seen of it, but the sum, which rounding changes. */
function stateOf(h: ExponentialHistogram) {
  const buckets = (side: "positive" | "negative") => {
    const { low, high } = h[side];
    return h[side].isEmpty
      ? []
      : Array.from({ length: high - low + 1 }, (_, i) => [low + i, h[side].at(low + i)] as const);
  };
  const { scale, count, min, max, zeroCount, zeroThreshold } = h;
  return {
    scale,
    count,
    min,
    max,
    zeroCount,
    zeroThreshold,
    positive: buckets("positive"),
    negative: buckets("negative"),
  };
}

/** The value of rank max(1, ceil(q n)). */
const exactQuantile = (sorted: Float64Array, q: number) =>
  sorted[Math.max(1, Math.ceil(q * sorted.length * (1 - 1e-12))) - 1]!;

function expectQuantiles(h: ExponentialHistogram, values: Float64Array): void {
  const sorted = values.toSorted();
  for (const q of quantiles) {
    const exact = exactQuantile(sorted, q);
    const { value, lower, upper } = h.quantileBounds(q);
    expect(Math.abs(value - exact)).toBeLessThanOrEqual(maxError * Math.abs(exact));
    expect(lower).toBeLessThanOrEqual(exact);
    expect(upper).toBeGreaterThanOrEqual(exact);
  }
  expect(h.quantile(0)).toBe(sorted[0]);
  expect(h.quantile(1)).toBe(sorted.at(-1));
}

describe.each(Object.keys(distributions))("a million samples, %s", (name) => {
  const values = sample(name, 1_000_000);

  test("quantiles from P0.1 to P99.9 are within 1.1 %", () => {
    const h = histogramOf(values);
    expect(h.scale).toBe(5);
    expect(h.count).toBe(values.length);
    expectQuantiles(h, values);
  });

  test("merged from shards, in any order and grouping, it is the same", () => {
    const whole = histogramOf(values);
    const shards = Array.from({ length: 8 }, (_, i) =>
      histogramOf(values.subarray(i * 125_000, (i + 1) * 125_000)),
    );
    const merge = (parts: readonly ExponentialHistogram[]) => {
      const h = new ExponentialHistogram();
      for (const part of parts) h.merge(part);
      return h;
    };
    const inOrder = merge(shards);
    const reversed = merge(shards.toReversed());
    const grouped = merge([
      merge(shards.slice(5)),
      merge(shards.slice(0, 2)),
      merge(shards.slice(2, 5)),
    ]);
    for (const merged of [inOrder, reversed, grouped]) {
      expect(stateOf(merged)).toEqual(stateOf(whole));
      expectQuantiles(merged, values);
      expect(Math.abs(merged.sum - whole.sum)).toBeLessThanOrEqual(
        1e-9 * Math.abs(whole.sum) + 1e-6,
      );
    }
  });
});

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const options = fc.record({
  scale: fc.integer({ min: -2, max: 20 }),
  maxSize: fc.constantFrom(2, 3, 10, 160, 1280),
});

describe("any values", () => {
  test("however they are split, merging gives the same histogram", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(finite, { maxLength: 20 }), { maxLength: 6 }),
        options,
        fc.integer(),
        (groups, shape, seed) => {
          const parts = groups.map((values) => histogramOf(values, shape));
          const random = randomOf(seed);
          while (parts.length > 1) {
            const [a] = parts.splice(Math.floor(random() * parts.length), 1);
            parts[Math.floor(random() * parts.length)]!.merge(a!);
          }
          const merged = parts[0] ?? new ExponentialHistogram(shape);
          expect(stateOf(merged)).toEqual(stateOf(histogramOf(groups.flat(), shape)));
        },
      ),
    );
  });

  test("histograms of different scales merge to the lower one, exactly", () => {
    fc.assert(
      fc.property(
        fc.array(finite),
        fc.array(finite, { minLength: 1 }),
        fc.integer({ min: -3, max: 20 }),
        fc.integer({ min: -3, max: 20 }),
        (first, second, one, other) => {
          fc.pre(second.some((value) => value !== 0));
          const shape = (scale: number) => ({ scale, maxSize: 160 });
          const merged = histogramOf(first, shape(one));
          merged.merge(histogramOf(second, shape(other)));
          const expected = histogramOf([...first, ...second], shape(Math.min(one, other)));
          if (first.some((value) => value !== 0) || other <= one) {
            expect(stateOf(merged)).toEqual(stateOf(expected));
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test("every value lies in its bucket, and coarser indices are finer ones shifted", () => {
    fc.assert(
      fc.property(finite, fc.integer({ min: -11, max: 20 }), (value, scale) => {
        const magnitude = Math.abs(value);
        fc.pre(magnitude > 0);
        const index = bucketIndex(magnitude, scale);
        // A bound is rounded; a value beside one may stand on the other side of it by as much.
        const slack = scale > 10 ? 1e-15 : 0;
        expect(magnitude).toBeGreaterThan(bucketBound(index, scale) * (1 - slack) - 5e-324);
        expect(magnitude).toBeLessThanOrEqual(bucketBound(index + 1, scale) * (1 + slack));
        expect(bucketIndex(magnitude, 20) >> (20 - scale)).toBe(index);
      }),
      { numRuns: 5000 },
    );
  });

  test("weights count as repetition", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(finite, fc.integer({ min: 1, max: 5 }))),
        options,
        (pairs, shape) => {
          const weighted = new ExponentialHistogram(shape);
          for (const [value, weight] of pairs) weighted.add(value, weight);
          const repeated = histogramOf(
            pairs.flatMap(([value, weight]) => Array.from({ length: weight }, () => value)),
            shape,
          );
          expect(stateOf(weighted)).toEqual(stateOf(repeated));
        },
      ),
    );
  });

  test("what came since an earlier state is the difference", () => {
    fc.assert(
      fc.property(fc.array(finite), fc.array(finite), options, (before, since, shape) => {
        const earlier = histogramOf(before, shape);
        const later = histogramOf([...before, ...since], shape);
        const difference = later.difference(earlier)!;
        const expected = new ExponentialHistogram({ scale: later.scale, maxSize: shape.maxSize });
        for (const value of since) expected.add(value);
        const { min, max, scale, ...counted } = stateOf(difference);
        const { min: _min, max: _max, scale: expectedScale, ...expectedCounts } = stateOf(expected);
        fc.pre(scale === expectedScale);
        expect(counted).toEqual(expectedCounts);
        expect([min, max]).toEqual(
          since.length === 0 ? [Infinity, -Infinity] : [Number.NaN, Number.NaN],
        );
      }),
    );
  });
});

describe("bounds of buckets", () => {
  test("powers of two are the upper end of a bucket at every scale", () => {
    for (let scale = -11; scale <= 20; scale++) {
      expect(bucketIndex(1, scale)).toBe(-1);
      for (const exponent of [-1074, -1073, -1023, -1022, -1, 1, 10, 1023]) {
        const index = scale >= 0 ? exponent * 2 ** scale - 1 : (exponent - 1) >> -scale;
        expect(bucketIndex(2 ** exponent, scale)).toBe(index);
      }
    }
  });

  test("the largest and the smallest double", () => {
    expect(bucketIndex(Number.MAX_VALUE, 20)).toBe(2 ** 30 - 1);
    expect(bucketIndex(Number.MIN_VALUE, 5)).toBe(-1074 * 32 - 1);
    const h = histogramOf([Number.MAX_VALUE, Number.MIN_VALUE, -Number.MAX_VALUE]);
    expect(h.quantile(1)).toBe(Number.MAX_VALUE);
    expect(h.quantile(0)).toBe(-Number.MAX_VALUE);
    expect(h.quantileBounds(0.5)).toEqual({ value: 0, lower: 0, upper: Number.MIN_VALUE });
  });
});

describe("scale and size", () => {
  test("a wide range lowers the scale as far as needed, and no further", () => {
    const h = histogramOf([1.5, 2.5, 4.5, 8.5, 16.5], { scale: 20, maxSize: 5 });
    expect(h.scale).toBe(0);
    expect(stateOf(h).positive).toEqual([0, 1, 2, 3, 4].map((i) => [i, 1]));
    h.add(3000);
    expect(h.scale).toBe(-2);
    expect(h.positive.total()).toBe(6);
  });

  test("1,280 buckets of scale 5 are 40 octaves", () => {
    expect(histogramOf([1.001, 1.001 * 2 ** 39.9]).scale).toBe(5);
    expect(histogramOf([1.001, 1.001 * 2 ** 40.1]).scale).toBe(4);
  });

  test("reset begins anew at the first scale, with its memory", () => {
    const h = histogramOf([1e-300, 1e300, -1, 0]);
    expect(h.scale).toBeLessThan(5);
    const { heldBytes } = h;
    h.reset();
    expect(stateOf(h)).toEqual(stateOf(new ExponentialHistogram()));
    h.add(3);
    expect(stateOf(h)).toEqual(stateOf(histogramOf([3])));
    expect(h.heldBytes).toBe(heldBytes);
  });

  test("one value takes 64 bytes of buckets, not 10 KB", () => {
    expect(histogramOf([1]).heldBytes).toBe(400 + 64);
  });

  test("an impossible shape is refused", () => {
    expect(() => new ExponentialHistogram({ scale: 21 })).toThrow("BUG:");
    expect(() => new ExponentialHistogram({ maxSize: 1 })).toThrow("BUG:");
  });
});

describe("quantiles", () => {
  test("1, 2 … 100: the harmonic midpoint of the bucket of rank ceil(q n)", () => {
    const h = histogramOf(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(h.quantile(0.5)).toBeCloseTo(49.885, 3);
    expect(h.quantile(0.95)).toBeCloseTo(95.54, 2);
    expect(h.quantile(0.99)).toBeCloseTo(99.77, 2);
    expect(h.quantile(0.07)).toBeCloseTo(7, 0);
  });

  test("a product that rounding lifts above an integer is that integer", () => {
    // 0.07 * 100 = 7.000000000000001
    const h = histogramOf(Array.from({ length: 100 }, (_, i) => 2 ** i));
    const { lower, upper } = h.quantileBounds(0.07);
    expect([lower < 64, upper]).toEqual([true, 64]);
  });

  test("zeros and negative values are in order", () => {
    const h = histogramOf([-100, -10, 0, 0, 10]);
    expect(h.quantile(0)).toBe(-100);
    expect(h.quantile(0.4)).toBeCloseTo(-10, 0);
    expect(h.quantile(0.6)).toBe(0);
    expect(h.quantileBounds(0.8)).toEqual({ value: 0, lower: -0, upper: 0 });
    expect(h.quantile(1)).toBe(10);
    const { lower, upper, value } = h.quantileBounds(0.2);
    expect(lower).toBeLessThanOrEqual(-100);
    expect(upper).toBeGreaterThan(-100);
    expect(Math.abs(value + 100)).toBeLessThan(1.1);
  });

  test("of nothing there is none", () => {
    expect(new ExponentialHistogram().quantile(0.5)).toBeNaN();
  });

  test("without a known minimum and maximum, the ends are midpoints too", () => {
    const h = histogramOf([10, 20]);
    h.min = Number.NaN;
    h.max = Number.NaN;
    expect(h.quantile(0)).not.toBe(10);
    expect(Math.abs(h.quantile(0) - 10)).toBeLessThan(0.11);
    expect(Math.abs(h.quantile(1) - 20)).toBeLessThan(0.22);
  });

  test("an unknown minimum or sum stays unknown through merging, an empty histogram changes nothing", () => {
    const unknown = histogramOf([10]);
    unknown.min = Number.NaN;
    unknown.sum = Number.NaN;
    const h = histogramOf([1, 100]);
    h.merge(unknown);
    h.add(0.5);
    expect([h.min, h.max, h.sum]).toEqual([Number.NaN, 100, Number.NaN]);
    const other = histogramOf([1]);
    other.merge(new ExponentialHistogram({ scale: -3 }));
    expect(stateOf(other)).toEqual(stateOf(histogramOf([1])));
  });
});

describe("the zero threshold", () => {
  test("is the larger one after merging, and buckets within it are zero", () => {
    const wide = histogramOf([8]);
    wide.zeroThreshold = 2;
    const h = histogramOf([0.5, 1, 2, -1, 3, 9]);
    h.merge(wide);
    expect(h.zeroThreshold).toBe(2);
    expect(h.quantileBounds(0.5)).toMatchObject({ lower: -2, upper: 2 });
    const folded = h.folded();
    expect(folded.zeroCount).toBe(4);
    expect(folded.positive.total()).toBe(3);
    expect(folded.negative.isEmpty).toBe(true);
    // The source is untouched.
    expect(h.zeroCount).toBe(0);
  });

  test("a difference counts alike on both sides when the source raised it", () => {
    const before = histogramOf([0.5, 4]);
    const after = histogramOf([4, 4]);
    after.zeroCount = 2;
    after.count += 2;
    after.zeroThreshold = 1;
    const difference = after.difference(before)!;
    expect([difference.zeroCount, difference.positive.total()]).toEqual([1, 1]);
    expect(before.difference(after)).toBeUndefined();
  });
});

test("a fallen bucket or zero count is no difference but a new beginning", () => {
  expect(histogramOf([1, 2]).difference(histogramOf([1, 4]))).toBeUndefined();
  expect(histogramOf([1]).difference(histogramOf([0]))).toBeUndefined();
  expect(histogramOf([1]).difference(histogramOf([-1]))).toBeUndefined();
});
