import { describe, expect, test } from "@jest/globals";
import { testBudget } from "../../support/settings.ts";
import {
  at,
  attributes,
  exporterStarter,
  gauge,
  lines,
  type Running,
  request,
  sum,
} from "./support.ts";

const start = exporterStarter();

const ignored = (r: Running, reason: string) =>
  r.settings.meter.value("rmt_prometheus_exporter_ignored_points", { reason });

const point = (value: number, seconds: number, rest: object = {}) => ({
  timeUnixNano: at(seconds),
  asDouble: value,
  ...rest,
});
const deltaSum = (value: number, startSeconds: number, endSeconds: number, isMonotonic = true) =>
  request([
    sum("hits", [point(value, endSeconds, { startTimeUnixNano: at(startSeconds) })], {
      aggregationTemporality: 1,
      isMonotonic,
    }),
  ]);

describe("last values", () => {
  test("the newest point of a series is shown", async () => {
    const r = await start();
    await r.push(request([gauge("g", [point(1, 10)])]));
    await r.push(request([gauge("g", [point(2, 11)])]));
    expect(await lines(r)).toEqual(["g 2"]);
  });

  test("an older point is ignored and counted, one of the same time is taken", async () => {
    const r = await start();
    await r.push(request([gauge("g", [point(1, 10)])]));
    await r.push(request([gauge("g", [point(2, 9)])]));
    expect(await lines(r)).toEqual(["g 1"]);
    expect(ignored(r, "out_of_order")).toBe(1);
    await r.push(request([gauge("g", [point(3, 10)])]));
    expect(await lines(r)).toEqual(["g 3"]);
    expect(r.settings.dropped.size).toBe(0);
  });

  test("a cumulative sum that begins anew is shown as it is", async () => {
    const r = await start();
    await r.push(request([sum("hits", [point(100, 10)])]));
    await r.push(request([sum("hits", [point(3, 11)])]));
    expect(await lines(r)).toEqual(["hits_total 3"]);
  });

  test("integers, doubles and points without a value", async () => {
    const r = await start();
    const points = [
      { timeUnixNano: at(1), asInt: "-42", attributes: attributes({ k: "int" }) },
      { timeUnixNano: at(1), asDouble: 1e-7, attributes: attributes({ k: "small" }) },
      { timeUnixNano: at(1), asInt: "123456789", attributes: attributes({ k: "large" }) },
      { timeUnixNano: at(1), attributes: attributes({ k: "none" }) },
    ];
    await r.push(request([gauge("g", points)]));
    expect(await lines(r)).toEqual([
      'g{k="int"} -42',
      'g{k="small"} 1e-07',
      'g{k="large"} 1.23456789e+08',
      'g{k="none"} 0',
    ]);
  });
});

describe("deltas", () => {
  test.each([
    ["one after the other", [deltaSum(1, 0, 10), deltaSum(2, 10, 20), deltaSum(3, 20, 30)]],
    ["with gaps", [deltaSum(1, 0, 10), deltaSum(2, 15, 20), deltaSum(3, 29, 30)]],
    ["overlapping", [deltaSum(1, 0, 10), deltaSum(2, 5, 12), deltaSum(3, 5, 30)]],
    ["late", [deltaSum(1, 20, 30), deltaSum(2, 0, 10), deltaSum(3, 10, 20)]],
  ])("each is added once: %s", async (_, requests) => {
    const r = await start();
    for (const one of requests) await r.push(one);
    expect(await lines(r)).toEqual(["hits_total 6"]);
    expect(ignored(r, "out_of_order")).toBe(0);
  });

  test("non-monotonic deltas add up to a gauge", async () => {
    const r = await start();
    await r.push(deltaSum(5, 0, 10, false));
    await r.push(deltaSum(-7, 10, 20, false));
    const page = (await r.scrape()).text;
    expect(page).toBe("# TYPE hits gauge\nhits -2\n");
  });

  test("two senders under one name add up without being called duplicates", async () => {
    const r = await start();
    for (const pod of ["a", "b", "a"]) {
      const metric = sum("hits", [point(1, 10)], { aggregationTemporality: 1 });
      await r.push(request([metric], { resource: { pod } }));
    }
    expect(await lines(r)).toEqual(["hits_total 3"]);
    expect(ignored(r, "duplicate_series")).toBe(0);
  });

  test("a change of temporality begins anew", async () => {
    const r = await start();
    await r.push(request([sum("hits", [point(100, 10)])]));
    await r.push(deltaSum(5, 10, 20));
    expect(await lines(r)).toEqual(["hits_total 5"]);
  });
});

describe("what cannot be shown", () => {
  test.each([
    ["unspecified_temporality", sum("hits", [point(1, 1)], { aggregationTemporality: 0 })],
    ["invalid_metric_name", gauge("@#$", [point(1, 1)])],
    ["invalid_metric_name", gauge("", [point(1, 1)])],
    ["invalid_label_name", gauge("g", [point(1, 1, { attributes: attributes({ "+": "x" }) })])],
    [
      "malformed_histogram",
      {
        name: "h",
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [
            { timeUnixNano: at(1), count: "1", bucketCounts: ["1"], explicitBounds: [1] },
          ],
        },
      },
    ],
    [
      "malformed_histogram",
      {
        name: "h",
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [
            { timeUnixNano: at(1), count: "1", bucketCounts: [1, 0, 0], explicitBounds: [2, 1] },
          ],
        },
      },
    ],
  ])("is dropped and counted: %s", async (reason, metric) => {
    const r = await start();
    await r.push(request([metric, gauge("fine", [point(1, 1)])]));
    expect(await lines(r)).toEqual(["fine 1"]);
    expect(ignored(r, reason)).toBe(1);
    expect(r.settings.dropped).toEqual(new Map([[reason, 1]]));
  });

  test("a metric whose name has another type: the later is dropped, until the earlier is gone", async () => {
    const r = await start({ metric_expiration: "1m" });
    await r.push(request([gauge("a.b", [point(1, 10)])]));
    await r.push(request([sum("a_b", [point(2, 10)], { isMonotonic: false })]));
    expect(await lines(r)).toEqual(["a_b 2"]);
    const conflicting = request([
      { name: "a.b", summary: { dataPoints: [{ timeUnixNano: at(11), count: "1", sum: 3 }] } },
    ]);
    await r.push(conflicting);
    await r.push(conflicting);
    expect(await lines(r)).toEqual(["a_b 2"]);
    expect(r.settings.dropped).toEqual(new Map([["type_conflict", 2]]));
    await r.clock.advance(130_000);
    await r.push(conflicting);
    expect(await lines(r)).toEqual(["a_b_sum 3", "a_b_count 1"]);
  });

  test("series beyond the memory budget are dropped, the others stay", async () => {
    const r = await start({}, { budget: testBudget(1000) });
    const points = ["a", "b", "c", "d"].map((k) => point(1, 1, { attributes: attributes({ k }) }));
    await r.push(request([gauge("g", points)]));
    expect(await lines(r)).toEqual(['g{k="a"} 1', 'g{k="b"} 1']);
    expect(r.settings.dropped).toEqual(new Map([["memory_budget", 2]]));
    await r.stop();
    expect(r.settings.budget.usedBytes).toBe(0);
  });
});

describe("one exposed series, several senders", () => {
  test("the newest point wins and the other is counted", async () => {
    const r = await start();
    const from = (pod: string, value: number, seconds: number) =>
      r.push(request([gauge("g", [point(value, seconds)])], { resource: { pod } }));
    await from("a", 1, 10);
    await from("b", 2, 12);
    expect(await lines(r)).toEqual(["g 2"]);
    await from("a", 3, 11);
    expect(await lines(r)).toEqual(["g 2"]);
    expect(ignored(r, "duplicate_series")).toBe(2);
  });

  test("metrics that one name is made of share a family and its first help", async () => {
    const r = await start();
    await r.push(
      request([
        gauge("a.b", [point(1, 1, { attributes: attributes({ k: "1" }) })], { description: "one" }),
        gauge("a/b", [point(2, 1, { attributes: attributes({ k: "2" }) })], { description: "two" }),
      ]),
    );
    expect((await r.scrape()).text).toBe(
      '# HELP a_b one\n# TYPE a_b gauge\na_b{k="1"} 1\na_b{k="2"} 2\n',
    );
  });
});

describe("the end of a series", () => {
  const ended = point(0, 20, { flags: 1 });

  test("NoRecordedValue takes each of its series away; a new point brings it back", async () => {
    const r = await start();
    const of = (k: string, p: object) => ({ ...p, attributes: attributes({ k }) });
    const all = (p: object) =>
      request([
        gauge(
          "g",
          ["a", "b"].map((k) => of(k, p)),
        ),
      ]);
    await r.push(all(point(1, 10)));
    await r.push(all(ended));
    expect((await r.scrape()).text).toBe("");
    await r.push(request([gauge("g", [of("b", point(5, 15))])]));
    expect(await lines(r)).toEqual(['g{k="b"} 5']);
  });

  test("a delta sum begins at zero after it", async () => {
    const r = await start();
    await r.push(deltaSum(5, 0, 10));
    await r.push(request([sum("hits", [ended], { aggregationTemporality: 1 })]));
    await r.push(deltaSum(2, 20, 30));
    expect(await lines(r)).toEqual(["hits_total 2"]);
  });

  test("a series without points vanishes after metric_expiration, from the page and from memory", async () => {
    const r = await start({ metric_expiration: "90s" });
    const series = () => r.settings.meter.value("rmt_prometheus_exporter_series");
    await r.push(request([gauge("old", [point(1, 10)])]));
    await r.clock.advance(80_000);
    await r.push(request([gauge("new", [point(1, 90)])]));
    expect(await lines(r)).toEqual(["new 1", "old 1"]);
    await r.clock.advance(15_000);
    expect(await lines(r)).toEqual(["new 1"]);
    await r.clock.advance(60_000);
    expect(series()).toBe(1);
    await r.clock.advance(120_000);
    expect(series()).toBe(0);
    expect(r.settings.budget.usedBytes).toBe(0);
  });
});

test("points that arrive while a page is written are not in it", async () => {
  const r = await start();
  const points = (value: number) =>
    Array.from({ length: 5000 }, (_, k) => point(value, value, { attributes: attributes({ k }) }));
  await r.push(request([gauge("g", points(1))]));
  // Each look at the clock ends a slice, and the next push comes between two slices.
  let looks = 0;
  const clock = r.clock as { monotonicMs(): number };
  const startMs = r.clock.monotonicMs();
  clock.monotonicMs = () => startMs + 10 * looks++;
  const page = r.scrape();
  while (looks < 50) await new Promise((resolve) => setImmediate(resolve));
  const later = points(2);
  await r.push(
    request([gauge("g", [...later, point(2, 2, { attributes: attributes({ k: 5000 }) })])]),
  );
  expect(looks).toBeLessThan(160);
  const values = (await page).text.split("\n").filter((line) => line.startsWith("g{"));
  expect(values).toHaveLength(5000);
  expect(values.filter((line) => !line.endsWith(" 1"))).toEqual([]);
  const next = (await r.scrape()).text.split("\n").filter((line) => line.startsWith("g{"));
  expect(next).toHaveLength(5001);
  expect(next.filter((line) => !line.endsWith(" 2"))).toEqual([]);
});
