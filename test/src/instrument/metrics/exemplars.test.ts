import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { context, type SpanContext, TraceFlags, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { createPayload } from "../../../../src/pdata/payload.ts";
import { verify } from "../../../../src/pdata/verify.ts";
import { startExporter } from "../../../exporters/prometheus/support.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const sampled: SpanContext = { traceId, spanId, traceFlags: TraceFlags.SAMPLED };

/** Runs with a span, as an instrumented request handler does. */
function within<T>(span: SpanContext, run: () => T): T {
  return context.with(trace.setSpanContext(context.active(), span), run);
}

interface Exemplar {
  readonly value: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly timeMs: number;
}

function exemplarsOf(point: Point): Exemplar[] {
  const list = (point.fields["exemplars"] ?? []) as Record<string, string>[];
  const hex = (base64: string) => Buffer.from(base64, "base64").toString("hex");
  return list.map((exemplar) => ({
    value: Number(exemplar["asDouble"]),
    traceId: hex(exemplar["traceId"]!),
    spanId: hex(exemplar["spanId"]!),
    timeMs: Number(BigInt(String(exemplar["timeUnixNano"])) / 1_000_000n),
  }));
}

/** Values of the exemplars of every point. */
const valuesOf = (points: readonly Point[]) =>
  points.map((point) => exemplarsOf(point).map(({ value }) => value));

describe("with a context manager", () => {
  let bench: Bench;
  beforeEach(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    bench = new Bench();
    bench.collect();
  });
  afterEach(() => context.disable());

  test("counters and both kinds of histograms, bound or not", () => {
    const { meter } = bench;
    const before = Date.now();
    within(sampled, () => {
      meter.counter("c").add(2, { way: "unbound" });
      meter.counter("c").bind({ way: "bound" }).add(3);
      meter.histogram("h", { boundaries: [1] }).record(0.5, { way: "unbound" });
      meter
        .histogram("h", { boundaries: [1] })
        .bind({ way: "bound" })
        .record(7);
      meter.histogram("e").record(0, { way: "unbound" });
      meter.histogram("e").bind({ way: "bound" }).record(9);
    });
    const points = bench.collect();
    expect(valuesOf(points)).toEqual([[2], [3], [0.5], [7], [0], [9]]);
    for (const exemplar of points.flatMap(exemplarsOf)) {
      expect(exemplar).toMatchObject({ traceId, spanId });
      expect(exemplar.timeMs).toBeGreaterThanOrEqual(before);
      expect(exemplar.timeMs).toBeLessThanOrEqual(Date.now());
    }
    expect(points.map(({ value, count }) => value ?? count)).toEqual([2, 3, 1, 1, 1, 1]);
  });

  test("one a bucket, the first since the last collection; an octave of exponential ones", () => {
    const explicit = bench.meter.histogram("h", { boundaries: [1, 10] });
    const exponential = bench.meter.histogram("e");
    const counter = bench.meter.counter("c");
    const recordAll = () =>
      within(sampled, () => {
        for (const value of [0.5, 5, 0.6, 6, 700]) explicit.record(value);
        for (const value of [1.1, 1.9, 2.5, 1.2]) exponential.record(value);
        for (const value of [4, 5]) counter.add(value);
      });
    recordAll();
    expect(valuesOf(bench.collect())).toEqual([[0.5, 5, 700], [1.1, 2.5], [4]]);
    expect(valuesOf(bench.collect())).toEqual([[], [], []]);
    recordAll();
    expect(valuesOf(bench.collect())).toEqual([[0.5, 5, 700], [1.1, 2.5], [4]]);
  });

  test("gauges and up-down counters have none", () => {
    within(sampled, () => {
      bench.meter.gauge("g").record(1);
      bench.meter.upDownCounter("u").add(1);
      bench.meter.upDownCounter("u").bind({}).add(1);
    });
    expect(valuesOf(bench.collect())).toEqual([[], []]);
  });

  test.each<[string, Partial<SpanContext>]>([
    ["not sampled", { traceFlags: TraceFlags.NONE }],
    ["invalid", { traceId: "0".repeat(32) }],
    ["of another length", { spanId: "ab" }],
    ["no hexadecimal digits", { spanId: "x".repeat(16) }],
    ["no text", { traceId: 5 as unknown as string }],
  ])("a span that is %s gives none", (_, change) => {
    const counter = bench.meter.counter("c");
    within({ ...sampled, ...change }, () => counter.add(1));
    expect(valuesOf(bench.collect())).toEqual([[]]);
    within(sampled, () => counter.add(1));
    expect(valuesOf(bench.collect())).toEqual([[1]]);
  });

  test("the span of an asynchronous continuation", async () => {
    const counter = bench.meter.counter("c");
    const other = { ...sampled, spanId: "00000000000000ff" };
    const request = async (span: SpanContext, id: number) => {
      await new Promise((resolve) => setImmediate(resolve));
      counter.add(1, { id });
      return span;
    };
    await Promise.all([
      within(sampled, () => request(sampled, 1)),
      within(other, () => request(other, 2)),
    ]);
    const spans = bench
      .collect()
      .map((point) => [point.attributes["id"], exemplarsOf(point)[0]!.spanId]);
    expect(Object.fromEntries(spans)).toEqual({ 1: spanId, 2: "00000000000000ff" });
  });

  test("after many values without a span, one with a span is soon found", () => {
    const counter = bench.meter.counter("c");
    for (let i = 0; i < 1000; i++) counter.add(1);
    within(sampled, () => {
      for (let i = 0; i < 32; i++) counter.add(1);
    });
    expect(valuesOf(bench.collect())).toEqual([[1]]);
  });

  test("at most 500 of a metric and 32 of a series between two collections", () => {
    const counter = bench.meter.counter("c");
    const boundaries = Array.from({ length: 50 }, (_, i) => i);
    const histogram = bench.meter.histogram("h", { boundaries });
    const recordAll = () =>
      within(sampled, () => {
        for (let i = 0; i < 600; i++) counter.add(1, { i });
        for (let i = 0; i < 50; i++) histogram.record(i);
      });
    for (let round = 0; round < 2; round++) {
      recordAll();
      const points = bench.collect();
      const counts = points.map((point) => exemplarsOf(point).length);
      expect(counts.pop()).toBe(32);
      expect(counts.reduce((sum, n) => sum + n, 0)).toBe(500);
    }
  });

  test("delta points carry them too, and a point of no change waits with them", () => {
    const delta = new Bench({ isDelta: true });
    const counter = delta.meter.counter("c");
    within(sampled, () => counter.add(2));
    expect(valuesOf(delta.collect())).toEqual([[2]]);
    within(sampled, () => counter.add(0));
    expect(delta.collect()).toEqual([]);
    counter.add(5);
    expect(valuesOf(delta.collect())).toEqual([[0]]);
  });

  test("the service's prometheus exporter shows them in OpenMetrics", async () => {
    const exporter = await startExporter({ enable_open_metrics: true, without_scope_info: true });
    const histogram = bench.meter.histogram("h", { unit: "s", boundaries: [1] });
    within(sampled, () => {
      bench.meter.counter("c").add(3);
      histogram.record(0.5);
      histogram.record(20);
    });
    for (const request of bench.steps()) {
      const payload = createPayload("metrics", [request!.body], [verify("metrics", request!.body)]);
      await exporter.exporter.push(payload);
    }
    const page = await exporter.scrape({ accept: "application/openmetrics-text; version=1.0.0" });
    await exporter.stop();
    const ids = `# {span_id="${spanId}",trace_id="${traceId}"}`;
    expect(page.text).toContain(`c_total{job="test"} 3.0 ${ids} 3.0 `);
    expect(page.text).toContain(`h_seconds_bucket{job="test",le="1.0"} 1 ${ids} 0.5 `);
    expect(page.text).toContain(`h_seconds_bucket{job="test",le="+Inf"} 2 ${ids} 20.0 `);
  });
});

describe("an API that comes, goes or fails", () => {
  afterEach(() => context.disable());

  test("tracing that is set up later is seen from the next collection on, and its end as well", () => {
    const bench = new Bench();
    const counter = bench.meter.counter("c");
    bench.collect();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    within(sampled, () => counter.add(1));
    expect(valuesOf(bench.collect())).toEqual([[]]);
    within(sampled, () => counter.add(1));
    expect(valuesOf(bench.collect())).toEqual([[1]]);
    context.disable();
    bench.collect();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    within(sampled, () => counter.add(1));
    expect(valuesOf(bench.collect())).toEqual([[]]);
  });

  test.each<[string, () => never]>([
    [
      "a manager that throws",
      () => {
        throw new Error("broken");
      },
    ],
    ["a context of another shape", () => 5 as never],
    ["no context", () => undefined as never],
    ["a span of another shape", () => ({ getValue: () => ({ spanContext: 7 }) }) as never],
    [
      "a span without a context",
      () => ({ getValue: () => ({ spanContext: () => null }) }) as never,
    ],
  ])("%s: values are counted, nothing is thrown", (_, active) => {
    const bench = new Bench();
    context.setGlobalContextManager(
      Object.assign(new AsyncLocalStorageContextManager(), { active }),
    );
    bench.collect();
    bench.meter.counter("c").add(1);
    bench.meter.histogram("h").bind({}).record(1);
    expect(valuesOf(bench.collect())).toEqual([[], []]);
    expect(bench.said).toEqual([]);
  });
});
