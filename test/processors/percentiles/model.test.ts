/** Whatever comes in whatever order: everything is accounted for, and nothing is kept in the end. */
import { afterEach, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import type { config } from "../../../processors/percentiles/config.ts";
import type { z } from "../../../src/config/fields.ts";
import { createPayload } from "../../../src/pdata/payload.ts";
import { verifyAndNormalise } from "../../../src/pdata/verify.ts";
import { randomRequest } from "../../support/otlp-random.ts";
import { exponential, exponentialPoint } from "./exponential.ts";
import { gauge, histogram, histogramPoint, type Json, number, Running, t0 } from "./support.ts";

type Config = z.input<typeof config>;

const configs: fc.Arbitrary<Config> = fc.record({
  window: fc.constant("10s"),
  slide: fc.constantFrom("0s", "2s", "5s"),
  group_by: fc.constantFrom(null, [], ["pod"], ["host"]),
  naming: fc.constantFrom("suffix" as const, "attribute" as const),
  bounds: fc.boolean(),
  drop_source: fc.boolean(),
  max_series: fc.constantFrom(1, 3, 1000),
  types: fc.constant(["gauge", "histogram", "exponential_histogram"] as const),
});

const values = fc.oneof(
  fc.constantFrom(0, 1, -1),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: 0.001, max: 1000, noNaN: true }),
);
const bounds = fc.constantFrom([1, 2, 4], [2, 4], [1, 8], [-1, 0, 1], [16]);

type MakePoint = (time: Json, labels: Record<string, string>) => Json;

const points: fc.Arbitrary<MakePoint> = fc.oneof<fc.Arbitrary<MakePoint>[]>(
  values.map(
    (value) => (time, labels) => gauge("m", [{ ...number(value, undefined, labels), ...time }]),
  ),
  fc
    .tuple(
      fc.array(values, { maxLength: 5 }),
      fc.integer({ min: -2, max: 9 }),
      fc.constantFrom(1, 2),
    )
    .map(
      ([list, scale, temporality]) =>
        (time, labels) =>
          exponential("m", temporality, exponentialPoint(list, { scale, labels, rest: time })),
    ),
  fc.tuple(bounds, fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }), fc.constantFrom(1, 2)).map(
    ([list, counts, temporality]) =>
      (time, labels) =>
        histogram(
          "m",
          temporality,
          histogramPoint({
            bounds: list,
            counts: counts.slice(0, list.length + 1),
            labels,
            rest: time,
          }),
        ),
  ),
);

const steps = fc.oneof(
  { weight: 5, arbitrary: fc.record({ point: points, pod: fc.nat(4), lagMs: fc.nat(5000) }) },
  { weight: 1, arbitrary: fc.record({ advanceMs: fc.nat(12_000) }) },
  { weight: 1, arbitrary: fc.record({ advanceMs: fc.constant(400_000) }) },
);

let running: Running | undefined;
afterEach(() => running?.stage.shutdown(AbortSignal.abort()));

test("property: budget, counts and order of times hold", async () => {
  await fc.assert(
    fc.asyncProperty(
      configs,
      fc.array(steps, { maxLength: 25 }),
      fc.nat(2),
      async (keys, list, tight) => {
        const r = new Running(keys, tight === 0 ? { budgetBytes: 20_000 } : {});
        running = r;
        let sent = 0;
        for (const step of list) {
          if ("advanceMs" in step) await r.clock.advance(step.advanceMs);
          else {
            const time = { timeUnixNano: `${r.clock.now() - step.lagMs}000000` };
            await r.send([step.point(time, { pod: `p${step.pod}` })], { host: `h${step.pod % 2}` });
            sent++;
          }
        }
        await r.clock.advance(keys.slide === "0s" ? 10_000 : 5000);
        await r.stage.shutdown(new AbortController().signal);
        expect(r.settings.budget.usedBytes).toBe(0);
        expect(r.sampled).toBeLessThanOrEqual(sent);
        const made = r.made();
        const ends = new Map<string, number>();
        for (const { name, resource, attributes, timeMs, startMs, value, isStale } of made) {
          const key = JSON.stringify([name, resource, attributes]);
          expect(timeMs).toBeGreaterThan(ends.get(key) ?? t0);
          expect(timeMs - startMs).toBeLessThanOrEqual(10_000);
          ends.set(key, timeMs);
          expect(value === undefined).toBe(isStale);
          expect(value).not.toBeNaN();
        }
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);

test("random OTLP: no error of its own, what it does not sample goes on as the same bytes", async () => {
  for (let seed = 0; seed < 400; seed++) {
    const order = (["ascending", "descending", "shuffled"] as const)[seed % 3]!;
    const bytes = randomRequest("metrics", seed, { order, unknown: seed % 2 === 0 });
    const { bytes: regular, items } = verifyAndNormalise("metrics", bytes);
    const payload = createPayload("metrics", [regular], [items]);
    const r = new Running({
      types: ["gauge", "sum", "histogram", "exponential_histogram"],
      group_by: ([null, [], ["pod"]] as const)[seed % 3] as null,
      output: seed % 4 === 0 ? "summary" : "gauge",
      slide: seed % 5 === 0 ? "10s" : "0s",
    });
    running = r;
    await r.give(payload);
    await r.give(payload);
    expect(r.edge.payloads).toEqual([payload, payload]);
    await r.clock.advance(60_000);
    r.made();
    await r.stage.shutdown(new AbortController().signal);
    expect(r.log.of("internal")).toEqual([]);
    expect(r.settings.budget.usedBytes).toBe(0);
  }
}, 120_000);
