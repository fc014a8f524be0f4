import { describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../../src/errors.ts";
import { metricsRequest, objectOf, payloadOf } from "../../support/otlp-objects.ts";
import { exponential, exponentialPoint, upTo } from "./exponential.ts";
import {
  context,
  gauge,
  histogram,
  histogramPoint,
  number,
  Running,
  shortly,
  t0,
} from "./support.ts";

const delta = 1;
const cumulative = 2;

describe("worked examples", () => {
  test("A: one scale-5 delta histogram of 1 … 100", async () => {
    const r = new Running();
    const metric = {
      ...exponential("lat", delta, exponentialPoint(upTo(100), { labels: { route: "/a" } })),
      unit: "ms",
      description: "Latency",
    };
    await r.send([metric], { "service.name": "shop" });
    expect(r.edge.payloads).toEqual([...r.sent]);
    const points = await r.after();
    expect(shortly(points)).toEqual(["lat_p50 49.885", "lat_p95 95.54", "lat_p99 99.77"]);
    for (const [i, exact] of [50, 95, 99].entries()) {
      expect(Math.abs(points[i]!.value! / exact - 1)).toBeLessThan(0.011);
    }
    expect(points[1]).toMatchObject({
      kind: "gauge",
      unit: "ms",
      description: "Latency (p95)",
      resource: { "service.name": "shop" },
      attributes: { route: "/a" },
      startMs: t0,
      timeMs: t0 + 60_000,
    });
  });

  test("B: cumulative histograms of two instances, merged by route, with bounds", async () => {
    const r = new Running({ window: "60s", slide: "10s", group_by: ["route"], bounds: true });
    const bounds = [0.1, 0.5, 1];
    const scrape = (instance: string, counts: number[], timeMs: number) =>
      histogramPoint({
        bounds,
        counts,
        labels: { route: "/q", instance },
        rest: { timeUnixNano: `${timeMs}000000`, startTimeUnixNano: "1000000000000000000" },
      });
    await r.send([
      histogram("d", cumulative, scrape("a", [10, 0, 0, 0], t0), scrape("b", [5, 5, 0, 0], t0)),
    ]);
    await r.clock.advance(5000);
    await r.send([
      histogram(
        "d",
        cumulative,
        scrape("a", [30, 20, 0, 0], t0 + 5000),
        scrape("b", [15, 35, 20, 0], t0 + 5000),
      ),
    ]);
    const points = await r.after(5000);
    expect(shortly(points)).toEqual([
      "d_p50 0.26",
      "d_p50_lower 0.1",
      "d_p50_upper 0.5",
      "d_p95 0.875",
      "d_p95_lower 0.5",
      "d_p95_upper 1",
      "d_p99 0.975",
      "d_p99_lower 0.5",
      "d_p99_upper 1",
    ]);
    for (const point of points) {
      expect(point.attributes).toEqual({ route: "/q" });
      expect(point.resource).toEqual({});
      expect(point.scope).toBe("percentiles");
      expect([point.startMs, point.timeMs]).toEqual([t0 - 50_000, t0 + 10_000]);
    }
  });
});

describe("flow", () => {
  test("what was not accepted is not sampled, so a retry counts once", async () => {
    const r = new Running();
    const payload = payloadOf(
      "metrics",
      metricsRequest([exponential("lat", delta, exponentialPoint([1]))]),
    );
    r.edge.refusal = new TelemetryError("QUEUE_FULL", "full", { retryable: true });
    expect(r.stage.ready(payload, context)).toBe(r.edge.refusal);
    await expect(r.stage.consume(payload, context)).rejects.toThrow("full");
    expect(r.sampled).toBe(0);
    r.edge.refusal = undefined;
    await r.give(payload);
    expect(r.sampled).toBe(1);
    expect(r.edge.payloads[0]).toBe(payload);
  });

  test("a large payload is sampled whole, and booked while it is", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [0, 1], output: "summary", group_by: [] });
    const points = upTo(4500).map((i) => number(i, undefined, { i }));
    const payload = payloadOf("metrics", metricsRequest([gauge("g", points)]));
    const given = r.give(payload);
    await Promise.resolve();
    await Promise.resolve();
    expect(r.settings.budget.usedBytes).toBeGreaterThanOrEqual(payload.heldBytes);
    await given;
    expect(r.settings.budget.usedBytes).toBeLessThan(payload.heldBytes);
    const [point] = await r.after();
    expect(point!.json).toMatchObject({
      count: "4500",
      quantileValues: [{ value: 1 }, { value: 4500 }],
    });
  });

  test("an error of its own does not make the sender send again", async () => {
    const r = new Running({ types: ["gauge"] });
    const broken = payloadOf("metrics", metricsRequest([gauge("g", [number(1)])]));
    Object.defineProperty(broken, "parts", { value: [undefined] });
    await r.stage.consume(broken, context);
    expect(r.edge.payloads).toEqual([broken]);
    expect(r.ignored("internal")).toBe(1);
    expect(r.log.lines).toMatchObject([{ level: "error" }]);
  });

  test("other types and names go by without a word", async () => {
    const r = new Running({ include: { metric_names: ["lat"] } });
    await r.send([
      gauge("lat", [number(1)]),
      exponential("other", delta, exponentialPoint([1])),
      exponential("lat", delta, exponentialPoint([3])),
    ]);
    expect(r.sampled).toBe(1);
    expect((await r.after()).map(({ name }) => name)).toEqual(["lat_p50", "lat_p95", "lat_p99"]);
    expect(r.log.lines).toEqual([]);
  });

  test("regular expressions, attributes of point and resource; exclude wins", async () => {
    const r = new Running({
      include: {
        match_type: "regexp",
        metric_names: ["^http\\."],
        attributes: [{ key: "env", value: "^prod" }],
      },
      exclude: { attributes: [{ key: "probe", value: true }] },
    });
    const point = (labels: Record<string, string | boolean>) => exponentialPoint([5], { labels });
    await r.send(
      [
        exponential("http.a", delta, point({}), point({ probe: true }), point({ env: "test" })),
        exponential("grpc.http.b", delta, point({})),
      ],
      { env: "production" },
    );
    await r.send([exponential("http.c", delta, point({}), point({ env: "prod-2" }))]);
    const points = await r.after();
    expect(points.filter(({ name }) => name.endsWith("_p50"))).toMatchObject([
      { name: "http.a_p50", attributes: {} },
      { name: "http.c_p50", attributes: { env: "prod-2" } },
    ]);
  });

  test("drop_source sends on only what is not sampled", async () => {
    const r = new Running({ drop_source: true, types: ["gauge", "sum"] });
    const old = `${t0 - 300_001}000000`;
    await r.send([
      gauge("g", [number(1), number(2, old)]),
      exponential("e", delta, exponentialPoint([1])),
    ]);
    await r.send([gauge("g", [number(3)])]);
    expect(r.edge.sizes).toEqual([2]);
    expect(r.settings.budget.usedBytes).toBe(
      r.settings.meter.value("rmt_percentiles_state_bytes", { processor: "percentiles" }),
    );
    expect(r.sampled).toBe(2);
    expect(r.ignored("late")).toBe(1);
    const made = (await r.after()).filter(({ name }) => name === "g_p50");
    expect(made.map(({ value }) => Math.round(value!))).toEqual([1]);
  });
});

describe("output", () => {
  const values = [...upTo(100)];
  const metric = () => exponential("lat", delta, exponentialPoint(values));

  test("suffixes have no trailing zeros", async () => {
    const r = new Running({ quantiles: [0, 0.1, 0.57, 0.999, 1] });
    await r.send([metric()]);
    const points = await r.after();
    expect(points.map(({ name }) => name)).toEqual([
      "lat_p0",
      "lat_p10",
      "lat_p57",
      "lat_p99.9",
      "lat_p100",
    ]);
    expect([points[0]!.value, points[4]!.value]).toEqual([1, 100]);
    for (const [i, exact] of [1, 10, 57, 100, 100].entries()) {
      expect(Math.abs(points[i]!.value! / exact - 1)).toBeLessThan(0.011);
    }
  });

  test("naming: attribute", async () => {
    const r = new Running({ naming: "attribute", quantiles: [0.5, 0.95], bounds: true });
    await r.send([metric()]);
    const points = await r.after();
    expect(points.map(({ name, attributes }) => [name, attributes["quantile"]])).toEqual([
      ["lat_quantile", "0.5"],
      ["lat_quantile", "0.95"],
      ["lat_quantile_lower", "0.5"],
      ["lat_quantile_lower", "0.95"],
      ["lat_quantile_upper", "0.5"],
      ["lat_quantile_upper", "0.95"],
    ]);
    expect(points[2]!.value).toBeLessThan(points[0]!.value!);
    expect(points[4]!.value).toBeGreaterThan(points[0]!.value!);
  });

  test("naming: attribute: a quantile of the source gives way", async () => {
    const r = new Running({ naming: "attribute", quantiles: [1], types: ["gauge"] });
    await r.send([
      gauge("g", [
        number(1, undefined, { quantile: "a", pod: "p" }),
        number(2, undefined, { pod: "p", quantile: "b" }),
      ]),
    ]);
    expect(await r.after()).toMatchObject([{ value: 2, attributes: { pod: "p", quantile: "1" } }]);
  });

  test.each([
    [false, "lat_summary"],
    [true, "lat"],
  ])("output: summary, drop_source %s", async (drop_source, name) => {
    const r = new Running({ output: "summary", drop_source, quantiles: [0.5, 1] });
    await r.send([metric()]);
    const [point] = await r.after();
    expect(point).toMatchObject({
      name,
      kind: "summary",
      json: {
        count: "100",
        sum: 5050,
        quantileValues: [{ quantile: 0.5 }, { quantile: 1, value: 100 }],
      },
    });
    expect(await r.after()).toMatchObject([{ name, isStale: true, json: { flags: 1 } }]);
  });

  test("group_by: keys stay where they were found; [] is one group a metric", async () => {
    const r = new Running({ group_by: ["route", "service.name"], types: ["gauge"] });
    const point = (value: number, route: string) =>
      number(value, undefined, { route, pod: String(value) });
    await r.send([gauge("g", [point(1, "/a"), point(3, "/a"), point(5, "/b")])], {
      "service.name": "x",
      host: "h1",
    });
    await r.send([gauge("g", [point(2, "/a")])], { "service.name": "x", host: "h2" });
    const of = (q: string, list: Awaited<ReturnType<Running["after"]>>) =>
      list
        .filter(({ name }) => name === q)
        .map(({ attributes, resource, value }) => ({
          attributes,
          resource,
          value: Math.round(value!),
        }));
    expect(of("g_p50", await r.after())).toEqual([
      { attributes: { route: "/a" }, resource: { "service.name": "x" }, value: 2 },
      { attributes: { route: "/b" }, resource: { "service.name": "x" }, value: 5 },
    ]);
    const all = new Running({ group_by: [], types: ["gauge"] });
    await all.send([gauge("g", [point(1, "/a"), point(3, "/b")])], { host: "h1" });
    await all.send([gauge("g", [point(2, "/c")])]);
    expect(of("g_p99", await all.after())).toEqual([{ attributes: {}, resource: {}, value: 3 }]);
  });

  test("schema URLs, scope attributes and attributes of any type are the source's", async () => {
    const r = new Running({ types: ["gauge"], quantiles: [0.5] });
    const scope = {
      name: "lib",
      version: "1",
      attributes: [{ key: "s", value: { boolValue: true } }],
    };
    const attributes = [{ key: "list", value: { arrayValue: { values: [{ intValue: "1" }] } } }];
    const resource = { attributes: [{ key: "r", value: { doubleValue: 0.5 } }] };
    const request = (metrics: unknown) => ({
      resourceMetrics: [
        {
          resource,
          schemaUrl: "https://r",
          scopeMetrics: [{ scope, schemaUrl: "https://s", metrics }],
        },
      ],
    });
    await r.give(payloadOf("metrics", request([gauge("g", [{ asInt: "7", attributes }])])));
    await r.clock.advance(60_000);
    const [made] = r.edge.payloads.slice(1);
    const expected = [
      {
        name: "g_p50",
        description: "(p50)",
        gauge: {
          dataPoints: [
            {
              startTimeUnixNano: `${t0}000000`,
              timeUnixNano: `${t0 + 60_000}000000`,
              asDouble: 7,
              attributes,
            },
          ],
        },
      },
    ];
    expect(objectOf(made)).toEqual(request(expected));
  });
});
