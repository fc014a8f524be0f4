/** Histograms with explicit bounds, and summaries. */
import { describe, expect, test } from "@jest/globals";
import {
  accept,
  at,
  attributes,
  distribution,
  exporterStarter,
  lines,
  type Running,
  request,
} from "./support.ts";

const start = exporterStarter({ enable_open_metrics: true });

const delta = { aggregationTemporality: 1 };
const push = (r: Running, point: object, rest: object = {}) =>
  r.push(request([distribution("histogram", "h", [point], rest)]));

describe("histograms", () => {
  test("buckets are cumulative and end with +Inf", async () => {
    const r = await start();
    await push(r, {
      count: 10,
      sum: 5.5,
      bucketCounts: [1, 2, 3, 4],
      explicitBounds: [-1, 0.5, 1e6],
      attributes: attributes({ k: "v" }),
    });
    expect((await r.scrape()).text).toBe(
      [
        "# TYPE h histogram",
        'h_bucket{k="v",le="-1"} 1',
        'h_bucket{k="v",le="0.5"} 3',
        'h_bucket{k="v",le="1e+06"} 6',
        'h_bucket{k="v",le="+Inf"} 10',
        'h_sum{k="v"} 5.5',
        'h_count{k="v"} 10',
        "",
      ].join("\n"),
    );
    expect(await lines(r, accept.openMetrics)).toEqual([
      'h_bucket{k="v",le="-1.0"} 1',
      'h_bucket{k="v",le="0.5"} 3',
      'h_bucket{k="v",le="1e+06"} 6',
      'h_bucket{k="v",le="+Inf"} 10',
      'h_sum{k="v"} 5.5',
      'h_count{k="v"} 10',
    ]);
  });

  test("large counts: exponents in text, digits in OpenMetrics", async () => {
    const r = await start();
    await push(r, {
      count: 1_234_567,
      sum: 1,
      bucketCounts: [999_999, 1, 234_567],
      explicitBounds: [1, 2],
    });
    expect(await lines(r)).toEqual([
      'h_bucket{le="1"} 999999',
      'h_bucket{le="2"} 1e+06',
      'h_bucket{le="+Inf"} 1.234567e+06',
      "h_sum 1",
      "h_count 1.234567e+06",
    ]);
    expect(await lines(r, accept.openMetrics)).toEqual([
      'h_bucket{le="1.0"} 999999',
      'h_bucket{le="2.0"} 1000000',
      'h_bucket{le="+Inf"} 1234567',
      "h_sum 1.0",
      "h_count 1234567",
    ]);
  });

  test.each([
    ["no bounds", { count: 3, sum: 2, bucketCounts: [3] }, ['h_bucket{le="+Inf"} 3', "h_sum 2"]],
    ["no buckets", { count: 3, sum: 2 }, ['h_bucket{le="+Inf"} 3', "h_sum 2"]],
    ["no sum", { count: 3, bucketCounts: [3] }, ['h_bucket{le="+Inf"} 3']],
    [
      "a bound of +Inf",
      { count: 3, sum: 2, bucketCounts: [1, 2, 0], explicitBounds: [1, "Infinity"] },
      ['h_bucket{le="1"} 1', 'h_bucket{le="+Inf"} 3', "h_sum 2"],
    ],
    ["a sum of NaN", { count: 3, sum: "NaN" }, ['h_bucket{le="+Inf"} 3', "h_sum NaN"]],
  ])("%s", async (_, point, expected) => {
    const r = await start();
    await push(r, point);
    expect(await lines(r)).toEqual([...expected, "h_count 3"]);
  });

  test("deltas add up; other bounds begin anew", async () => {
    const r = await start();
    const point = (bucketCounts: number[], explicitBounds: number[], sum?: number) => ({
      count: bucketCounts.reduce((a, b) => a + b),
      bucketCounts,
      explicitBounds,
      ...(sum === undefined ? {} : { sum }),
    });
    await push(r, point([1, 2], [5], 3), delta);
    await push(r, point([10, 20], [5], 30), delta);
    expect(await lines(r)).toEqual([
      'h_bucket{le="5"} 11',
      'h_bucket{le="+Inf"} 33',
      "h_sum 33",
      "h_count 33",
    ]);
    // Of a sum that is not known once the total is not known either.
    await push(r, point([1, 0], [5]), delta);
    expect(await lines(r)).toEqual(['h_bucket{le="5"} 12', 'h_bucket{le="+Inf"} 34', "h_count 34"]);
    await push(r, point([1, 1], [6], 7), delta);
    expect(await lines(r)).toEqual([
      'h_bucket{le="6"} 1',
      'h_bucket{le="+Inf"} 2',
      "h_sum 7",
      "h_count 2",
    ]);
  });

  test.each([
    ["bounds descend", { bucketCounts: [1, 1, 1], explicitBounds: [2, 1] }],
    ["a bound twice", { bucketCounts: [1, 1, 1], explicitBounds: [1, 1] }],
    ["a bound is NaN", { bucketCounts: [1, 1], explicitBounds: ["NaN"] }],
    ["too few counts", { bucketCounts: [1], explicitBounds: [1] }],
    ["too many counts", { bucketCounts: [1, 2, 3], explicitBounds: [1] }],
    ["bounds without counts", { explicitBounds: [1] }],
  ])("%s: dropped, what was shown stays", async (_, point) => {
    const r = await start();
    await push(r, { count: 1, sum: 1, bucketCounts: [1, 0], explicitBounds: [7] });
    await push(r, { count: 3, timeUnixNano: at(2), ...point });
    expect(await lines(r)).toEqual([
      'h_bucket{le="7"} 1',
      'h_bucket{le="+Inf"} 1',
      "h_sum 1",
      "h_count 1",
    ]);
    expect(r.settings.dropped).toEqual(new Map([["malformed_histogram", 1]]));
  });
});

describe("summaries", () => {
  test("quantiles ascend, each once; large counts as in histograms", async () => {
    const r = await start();
    const quantileValues = [
      [1, 9],
      [0.5, 1],
      [0.99, "NaN"],
      [0.5, 2],
      [0, -1],
    ].map(([quantile, value]) => ({ quantile, value }));
    await r.push(
      request([distribution("summary", "s", [{ count: 1_000_000, sum: 7, quantileValues }])]),
    );
    expect((await r.scrape()).text).toBe(
      [
        "# TYPE s summary",
        's{quantile="0"} -1',
        's{quantile="0.5"} 2',
        's{quantile="0.99"} NaN',
        's{quantile="1"} 9',
        "s_sum 7",
        "s_count 1e+06",
        "",
      ].join("\n"),
    );
    expect(await lines(r, accept.openMetrics)).toEqual([
      's{quantile="0.0"} -1.0',
      's{quantile="0.5"} 2.0',
      's{quantile="0.99"} NaN',
      's{quantile="1.0"} 9.0',
      "s_sum 7.0",
      "s_count 1000000",
    ]);
  });

  test("the newest point stands", async () => {
    const r = await start();
    const summary = (seconds: number, count: number) =>
      r.push(
        request([distribution("summary", "s", [{ timeUnixNano: at(seconds), count, sum: 1 }])]),
      );
    await summary(5, 1);
    await summary(6, 2);
    await summary(4, 3);
    expect(await lines(r)).toEqual(["s_sum 1", "s_count 2"]);
  });
});
