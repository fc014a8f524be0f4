/** What all conversions of temporality share: identity, bounds, expiry, undoing, bytes. */
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { config as deltaConfig } from "../../../processors/cumulative_to_delta/config.ts";
import { cumulativeToDelta } from "../../../processors/cumulative_to_delta/cumulative-to-delta.ts";
import { config as cumulativeConfig } from "../../../processors/delta_to_cumulative/config.ts";
import { deltaToCumulative } from "../../../processors/delta_to_cumulative/delta-to-cumulative.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { TemporalityStage } from "../../../src/metrics/temporality-stage.ts";
import { createPayload } from "../../../src/pdata/payload.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { toDelta } from "../../processors/cumulative_to_delta/support.ts";
import { toCumulative } from "../../processors/delta_to_cumulative/support.ts";
import { metricsOf, metricsRequest, objectOf, payloadOf } from "../../support/otlp-objects.ts";
import {
  numberPoint as at,
  histogramOf,
  histogramPoint as hp,
  type MetricObject,
  pointsOf,
  sumOf,
  TestedStage,
  valuesOf,
  withoutZeros,
} from "../../support/temporality.ts";

const dropping = () => toDelta({ initial_value: "drop" });
const busy = new TelemetryError("QUEUE_FULL", "full", { retryable: true });

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const withAttributes = (time: number, value: bigint, attributes: unknown[]) => ({
  ...at([1, time], value),
  attributes,
});

describe("a series is its content", () => {
  test("not the order of its attributes, nor the description of its metric", async () => {
    const tested = dropping();
    const attributes = [text("a", "1"), text("b", "2")];
    await tested.run([sumOf(2, [withAttributes(10, 5n, attributes)])]);
    const later = sumOf(2, [withAttributes(20, 8n, attributes.toReversed())]);
    expect(valuesOf(await tested.run([{ ...later, description: "new" }]))).toEqual([3n]);
    expect(tested.settings.meter.value("rmt_series", { component: "test" })).toBe(1);
  });

  type Source = (metrics: unknown, source: string) => unknown;
  const sources: [string, Source][] = [
    [
      "resource attribute",
      (metrics, source) => metricsRequest(metrics, { attributes: [text("s", source)] }),
    ],
    [
      "resource schema",
      (metrics, schemaUrl) => ({ resourceMetrics: [{ schemaUrl, scopeMetrics: [{ metrics }] }] }),
    ],
    [
      "scope name",
      (metrics, name) => ({ resourceMetrics: [{ scopeMetrics: [{ scope: { name }, metrics }] }] }),
    ],
    [
      "scope version",
      (metrics, version) => ({
        resourceMetrics: [{ scopeMetrics: [{ scope: { name: "x", version }, metrics }] }],
      }),
    ],
    [
      "scope attribute",
      (metrics, source) => ({
        resourceMetrics: [
          { scopeMetrics: [{ scope: { attributes: [text("s", source)] }, metrics }] },
        ],
      }),
    ],
    [
      "scope schema",
      (metrics, schemaUrl) => ({ resourceMetrics: [{ scopeMetrics: [{ schemaUrl, metrics }] }] }),
    ],
  ];
  // As the Collector's scope_partition_test.go: A, B, A with values 1, 3, 3.
  test.each(sources)("another %s is another series", async (_what, requestOf) => {
    const tested = dropping();
    const run = async (source: string, time: number, value: bigint) => {
      const request = requestOf([sumOf(2, [at([1, time], value)])], source);
      return metricsOf(await tested.consume(payloadOf("metrics", request)));
    };
    expect(await run("A", 20, 1n)).toEqual([]);
    expect(await run("B", 25, 3n)).toEqual([]);
    expect(valuesOf(await run("A", 40, 3n))).toEqual([2n]);
  });

  test("another unit is another series", async () => {
    const tested = dropping();
    const metric = (unit: string, value: bigint) => ({ ...sumOf(2, [at([1, 10], value)]), unit });
    await tested.run([metric("s", 5n), metric("ms", 9n)]);
    const [seconds, millis] = await tested.run([metric("s", 6n), metric("ms", 11n)]);
    expect([valuesOf([seconds!]), valuesOf([millis!])]).toEqual([[1n], [2n]]);
  });
});

describe("bounds", () => {
  const host = (i: number, time: number, value: bigint) => at([1, time], value, `h${i}`);

  test("points of series beyond the limit are dropped, counted, explained once; the others go on", async () => {
    const tested = toDelta({ initial_value: "drop", max_series: 2 });
    for (const time of [10, 20]) {
      const points = [0, 1, 2, 3].map((i) => host(i, time, BigInt(time)));
      const metrics = await tested.run([sumOf(2, points)]);
      expect(metrics).toHaveLength(time === 10 ? 0 : 1);
    }
    expect(tested.dropped).toEqual({ initial: 2, limit: 4 });
    const warnings = tested.said.filter(({ message }) => message.includes("raise max_series"));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.fields).toMatchObject({
      largest_metric: "requests",
      largest_metric_series: 2,
    });
    const top = { component: "test", metric: "requests" };
    expect(tested.settings.meter.value("rmt_series_of_metric", top)).toBe(2);
    const overflow = { component: "test" };
    expect(tested.settings.meter.value("rmt_series_overflow_points", overflow)).toBe(4);
  });

  test.each([
    ["cumulative to delta", 2],
    ["delta to cumulative", 1],
  ] as const)(
    "states are bounded in bytes, also those that grow: %s",
    async (_name, temporality) => {
      const maxStateBytes = 2500;
      const tested = new TestedStage((settings, next) => {
        if (temporality === 1) {
          const options = deltaToCumulative(cumulativeConfig.parse({}));
          const states = { ...options.states, maxStateBytes };
          return new TemporalityStage({ ...options, states }, settings, next);
        }
        const options = cumulativeToDelta(deltaConfig.parse({ initial_value: "keep" }), settings);
        const states = { ...options.states, maxStateBytes };
        return new TemporalityStage({ ...options, states }, settings, next);
      });
      const long = Array.from({ length: 500 }, () => 1);
      const counter = (time: number, value: bigint) => sumOf(temporality, [at([1, time], value)]);
      await tested.run([counter(10, 1n), histogramOf(temporality, [hp([1, 10], [1])])]);
      const metrics = await tested.run([
        histogramOf(temporality, [hp([1, 20], long)]),
        histogramOf(temporality, [hp([1, 20], long)], "another"),
        counter(20, 5n),
      ]);
      expect(metrics.map(({ name }) => name)).toEqual(["requests"]);
      expect(tested.dropped).toEqual({ limit: 2 });
      expect(
        tested.settings.meter.value("rmt_series_state_bytes", { component: "test" }),
      ).toBeLessThan(maxStateBytes);
      // What could not be remembered changed nothing.
      const [after] = await tested.run([histogramOf(temporality, [hp([1, 30], [3])])]);
      expect(after).toMatchObject({
        histogram: { dataPoints: [{ count: temporality === 2 ? "2" : "4" }] },
      });
    },
  );

  test("stale series are forgotten by the clock and counted; the room is free again", async () => {
    const tested = toDelta({ initial_value: "drop", max_series: 2, max_staleness: "10m" });
    await tested.stage.start?.();
    await tested.run([sumOf(2, [host(0, 10, 1n), host(1, 10, 1n)])]);
    await tested.clock.advance(8 * 60_000);
    await tested.run([sumOf(2, [host(1, 20, 2n)])]);
    await tested.clock.advance(4 * 60_000);
    const { meter } = tested.settings;
    expect(meter.value("rmt_series", { component: "test" })).toBe(1);
    expect(meter.value("rmt_series_expired", { component: "test" })).toBe(1);
    const metrics = await tested.run([
      sumOf(2, [host(0, 30, 9n), host(1, 30, 5n), host(2, 30, 1n)]),
    ]);
    expect(valuesOf(metrics)).toEqual([3n]);
    expect(tested.dropped).toEqual({ initial: 3, limit: 1 });
    await tested.stage.shutdown?.(new AbortController().signal);
    expect(tested.clock.pending).toBe(0);
  });

  test("max_staleness 0 keeps series for ever: no timer", async () => {
    const tested = toDelta({ max_staleness: "0s" });
    await tested.stage.start?.();
    expect(tested.clock.pending).toBe(0);
    await tested.stage.shutdown?.(new AbortController().signal);
  });

  test("many series are looked at in slices, and the bytes of what is kept are counted", async () => {
    const tested = toDelta({ initial_value: "drop", max_staleness: "1m" });
    await tested.stage.start?.();
    const bytes = () =>
      tested.settings.meter.value("rmt_series_state_bytes", { component: "test" });
    const points = Array.from({ length: 25_000 }, (_, i) => host(i, 10, 1n));
    await tested.run([sumOf(2, points), histogramOf(2, [hp([1, 10], [1, 2, 3])])]);
    expect(bytes()).toBeGreaterThan(25_001 * 300);
    await tested.clock.advance(60_000);
    await tested.clock.advance(60_000);
    expect(tested.settings.meter.value("rmt_series", { component: "test" })).toBe(0);
    expect(bytes()).toBe(0);
    await tested.stage.shutdown?.(new AbortController().signal);
  });

  test("shutdown works without start, and twice", async () => {
    const { stage } = dropping();
    const stop = async () => stage.shutdown?.(new AbortController().signal);
    await expect(stop()).resolves.toBeUndefined();
    await expect(stop()).resolves.toBeUndefined();
  });
});

describe("what the next stage refuses", () => {
  test.each([
    ["cumulative to delta", dropping, [5n, 12n], [7n]],
    ["delta to cumulative", toCumulative, [5n, 12n], [17n]],
  ] as const)(
    "is converted again at the second attempt: %s",
    async (name, make, values, expected) => {
      const tested = make();
      const temporality = name === "cumulative to delta" ? 2 : 1;
      const send = (i: number) => tested.run([sumOf(temporality, [at([1, 10 + i], values[i]!)])]);
      await send(0);
      const { dropped } = tested;
      tested.edge.refusal = busy;
      await expect(send(1)).rejects.toBe(busy);
      await expect(send(1)).rejects.toBe(busy);
      tested.edge.refusal = undefined;
      expect(valuesOf(await send(1))).toEqual(expected);
      // What was found in a payload counts when the payload was taken.
      expect(tested.dropped).toEqual(dropped);
    },
  );

  test("a new series is new again, histograms too, and takes no room", async () => {
    const tested = toDelta();
    const metrics = [sumOf(2, [at([1001, 1010], 5n)]), histogramOf(2, [hp([1001, 1010], [1, 2])])];
    tested.edge.refusal = busy;
    await expect(tested.run(metrics)).rejects.toBe(busy);
    expect(tested.settings.meter.value("rmt_series", { component: "test" })).toBe(0);
    expect(tested.settings.meter.value("rmt_series_state_bytes", { component: "test" })).toBe(0);
    tested.edge.refusal = undefined;
    expect(valuesOf((await tested.run(metrics)).slice(0, 1))).toEqual([5n]);
  });

  test.each([
    ["cumulative to delta", dropping, 2, [1, 1, 1]],
    ["delta to cumulative", toCumulative, 1, [3, 5, 7]],
  ] as const)(
    "several changes of a series are undone, those of its bounds, too: %s",
    async (_name, make, temporality, expected) => {
      const tested = make();
      const run = (...points: (typeof first)[]) => tested.run([histogramOf(temporality, points)]);
      const bytes = () =>
        tested.settings.meter.value("rmt_series_state_bytes", { component: "test" });
      const first = hp([1, 10], [1, 2, 3], { sum: 1 });
      await run(first);
      const before = bytes();
      tested.edge.refusal = busy;
      const points = [
        hp([1, 20], [5, 5, 5], { sum: 50 }),
        hp([1, 30], [7, 7, 7, 7], { sum: 90 }),
        hp([1, 40], [9, 9, 9, 9]),
      ];
      await expect(run(...points)).rejects.toBe(busy);
      tested.edge.refusal = undefined;
      expect(bytes()).toBe(before);
      const after = await run(hp([1, 15], [2, 3, 4], { sum: 3 }));
      expect(pointsOf(after)).toMatchObject([
        { bucketCounts: expected.map(String), sum: temporality === 2 ? 2 : 4 },
      ]);
    },
  );

  test("a series that went on meanwhile is not taken back", async () => {
    const tested = toCumulative();
    const send = (time: number) => tested.run([sumOf(1, [at([time - 10, time], 1n)])]);
    await send(10);
    tested.edge.isSlow = true;
    const [first, second] = [send(20), send(30)];
    tested.edge.refusal = busy;
    tested.edge.answer();
    await expect(first).rejects.toBe(busy);
    tested.edge.refusal = undefined;
    tested.edge.answer();
    expect(valuesOf(await second)).toEqual([3n]);
    tested.edge.isSlow = false;
    expect(valuesOf(await send(40))).toEqual([4n]);
  });
});

describe("bytes", () => {
  test("a payload without a metric that is meant is the same object", async () => {
    const tested = dropping();
    const payload = payloadOf(
      "metrics",
      metricsRequest([sumOf(1, [at([1, 10], 1n)]), { name: "g", gauge: { dataPoints: [{}] } }]),
    );
    expect(await tested.consume(payload)).toBe(payload);
  });

  test("metrics without points, unknown fields and what stands beside a converted metric stay", async () => {
    const unknown = (out: Writer) => out.string(77, "unknown");
    const out = new Writer();
    const resource = out.begin(1);
    const scope = out.begin(2);
    const empty = out.begin(2);
    out.string(1, "empty");
    const none = out.begin(7);
    out.tag(2, 0);
    out.varint(2);
    out.tag(3, 0);
    out.varint(1);
    out.end(none);
    out.end(empty);
    const metric = out.begin(2);
    unknown(out);
    const data = out.begin(7);
    out.tag(3, 0);
    out.varint(1);
    const point = out.begin(1);
    unknown(out);
    out.tag(6, 1);
    out.fixed64(5n);
    out.end(point);
    unknown(out);
    out.tag(2, 0);
    out.varint(1);
    out.end(data);
    out.string(1, "sum");
    out.end(metric);
    out.end(scope);
    out.end(resource);
    const bytes = out.take();
    const result = await toCumulative().consume(createPayload("metrics", [bytes], [1]));
    const after = Buffer.from(result!.parts[0]!);
    expect(after.toString("latin1").split("unknown")).toHaveLength(4);
    expect(objectOf(result)).toEqual({
      resourceMetrics: [
        {
          scopeMetrics: [
            {
              metrics: [
                { name: "empty", sum: { aggregationTemporality: 2, isMonotonic: true } },
                {
                  name: "sum",
                  sum: {
                    aggregationTemporality: 2,
                    isMonotonic: true,
                    dataPoints: [{ asInt: "5" }],
                  },
                },
              ],
            },
          ],
        },
      ],
    });
  });

  test("parts of several requests, and shapes that readers understand differently", async () => {
    const tested = toCumulative();
    const part = (time: number) =>
      payloadOf(
        "metrics",
        metricsRequest([
          sumOf(1, [at([1, time], 1n)]),
          sumOf(2, [at([1, time], 9n)], { name: "other" }),
        ]),
      ).parts[0]!;
    // A resource given twice: the walk begins anew on the payload's regular form, the sums must not.
    const twice = new Writer();
    const resource = twice.begin(1);
    for (const key of ["a", "b"]) {
      const at1 = twice.begin(1);
      const attribute = twice.begin(1);
      twice.string(1, key);
      twice.end(attribute);
      twice.end(at1);
    }
    const inner = payloadOf("metrics", metricsRequest([sumOf(1, [at([1, 40], 1n)])])).parts[0]!;
    // The body of its ResourceMetrics.
    twice.raw(inner, inner.length < 130 ? 2 : 3);
    twice.end(resource);
    const payload = createPayload("metrics", [part(10), part(20), twice.take()], [2, 2, 1], [0, 1]);
    const result = await tested.consume(payload);
    expect(result!.parts).toHaveLength(3);
    expect(result!.seams).toEqual([0, 1]);
    const sums = metricsOf(result).filter(({ name }) => name === "requests");
    expect(sums.map((metric) => valuesOf([metric])[0])).toEqual([1n, 2n, 1n]);
  });
});

describe("model", () => {
  /** Steps of several series: which, how much more, whether the next stage refuses once. */
  const steps = fc.array(
    fc.record({
      series: fc.nat(3),
      more: fc.nat(1000),
      isRefused: fc.boolean(),
    }),
    { maxLength: 40 },
  );

  const seriesName = (series: number) => `s${series}`;

  test("the deltas of a counter add up to its growth, whatever is refused on the way", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const tested = toDelta();
        const totals = [0n, 0n, 0n, 0n];
        const received = [0n, 0n, 0n, 0n];
        for (const [i, { series, more, isRefused }] of list.entries()) {
          totals[series]! += BigInt(more);
          const point = at([1001, 1010 + i], totals[series]!, seriesName(series));
          await attempts(tested, isRefused, [sumOf(2, [point])], (metrics) => {
            received[series]! += valuesOf(metrics)[0] as bigint;
          });
        }
        expect(received).toEqual(totals);
      }),
    );
  });

  test("cumulative to delta and back gives what came in", async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const [forth, back] = [toDelta(), toCumulative()];
        const totals = [
          [0, 0],
          [0, 0],
          [0, 0],
          [0, 0],
        ];
        for (const [i, { series, more, isRefused }] of list.entries()) {
          totals[series]![i % 2]! += more;
          const attributes = [text("s", seriesName(series))];
          const sum = totals[series]![0]! + 2 * totals[series]![1]!;
          const point = hp([1001, 1010 + i], totals[series]!, { attributes, sum });
          const metrics = [histogramOf(2, [point])];
          let deltas: MetricObject[] = [];
          await attempts(forth, isRefused, metrics, (result) => {
            deltas = result;
          });
          await attempts(back, !isRefused, deltas, (result) =>
            expect(withoutZeros(result)).toEqual(withoutZeros(metrics)),
          );
        }
      }),
      { numRuns: 50 },
    );
  });

  async function attempts(
    tested: ReturnType<typeof toDelta>,
    isRefused: boolean,
    metrics: readonly unknown[],
    take: (result: MetricObject[]) => void,
  ): Promise<void> {
    if (isRefused) {
      tested.edge.refusal = busy;
      await expect(tested.run(metrics)).rejects.toBe(busy);
      tested.edge.refusal = undefined;
    }
    take(await tested.run(metrics));
  }

  test("no payload of random points breaks it, and every point is there or counted", async () => {
    const value = fc.oneof(fc.double(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }));
    const points = fc.array(
      fc
        .tuple(fc.nat(3), fc.nat(20), fc.nat(20), value)
        .map(([series, start, time, number]) => at([start, time], number, seriesName(series))),
      { maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(points, { maxLength: 4 }), fc.boolean(), async (lists, isDelta) => {
        const tested = isDelta ? toCumulative() : toDelta({ initial_value: "keep" });
        let left = 0;
        for (const list of lists) {
          left += valuesOf(await tested.run([sumOf(isDelta ? 1 : 2, list)])).length;
        }
        const dropped = Object.values(tested.dropped).reduce((a, b) => a + b, 0);
        expect(left + dropped).toBe(lists.flat().length);
      }),
    );
  });
});
