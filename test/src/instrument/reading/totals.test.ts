/** Readers of totals beside a sender of deltas: neither may notice the other. */
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { ExplicitFamily } from "../../../../src/instrument/metrics/explicit-family.ts";
import { ExponentialFamily } from "../../../../src/instrument/metrics/exponential-family.ts";
import { NumberFamily } from "../../../../src/instrument/metrics/number-family.ts";
import { prometheusText } from "../../../../src/instrument/reading/prometheus-text.ts";
import { Bench, type Point, pointsOf } from "../../../support/instrument-points.ts";

const page = (bench: Bench) => prometheusText(bench.meter.families, [], bench.problems);

/** Instruments that keep what is recorded in whole numbers, so that sums are exact. */
class Recording {
  readonly #bench: Bench;
  #observed = 0;

  constructor(bench: Bench) {
    this.#bench = bench;
    bench.meter.observe("observed", "counter", {}, (observe) => observe(this.#observed));
  }

  record(value: number, side: number): void {
    const { meter } = this.#bench;
    meter.counter("counter").add(value, { side });
    meter.upDownCounter("updown").add(side === 0 ? value : -value);
    meter.gauge("gauge").record(value, { side });
    meter.histogram("explicit", { boundaries: [3, 10, 100] }).record(value, { side });
    meter.histogram("exponential").record(value, { side });
    this.#observed += value;
  }
}

const step = fc.oneof(
  fc.tuple(fc.nat({ max: 1000 }), fc.nat({ max: 2 })),
  fc.constantFrom("send", "read"),
);

test("property: pages are those of an application that sends nothing", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const sending = new Bench({ isDelta: true });
      const silent = new Bench();
      const recordings = [new Recording(sending), new Recording(silent)];
      for (const one of steps) {
        if (one === "send") sending.collect();
        else if (one === "read") expect(page(sending)).toBe(page(silent));
        else for (const recording of recordings) recording.record(...one);
      }
      expect(page(sending)).toBe(page(silent));
    }),
  );
});

test("property: deltas are those of an application that nobody reads", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const read = new Bench({ isDelta: true });
      const unread = new Bench({ isDelta: true });
      const recordings = [new Recording(read), new Recording(unread)];
      const essence = (points: Point[]) =>
        points.map(({ fields, ...rest }) => ({ ...rest, more: JSON.stringify(fields) }));
      for (const one of steps) {
        if (one === "read") page(read);
        else if (one === "send") expect(essence(read.collect())).toEqual(essence(unread.collect()));
        else for (const recording of recordings) recording.record(...one);
      }
      expect(essence(read.collect())).toEqual(essence(unread.collect()));
    }),
  );
});

test("a read in the middle of a sliced pass of deltas loses nothing", () => {
  const bench = new Bench({ isDelta: true });
  let total = 0;
  bench.meter.observe("o", "counter", {}, (observe) => {
    for (let i = 0; i < 500; i++) observe(total, { i });
  });
  const counter = bench.meter.counter("c");
  let observed = 0;
  let counted = 0;
  const collectWithReads = () => {
    for (const request of bench.steps({ sliceMs: -1 })) {
      if (request === undefined) {
        total++;
        counter.add(1);
        page(bench);
      } else {
        for (const point of pointsOf(request.body)) {
          if (point.metric === "c") counted += point.value!;
          else if (point.attributes["i"] === 499) observed += point.value!;
        }
      }
    }
  };
  for (let round = 0; round < 3; round++) collectWithReads();
  for (const point of bench.collect()) {
    if (point.metric === "c") counted += point.value!;
    else if (point.attributes["i"] === 499) observed += point.value!;
  }
  expect(total).toBeGreaterThan(10);
  expect([counted, observed]).toEqual([total, total]);
});

test("a callback that asks for a page gets one", () => {
  const bench = new Bench();
  let calls = 0;
  let inner = "";
  bench.meter.observe("o", "gauge", {}, (observe) => {
    calls++;
    inner = page(bench);
    observe(7);
  });
  expect(page(bench)).toContain("o 7\n");
  expect(inner).not.toContain("o 7");
  expect(calls).toBe(1);
  expect(bench.codes).toEqual([]);
});

test("what a reader gets is a copy", () => {
  const bench = new Bench({ isDelta: true });
  bench.meter.histogram("h", { boundaries: [1] }).record(1);
  bench.meter.histogram("e").record(1);
  bench.meter.counter("c").add(1);
  bench.collect();
  bench.meter.histogram("h", { boundaries: [1] }).record(5);
  const [explicit, exponential, counter] = bench.meter.families;
  if (!(explicit instanceof ExplicitFamily)) throw new Error("no explicit histogram");
  if (!(exponential instanceof ExponentialFamily)) throw new Error("no exponential histogram");
  if (!(counter instanceof NumberFamily)) throw new Error("no counter");
  const total = explicit.totalOf(0);
  expect([...total.counts]).toEqual([1, 1]);
  expect(total).toMatchObject({ count: 2, sum: 6, min: 1, max: 5 });
  total.counts.fill(9);
  exponential.totalOf(0).add(9);
  expect(explicit.totalOf(0).count).toBe(2);
  expect(exponential.totalOf(0).count).toBe(1);
  expect(counter.totalOf(0)).toBe(1);
});
