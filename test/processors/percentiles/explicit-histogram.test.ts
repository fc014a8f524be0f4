import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import {
  ExplicitHistogram,
  readExplicitPoint,
  sharedBounds,
} from "../../../processors/percentiles/explicit-histogram.ts";
import { Writer } from "../../../src/pdata/wire.ts";

interface Extremes {
  readonly min?: number;
  readonly max?: number;
}

function of(bounds: number[], counts: number[], extremes: Extremes = {}): ExplicitHistogram {
  const h = new ExplicitHistogram(Float64Array.from(bounds), Float64Array.from(counts));
  h.min = extremes.min ?? Number.NaN;
  h.max = extremes.max ?? Number.NaN;
  return h;
}

/** [value, lower, upper] */
const at = (h: ExplicitHistogram, q: number) => {
  const { value, lower, upper } = h.quantileBounds(q);
  return [value, lower, upper];
};

describe("where a quantile lies", () => {
  test("linear inside its bucket", () => {
    const h = of([0.1, 0.5, 1], [30, 50, 20, 0]);
    expect(at(h, 0.5)[0]).toBeCloseTo(0.26, 12);
    expect(at(h, 0.95)).toEqual([0.875, 0.5, 1]);
  });

  test("a rank on a border belongs to the bucket below", () => {
    const h = of([1, 2, 3], [7, 0, 3, 0]);
    expect(at(h, 0.7)).toEqual([1, 0, 1]);
    expect(at(h, 0.70000001)[1]).toBe(2);
  });

  test("the first bucket begins at min, at 0, or is its bound", () => {
    expect(at(of([10, 20], [4, 0, 0], { min: 6 }), 0.5)).toEqual([8, 6, 10]);
    expect(at(of([10, 20], [4, 0, 0]), 0.5)).toEqual([5, 0, 10]);
    expect(at(of([-10, 20], [4, 0, 0]), 0.5)).toEqual([-10, -Infinity, -10]);
    expect(at(of([0, 20], [4, 0, 0]), 0.5)).toEqual([0, -Infinity, 0]);
  });

  test("the last bucket ends at max, or is its lower bound", () => {
    expect(at(of([10, 20], [0, 0, 4], { max: 30 }), 0.5)).toEqual([25, 20, 30]);
    expect(at(of([10, 20], [0, 0, 4]), 0.5)).toEqual([20, 20, Infinity]);
  });

  test("min and max where they are known, and never beyond them", () => {
    const h = of([10, 20], [0, 4, 0], { min: 13, max: 14 });
    expect([0, 0.01, 0.5, 0.99, 1].map((q) => h.quantileBounds(q).value)).toEqual([
      13, 13, 14, 14, 14,
    ]);
    const unknown = of([10, 20], [0, 4, 0]);
    expect([0, 1].map((q) => unknown.quantileBounds(q).value)).toEqual([10, 20]);
  });

  test("of nothing: nothing", () => {
    expect(at(of([1], [0, 0]), 0.5)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });
});

const histograms = fc
  .uniqueArray(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 8 })
  .chain((bounds) =>
    fc.record({
      bounds: fc.constant(bounds.toSorted((a, b) => a - b)),
      counts: fc.array(fc.nat(50), { minLength: bounds.length + 1, maxLength: bounds.length + 1 }),
    }),
  );

test("property: quantiles rise with q and lie within their limits", () => {
  fc.assert(
    fc.property(
      histograms,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true })),
      ({ bounds, counts }, qs) => {
        fc.pre(counts.some((count) => count > 0));
        const h = of(bounds, counts);
        let last = -Infinity;
        for (const q of qs.toSorted((a, b) => a - b)) {
          const { value, lower, upper } = h.quantileBounds(q);
          expect(value).toBeGreaterThanOrEqual(Math.max(last, lower));
          expect(value).toBeLessThanOrEqual(upper);
          last = value;
        }
      },
    ),
  );
});

test("property: merging is exact where bounds are equal, in any order, and keeps every count where not", () => {
  fc.assert(
    fc.property(histograms, histograms, (a, b) => {
      const shared = sharedBounds(Float64Array.from(a.bounds), Float64Array.from(b.bounds));
      const merge = (...list: { bounds: number[]; counts: number[] }[]) => {
        const to = new ExplicitHistogram(shared);
        for (const { bounds, counts } of list) to.merge(of(bounds, counts));
        return to;
      };
      const ab = merge(a, b);
      expect([...ab.counts]).toEqual([...merge(b, a).counts]);
      // How many values are at most as large as each shared bound is known of both.
      shared.forEach((bound, i) => {
        const below = ({ bounds, counts }: { bounds: number[]; counts: number[] }) =>
          counts.slice(0, bounds.indexOf(bound) + 1).reduce((x, y) => x + y, 0);
        const actual = ab.counts.slice(0, i + 1).reduce((x, y) => x + y, 0);
        expect(actual).toBe(below(a) + below(b));
      });
      const reduced = of(a.bounds, a.counts);
      reduced.reduceTo(shared);
      expect([...reduced.counts]).toEqual([...merge(a).counts]);
    }),
  );
});

test("property: the difference to an earlier state is what came since", () => {
  fc.assert(
    fc.property(histograms, fc.array(fc.nat(9)), ({ bounds, counts }, more) => {
      const later = counts.map((count, i) => count + (more[i] ?? 0));
      const difference = of(bounds, later).difference(of(bounds, counts));
      expect([...difference!.counts]).toEqual(counts.map((_, i) => more[i] ?? 0));
    }),
  );
});

test("fields that are not packed are read too", () => {
  const out = new Writer();
  for (const bound of [1, 2]) {
    out.tag(7, 1);
    out.double(bound);
  }
  for (const count of [3n, 4n, 5n]) {
    out.tag(6, 1);
    out.fixed64(count);
  }
  const bytes = out.take();
  const h = readExplicitPoint(bytes, 0, bytes.length)!;
  expect([[...h.bounds], [...h.counts], h.min]).toEqual([[1, 2], [3, 4, 5], Number.NaN]);
});
