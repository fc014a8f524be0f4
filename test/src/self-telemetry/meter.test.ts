import { describe, expect, test } from "@jest/globals";
import { notMeasured } from "../../../src/catalogue.ts";
import { type CollectionLevel, MeterRegistry } from "../../../src/self-telemetry/meter.ts";

const refuse = (error: unknown) => {
  throw error;
};
const namesAt = (registry: MeterRegistry, level: CollectionLevel) =>
  registry.snapshot(level, refuse).map(({ name }) => name);

const accepted = "otelcol_receiver_accepted_spans";

describe("series", () => {
  test("counters carry the instance's labels and the handle's", () => {
    const registry = new MeterRegistry();
    const counter = registry
      .meterFor({ receiver: "otlp" })
      .counter(accepted, { transport: "grpc" });
    counter.add(3);
    counter.add(4);
    expect(registry.snapshot("basic", refuse)).toEqual([
      expect.objectContaining({
        name: accepted,
        type: "counter",
        unit: "{spans}",
        points: [{ labels: { receiver: "otlp", transport: "grpc" }, value: 7 }],
      }),
    ]);
  });

  test("two instances with the same labels, in any order, are one series", () => {
    const registry = new MeterRegistry();
    registry.meterFor({ receiver: "a" }).counter(accepted, { transport: "http" }).add(1);
    registry.meterFor({ transport: "http" }).counter(accepted, { receiver: "a" }).add(2);
    const [metric] = registry.snapshot("basic", refuse);
    expect(metric?.points).toEqual([expect.objectContaining({ value: 3 })]);
  });

  test("a snapshot is not changed by what is added later", () => {
    const registry = new MeterRegistry();
    const histogram = registry.meterFor({}).histogram("otelcol_processor_batch_batch_send_size");
    histogram.record(1);
    const [before] = registry.snapshot("normal", refuse);
    histogram.record(1);
    expect(before?.points[0]).toMatchObject({ count: 1, sum: 1 });
  });

  test.each([
    [10, 0],
    [10.1, 1],
    [25, 1],
    [100_000, 21],
    [100_001, 22],
  ])("a histogram counts %d in bucket %d: upper bounds are inclusive", (value, bucket) => {
    const registry = new MeterRegistry();
    registry.meterFor({}).histogram("otelcol_processor_batch_batch_send_size").record(value);
    const [metric] = registry.snapshot("normal", refuse);
    const bucketCounts = Array.from({ length: 23 }, (_, i) => (i === bucket ? 1 : 0));
    expect(metric?.points).toEqual([expect.objectContaining({ bucketCounts })]);
  });

  test("beyond 2000 series of one metric, further ones are counted in one overflow series", () => {
    const registry = new MeterRegistry();
    const meter = registry.meterFor({});
    for (let i = 0; i < 2500; i++) meter.counter("rmt_dropped_items", { reason: `r${i}` }).add(1);
    const points = registry.snapshot("basic", refuse)[0]?.points;
    expect(points).toHaveLength(2001);
    expect(points?.at(-1)).toEqual({ labels: { "otel.metric.overflow": "true" }, value: 500 });
  });

  test("asking for a metric as another type than the catalogue's is a defect", () => {
    const meter = new MeterRegistry().meterFor({});
    expect(() => meter.histogram(accepted)).toThrow("is a counter, not a histogram");
    expect(() => meter.counter("otelcol_exporter_queue_size")).toThrow("is a gauge, not a counter");
    expect(() => meter.gauge("otelcol_processor_batch_batch_send_size", () => 1)).toThrow(
      "is a histogram, not a gauge",
    );
  });
});

describe("gauges", () => {
  test("are read at collection, and instances that share a series add up", () => {
    const registry = new MeterRegistry();
    let held = 1;
    const labels = { processor: "batch" };
    registry.meterFor(labels).gauge("otelcol_processor_batch_metadata_cardinality", () => held);
    registry.meterFor(labels).gauge("otelcol_processor_batch_metadata_cardinality", () => 10);
    held = 5;
    expect(registry.snapshot("normal", refuse)[0]?.points).toEqual([{ labels, value: 15 }]);
  });

  test("one that throws is reported and costs only its own series", () => {
    const registry = new MeterRegistry();
    const meter = registry.meterFor({});
    meter.gauge("otelcol_exporter_queue_size", () => refuse(new Error("broken")), {
      exporter: "a",
    });
    meter.gauge("otelcol_exporter_queue_size", () => 2, { exporter: "b" });
    const errors: unknown[] = [];
    const [metric] = registry.snapshot("basic", (error) => errors.push(error));
    expect(errors).toEqual([new Error("broken")]);
    expect(metric?.points).toEqual([{ labels: { exporter: "b" }, value: 2 }]);
  });

  test("NaN means that there is nothing to say", () => {
    const registry = new MeterRegistry();
    registry.meterFor({}).gauge("otelcol_exporter_queue_size", () => Number.NaN);
    expect(registry.snapshot("basic", refuse)[0]?.points).toEqual([]);
  });
});

describe("dispose", () => {
  test("the series of a removed instance vanish, those of others stay", () => {
    const registry = new MeterRegistry();
    const gone = registry.meterFor({ exporter: "a" });
    gone.counter("otelcol_exporter_sent_spans").add(1);
    gone.gauge("otelcol_exporter_queue_size", () => 1);
    registry.meterFor({ exporter: "b" }).counter("otelcol_exporter_sent_spans").add(2);
    gone.dispose();
    gone.dispose();
    expect(registry.snapshot("detailed", refuse)).toEqual([
      expect.objectContaining({ points: [{ labels: { exporter: "b" }, value: 2 }] }),
    ]);
  });

  test("a series shared with another instance stays with its total", () => {
    const registry = new MeterRegistry();
    const one = registry.meterFor({ receiver: "a" });
    const other = registry.meterFor({ receiver: "a" });
    one.counter(accepted).add(1);
    one.counter(accepted).add(1);
    other.counter(accepted).add(5);
    one.dispose();
    expect(registry.snapshot("basic", refuse)[0]?.points).toEqual([
      { labels: { receiver: "a" }, value: 7 },
    ]);
    other.dispose();
    expect(registry.snapshot("basic", refuse)).toEqual([]);
  });
});

test("a level shows its own metrics and those of the lower levels, by name", () => {
  const registry = new MeterRegistry();
  const meter = registry.meterFor({});
  meter.histogram("otelcol_processor_batch_batch_send_size_bytes").record(1);
  meter.histogram("otelcol_processor_batch_batch_send_size").record(1);
  meter.counter("otelcol_exporter_sent_spans").add(1);
  expect(namesAt(registry, "none")).toEqual([]);
  expect(namesAt(registry, "basic")).toEqual(["otelcol_exporter_sent_spans"]);
  expect(namesAt(registry, "normal")).toEqual([
    "otelcol_exporter_sent_spans",
    "otelcol_processor_batch_batch_send_size",
  ]);
  expect(namesAt(registry, "detailed")).toHaveLength(3);
});

describe("a registry with a level", () => {
  const above = "otelcol_exporter_enqueue_size";

  test.each([
    ["none", false, false],
    ["basic", true, false],
    ["normal", true, false],
    ["detailed", true, true],
  ] as const)(
    "%s measures what is within it, and hands out nothing else",
    (level, basic, detailed) => {
      const registry = new MeterRegistry(level);
      const meter = registry.meterFor({});
      expect([registry.measures(accepted), registry.measures(above)]).toEqual([basic, detailed]);
      meter.counter(accepted).add(1);
      meter.histogram(above).record(1);
      meter.gauge("rmt_edge_items", () => 1);
      expect(meter.histogram(above) === notMeasured).toBe(!detailed);
      const names = [...(basic ? [accepted] : []), ...(detailed ? [above, "rmt_edge_items"] : [])];
      expect(namesAt(registry, "detailed")).toEqual(names.toSorted());
      meter.dispose();
      expect(namesAt(registry, "detailed")).toEqual([]);
    },
  );

  test("still refuses a metric as what it is not", () => {
    const meter = new MeterRegistry("none").meterFor({});
    expect(() => meter.counter(above)).toThrow("BUG: otelcol_exporter_enqueue_size is a histogram");
  });
});
