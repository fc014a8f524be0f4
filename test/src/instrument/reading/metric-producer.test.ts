import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { emptyResource, resourceFromAttributes } from "@opentelemetry/resources";
import {
  AggregationTemporality,
  DataPointType,
  InMemoryMetricExporter,
  MeterProvider,
  type MetricProducer,
  PeriodicExportingMetricReader,
  type ResourceMetrics,
} from "@opentelemetry/sdk-metrics";
import { metricProducer } from "../../../../src/instrument/reading/metric-producer.ts";
import { Bench, decodeRequest, type Point, pointsOf } from "../../../support/instrument-points.ts";
import { OtlpHttpSink } from "../../../support/otlp-http-sink.ts";

const startMs = 1_700_000_000_123;

function producerOf(bench: Bench): MetricProducer {
  return metricProducer({
    families: () => bench.meter.families,
    resource: [["service.name", "shop"]],
    startMs,
    nowMs: () => startMs + 1000.5,
    problems: bench.problems,
  });
}

describe("in a PeriodicExportingMetricReader", () => {
  let exporter: InMemoryMetricExporter;
  let provider: MeterProvider;

  function read(bench: Bench): PeriodicExportingMetricReader {
    exporter = new InMemoryMetricExporter(AggregationTemporality.DELTA);
    const reader = new PeriodicExportingMetricReader({
      exporter,
      exportIntervalMillis: 3_600_000,
      exportTimeoutMillis: 60_000,
      metricProducers: [producerOf(bench)],
    });
    provider = new MeterProvider({
      readers: [reader],
      resource: resourceFromAttributes({ "service.name": "of-the-sdk" }),
    });
    return reader;
  }
  afterEach(() => provider.shutdown());

  test("stands beside the SDK's own metrics, under the SDK's resource", async () => {
    const bench = new Bench();
    const reader = read(bench);
    bench.meter.counter("ours", { unit: "s", description: "Ours." }).add(2.5, { a: 1, b: true });
    provider.getMeter("app").createCounter("theirs").add(1);
    await reader.forceFlush();
    const [exported] = exporter.getMetrics() as [ResourceMetrics];
    expect(exported.resource.attributes).toMatchObject({ "service.name": "of-the-sdk" });
    expect(exported.scopeMetrics.map(({ scope }) => scope.name)).toEqual([
      "app",
      "repomind-telemetry/instrument",
    ]);
    expect(exported.scopeMetrics[1]!.metrics).toEqual([
      {
        descriptor: { name: "ours", description: "Ours.", unit: "s", valueType: 1 },
        aggregationTemporality: AggregationTemporality.CUMULATIVE,
        dataPointType: DataPointType.SUM,
        isMonotonic: true,
        dataPoints: [
          {
            attributes: { a: 1, b: true },
            startTime: [1_700_000_000, 123_000_000],
            endTime: [1_700_000_001, 123_500_000],
            value: 2.5,
          },
        ],
      },
    ]);
  });

  test("totals, however often it is read", async () => {
    const bench = new Bench({ isDelta: true });
    const reader = read(bench);
    const counter = bench.meter.counter("c");
    counter.add(1);
    await reader.forceFlush();
    bench.collect();
    counter.add(1);
    await reader.forceFlush();
    const values = exporter
      .getMetrics()
      .map(({ scopeMetrics }) => scopeMetrics[0]!.metrics[0]!.dataPoints[0]!.value);
    expect(values).toEqual([1, 2]);
  });

  test("nothing recorded: no scope", async () => {
    const bench = new Bench();
    const reader = read(bench);
    bench.meter.gauge("g").bind({});
    await reader.forceFlush();
    expect(exporter.getMetrics()).toEqual([]);
  });
});

describe("by itself", () => {
  test("the event loop has its turn while many series are read", async () => {
    const bench = new Bench({ maxSeries: 100_000 });
    const counter = bench.meter.counter("c");
    for (let i = 0; i < 30_000; i++) counter.add(1, { i });
    let turns = 0;
    let isDone = false;
    const countTurns = () => {
      turns++;
      if (!isDone) setImmediate(countTurns);
    };
    setImmediate(countTurns);
    const { resourceMetrics } = await producerOf(bench).collect();
    isDone = true;
    expect(resourceMetrics.scopeMetrics[0]!.metrics[0]!.dataPoints).toHaveLength(30_000);
    expect(turns).toBeGreaterThan(1);
  });

  test("its resource can be merged, as the SDK's", async () => {
    const { resourceMetrics } = await producerOf(new Bench()).collect();
    const { resource } = resourceMetrics;
    const other = resourceFromAttributes({ "service.name": "other", host: "h" });
    expect(other.merge(resource).attributes).toEqual({ "service.name": "shop", host: "h" });
    expect(resource.merge(other).attributes).toEqual({ "service.name": "other", host: "h" });
    expect(resource.merge(emptyResource()).attributes).toEqual({ "service.name": "shop" });
    expect(resource.merge(null).attributes).toEqual({ "service.name": "shop" });
    await resource.waitForAsyncAttributes?.();
    expect(resource.asyncAttributesPending).toBe(false);
  });

  test("an error does not take the reader's other metrics with it", async () => {
    const bench = new Bench();
    const producer = metricProducer({
      families: () => {
        throw new Error("broken");
      },
      resource: [],
      startMs,
      nowMs: () => startMs,
      problems: bench.problems,
    });
    const result = await producer.collect();
    expect(result.resourceMetrics.scopeMetrics).toEqual([]);
    expect(result.errors).toEqual([new Error("broken")]);
    expect(bench.said).toEqual([{ code: "collect_failed", message: "broken" }]);
  });
});

describe("with the SDK's OTLP exporter", () => {
  let sink: OtlpHttpSink;
  beforeEach(async () => {
    sink = await OtlpHttpSink.start();
  });
  afterEach(() => sink.close());

  test("the same points arrive as those that are sent without the SDK", async () => {
    const entry = join(__dirname, "..", "..", "..", "..", "src", "instrument", "index.ts");
    const program = `
      import { start } from ${JSON.stringify(entry)};
      import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
      import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
      const telemetry = start({ endpoint: ${JSON.stringify(sink.url)}, http: false, system: false });
      const { meter } = telemetry;
      meter.counter("counter", { unit: "By", description: "Bytes." }).add(2 ** 60, { text: "é", yes: true });
      meter.counter("counter", { unit: "By" }).add(0.5, { int: -3, double: 1.5 });
      meter.upDownCounter("updown").add(-7);
      meter.gauge("gauge").record(-0.25);
      meter.gauge("silent").bind({});
      meter.observe("observed", "counter", {}, (observe) => observe(9, { of: "callback" }));
      const explicit = meter.histogram("explicit", { unit: "s", boundaries: [0.1, 1, 10] });
      for (const value of [0, 0.1, 5, 5, 70]) explicit.record(value);
      explicit.bind({ empty: true });
      const exponential = meter.histogram("exponential");
      for (const value of [0, 0.001, 3, 3, 1e6]) exponential.record(value);
      exponential.bind({ empty: true });
      await telemetry.flush();
      const exporter = new OTLPMetricExporter({ url: ${JSON.stringify(`${sink.url}/sdk`)} });
      const reader = new PeriodicExportingMetricReader({
        exporter, metricProducers: [telemetry.metricProducer()],
      });
      const provider = new MeterProvider({ readers: [reader] });
      await reader.forceFlush();
      await provider.shutdown();
      await telemetry.shutdown();`;
    await promisify(execFile)(process.execPath, ["--input-type=module", "--eval", program], {
      env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
      cwd: join(__dirname, "..", "..", "..", ".."),
    });
    const bodyOf = (path: string) => sink.taken.find((taken) => taken.path === path)!.body;
    const [ours, theirs] = [bodyOf("/v1/metrics"), bodyOf("/sdk")];
    expect(essence(pointsOf(theirs))).toEqual(essence(pointsOf(ours)));
    expect(pointsOf(ours).map(({ metric }) => metric)).toContain("exponential");
    expect(JSON.stringify(decodeRequest(theirs))).toContain('"description":"Bytes."');
    const starts = new Set(pointsOf(theirs).map(({ startNanos }) => startNanos));
    expect(starts.size).toBe(1);
  });
});

/** Without times, and without what only says that there is nothing. */
function essence(points: readonly Point[]): unknown[] {
  return points.map(({ fields, startNanos: _start, timeNanos: _time, ...rest }) => {
    const { scale, zeroCount, positive } = fields;
    return {
      ...rest,
      scale: scale ?? 0,
      zeroCount: zeroCount ?? "0",
      positive: bucketsOf(positive),
    };
  });
}

function bucketsOf(side: unknown): unknown {
  const { offset = 0, bucketCounts = [] } = (side ?? {}) as Record<string, unknown>;
  return { offset, bucketCounts };
}
