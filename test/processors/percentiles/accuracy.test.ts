import { describe, expect, test } from "@jest/globals";
import { ExponentialHistogram } from "../../../src/metrics/exponential-histogram.ts";
import { exponential, exponentialPoint } from "./exponential.ts";
import { gauge, number, Running } from "./support.ts";

const samples = 1_000_000;
const guaranteed = 0.011;

/** Numbers within 0 and 1, the same in every run (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const next = random(7);
const normal = () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

const distributions = {
  "log-normal": () => Math.exp(3 + 1.2 * normal()),
  bimodal: () => (next() < 0.7 ? 2 + 0.3 * next() : 900 + 150 * normal()),
  constant: () => 42,
  "heavy-tailed": () => 5 * (1 - next()) ** (-1 / 1.2),
};

const quantiles = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999];
const exactly = (sorted: Float64Array, q: number) =>
  sorted[Math.max(1, Math.ceil(q * sorted.length * (1 - 1e-12))) - 1]!;

describe.each(Object.entries(distributions))("%s", (_name, draw) => {
  const values = Float64Array.from({ length: samples }, draw);
  const sorted = values.toSorted();

  /** Of all quantiles. */
  function worstError(valueOf: (q: number) => number): number {
    const errors = quantiles.map((q) => {
      const exact = exactly(sorted, q);
      return Math.abs((valueOf(q) - exact) / exact);
    });
    return Math.max(...errors);
  }

  test("a million samples are within 1.1 %, merged in any order and grouping", () => {
    const shards = Array.from({ length: 16 }, () => new ExponentialHistogram());
    values.forEach((value, i) => shards[i % 16]!.add(value));
    const merge = (list: readonly ExponentialHistogram[]) => {
      const all = new ExponentialHistogram();
      for (const shard of list) all.merge(shard);
      return all;
    };
    const inOrder = merge(shards);
    const backwards = merge(shards.toReversed());
    const grouped = merge([
      merge(shards.slice(3, 9)),
      merge(shards.slice(9)),
      merge(shards.slice(0, 3)),
    ]);
    expect(worstError((q) => inOrder.quantile(q))).toBeLessThanOrEqual(guaranteed);
    for (const q of quantiles) {
      expect(backwards.quantile(q)).toBe(inOrder.quantile(q));
      expect(grouped.quantile(q)).toBe(inOrder.quantile(q));
    }
  });

  test("the same through the processor, from histograms of several senders and raw values", async () => {
    const r = new Running({
      quantiles,
      group_by: [],
      types: ["gauge", "exponential_histogram"],
      slide: "10s",
    });
    const tenth = samples / 10;
    for (let i = 0; i < 9; i++) {
      const part = values.subarray(i * tenth, (i + 1) * tenth);
      await r.send([exponential("lat", 1, exponentialPoint(part, { labels: { pod: i } }))]);
      if (i % 2 === 1) await r.clock.advance(10_000);
    }
    for (let from = 9 * tenth; from < samples; from += 10_000) {
      const points = [...values.subarray(from, from + 10_000)].map((value) => number(value));
      await r.send([gauge("lat", points)]);
    }
    r.made();
    const points = await r.after(10_000);
    expect(worstError((q) => points[quantiles.indexOf(q)]!.value!)).toBeLessThanOrEqual(guaranteed);
  }, 60_000);
});
