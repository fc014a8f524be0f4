import { afterEach, describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { start } from "../../../../src/instrument/index.ts";
import { prometheusText } from "../../../../src/instrument/reading/prometheus-text.ts";
import { Encoder } from "../../../../src/instrument/sending/encoder.ts";
import { createPayload } from "../../../../src/pdata/payload.ts";
import { verify } from "../../../../src/pdata/verify.ts";
import { type Running, startExporter } from "../../../exporters/prometheus/support.ts";
import { Bench } from "../../../support/instrument-points.ts";

const textOf = (bench: Bench, resource: [string, string][] = []) =>
  prometheusText(bench.meter.families, resource, bench.problems);

/** Without target_info, which the service makes of more than one attribute. */
const pageOf = (bench: Bench) =>
  textOf(bench).replace(/^(?:# (?:HELP|TYPE) )?target_info.*\n/gmu, "");

describe("beside the service's prometheus exporter", () => {
  let exporter: Running | undefined;
  afterEach(async () => {
    await exporter?.stop();
    exporter = undefined;
  });

  /** The same points by OTLP; a resource without service attributes gives no labels. */
  async function servicePageOf(bench: Bench): Promise<string> {
    exporter = await startExporter({ without_scope_info: true });
    const limits = { isDelta: false, maxRequestBytes: 1e9, sliceMs: 1e9 };
    const encoder = new Encoder({ ...limits, resource: [["host.name", "h"]] });
    const times = { startMs: 1000, previousMs: 1000, nowMs: 2000 };
    for (const request of encoder.encode(bench.meter.families, times)) {
      const payload = createPayload("metrics", [request!.body], [verify("metrics", request!.body)]);
      await exporter.exporter.push(payload);
    }
    const { text } = await exporter.scrape();
    await exporter.stop();
    exporter = undefined;
    return text;
  }

  test("every kind of instrument, with units, texts to escape and reserved labels", async () => {
    const bench = new Bench();
    const description = 'Back\\slash, new\nline and "quotes".';
    const { meter } = bench;
    meter
      .counter("shop.orders", { unit: "{order}", description })
      .add(3, { "a.b": 'x"\\\n', n: 2 });
    meter.counter("rx.total", { unit: "By/s" }).bind({ ok: true });
    meter.upDownCounter("open", { unit: "1" }).add(-2.5);
    meter.gauge("use", { unit: "1" }).record(0.25, { le: "le is free here" });
    meter.observe("seen", "counter", { unit: "s" }, (observe) => observe(1e21, { big: 2 ** 40 }));
    meter.observe("level", "gauge", {}, (observe) => observe(1e-7, { le: 1.5, é: "é" }));
    const explicit = meter.histogram("wait", { unit: "s", boundaries: [0.005, 0.5, 1e6] });
    for (const value of [0, 0.005, 0.2, 7, 2e6]) explicit.record(value, { le: "mine", job: "j" });
    explicit.bind({ route: "/" });
    const sketch = meter.histogram("size", { unit: "By" });
    for (const value of [0, 1, 3, 3, 70, 5000]) sketch.record(value, { side: "a" });
    sketch.record(123, { side: "b" });
    sketch.bind({ side: "empty" });
    const page = pageOf(bench);
    expect(page).toBe(await servicePageOf(bench));
    expect(page).toContain('shop_orders_total{a_b="x\\"\\\\\\n",n="2"} 3\n');
    expect(page).toContain('wait_seconds_bucket{exported_le="mine",job="j",le="+Inf"} 5\n');
  });

  test("a wide range of an exponential histogram", async () => {
    const bench = new Bench();
    const sketch = bench.meter.histogram("wide");
    for (let power = -9; power < 9; power++) sketch.record(10 ** power, { side: power % 2 });
    expect(pageOf(bench)).toBe(await servicePageOf(bench));
  });

  const word = fc.stringMatching(/^[a-z][a-z_.]{0,3}$/u);
  const attributes = fc.dictionary(
    fc.oneof(word, fc.constantFrom("", "_", "__", "1x", "le", "é.", "a b", "__name__", "__x__")),
    fc.oneof(fc.string({ maxLength: 4 }), fc.double({ noNaN: true, min: -1e9 }), fc.boolean()),
    { maxKeys: 3 },
  );
  const instrument = fc.record({
    kind: fc.constantFrom("counter", "upDownCounter", "gauge", "explicit", "exponential"),
    name: word,
    unit: fc.constantFrom("", "s", "By", "1", "%", "{x}", "By/s", "m/h", "furlong"),
    records: fc.array(fc.tuple(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), attributes), {
      maxLength: 5,
    }),
  });

  test("property: the same page, whatever names, units and attributes there are", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(instrument, { maxLength: 5 }), async (instruments) => {
        const bench = new Bench();
        const { meter } = bench;
        for (const { kind, name, unit, records } of instruments) {
          for (const [value, set] of records) {
            const boundaries = [0.1, 1, 10];
            if (kind === "counter") meter.counter(name, { unit }).add(value, set);
            else if (kind === "upDownCounter") meter.upDownCounter(name, { unit }).add(value, set);
            else if (kind === "gauge") meter.gauge(name, { unit }).record(value, set);
            else if (kind === "exponential") meter.histogram(name, { unit }).record(value, set);
            else meter.histogram(name, { unit, boundaries }).record(value, set);
          }
        }
        expect(pageOf(bench)).toBe(await servicePageOf(bench));
      }),
      { numRuns: 60 },
    );
  });
});

describe("what is left out", () => {
  test("gauges never recorded, and metrics without a series", () => {
    const bench = new Bench();
    bench.meter.gauge("g").bind({ a: 1 });
    bench.meter.counter("c");
    bench.meter.observe("o", "gauge", {}, () => {});
    expect(pageOf(bench)).toBe("");
  });

  test("the second type of a name and labels that no scraper takes; each is told once", () => {
    const bench = new Bench();
    bench.meter.counter("a.b").add(1);
    bench.meter.gauge("a.b.total").record(1);
    bench.meter.gauge("target.info").record(1);
    bench.meter.gauge("g").record(1, { _: 1 });
    expect(pageOf(bench)).toBe("# TYPE a_b_total counter\na_b_total 1\n");
    textOf(bench);
    expect(bench.said.map(({ code, message }) => `${code}: ${message}`)).toEqual([
      "not_exposed: a.b.total is not in toPrometheusText(): another type has the name a_b_total",
      "not_exposed: target.info is not in toPrometheusText(): another type has the name target_info",
      'not_exposed: a series of g is not in toPrometheusText(): normalization for label name "_" resulted in invalid name "_"',
    ]);
  });

  test("one of two series whose labels become one", () => {
    const bench = new Bench();
    const gauge = bench.meter.gauge("g");
    gauge.record(1, { "a.b": 1 });
    gauge.record(2, { a_b: "1" });
    expect(pageOf(bench)).toBe('# TYPE g gauge\ng{a_b="1"} 2\n');
  });
});

test("the resource is target_info", () => {
  const resource: [string, string][] = [
    ["service.name", "shop"],
    ["k8s.pod.name", 'a"b'],
  ];
  expect(textOf(new Bench(), resource)).toBe(
    "# HELP target_info Target metadata\n# TYPE target_info gauge\n" +
      'target_info{k8s_pod_name="a\\"b",service_name="shop"} 1\n',
  );
});

test("a resource attribute that cannot be a label is left out and told", () => {
  const bench = new Bench();
  expect(
    textOf(bench, [
      ["a", "b"],
      ["ü", "x"],
      ["", "x"],
    ]),
  ).toContain('target_info{a="b"} 1\n');
  expect(bench.codes).toEqual(["not_exposed", "not_exposed"]);
});

test("an application that sends nothing is read all the same", async () => {
  const telemetry = start({ export: false, http: false, system: false, serviceName: "shop" });
  telemetry.meter.observe("level", "gauge", { unit: "%" }, (observe) => observe(7));
  const page = telemetry.toPrometheusText();
  await telemetry.shutdown();
  expect(page).toContain("# TYPE level_percent gauge\nlevel_percent 7\n");
  expect(page).toMatch(/^target_info\{.*service_name="shop"/mu);
});

test("series that come between two pages, and values that change", () => {
  const bench = new Bench();
  const counter = bench.meter.counter("c");
  counter.add(1, { i: 1 });
  expect(pageOf(bench)).toContain('c_total{i="1"} 1\n');
  counter.add(1, { i: 1 });
  counter.add(5, { i: 2 });
  expect(pageOf(bench)).toContain('c_total{i="1"} 2\nc_total{i="2"} 5\n');
});
