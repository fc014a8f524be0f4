import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../../src/errors.ts";
import { cardinalityReports } from "../../../src/metrics/cardinality-guard.ts";
import { Writer, wireFixed64, wireVarint } from "../../../src/pdata/wire.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { closeAll, metricsOf, pointsOf, resourcesOf, startHttpMetrics, textOf } from "./support.ts";

afterEach(closeAll);

const nowMs = 1_700_000_000_000;
const nano = (ms: number) => `${ms}000000`;
type Receiver = Awaited<ReturnType<typeof startHttpMetrics>>;

const retryable = () => new TelemetryError("QUEUE_FULL", "full", { retryable: true });

/** `name{labels} value` a point of the payload that came last but n; push times left out. */
function linesOf(receiver: Receiver, back = 1): string[] {
  return metricsOf(receiver.edge.payloads.at(-back))
    .filter(({ name }) => !/^push_(failure_)?time_seconds$/u.test(name))
    .flatMap((metric) =>
      pointsOf(metric).map((point) => {
        const value = point.flags === 1 ? "ended" : (point["asDouble"] ?? point["count"]);
        return `${metric.name}{${textOf(point.attributes)}} ${String(value)}`;
      }),
    );
}

const pushTimes = (receiver: Receiver) =>
  metricsOf(receiver.edge.payloads.at(-1))
    .filter(({ name }) => /^push_(failure_)?time_seconds$/u.test(name))
    .map((metric) => pointsOf(metric)[0]!["asDouble"] ?? "ended");

const statusOf = async (response: Promise<Response>) => {
  const answered = await response;
  return [answered.status, (await answered.text()).trim()];
};

const exposition = `# HELP jobs_total Jobs that ran.
# TYPE jobs_total counter
jobs_total{kind="a"} 3
jobs_total{kind="b"} 4
# TYPE temperature gauge
temperature NaN
plain -Inf
# TYPE wait_seconds histogram
wait_seconds_bucket{le="1"} 2
wait_seconds_bucket{le="5"} 4
wait_seconds_bucket{le="+Inf"} 5
wait_seconds_sum 7.5
wait_seconds_count 5
# TYPE size summary
size{quantile="0.5"} 10
size_sum 30
size_count 3
`;

describe("what a push becomes", () => {
  test("text", async () => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    const response = receiver.push("PUT", "job/backup/instance/host:1/zone/eu", exposition);
    expect(await statusOf(response)).toEqual([200, ""]);
    const [resource] = resourcesOf(receiver.edge.payloads[0]);
    expect(textOf(resource!.resource!.attributes)).toBe(
      "service.name=backup,service.instance.id=host:1",
    );
    const zone = { key: "zone", value: { stringValue: "eu" } };
    const time = { timeUnixNano: nano(nowMs) };
    const window = { startTimeUnixNano: nano(nowMs), ...time };
    expect(resource!.scopeMetrics[0]!.metrics.slice(0, 5)).toEqual([
      {
        name: "jobs_total",
        description: "Jobs that ran.",
        sum: {
          aggregationTemporality: 2,
          isMonotonic: true,
          dataPoints: [
            {
              ...window,
              asDouble: 3,
              attributes: [{ key: "kind", value: { stringValue: "a" } }, zone],
            },
            {
              ...window,
              asDouble: 4,
              attributes: [{ key: "kind", value: { stringValue: "b" } }, zone],
            },
          ],
        },
      },
      {
        name: "temperature",
        gauge: { dataPoints: [{ ...time, asDouble: "NaN", attributes: [zone] }] },
      },
      {
        name: "plain",
        gauge: { dataPoints: [{ ...time, asDouble: "-Infinity", attributes: [zone] }] },
      },
      {
        name: "wait_seconds",
        histogram: {
          aggregationTemporality: 2,
          dataPoints: [
            {
              ...window,
              count: "5",
              sum: 7.5,
              bucketCounts: ["2", "2", "1"],
              explicitBounds: [1, 5],
              attributes: [zone],
            },
          ],
        },
      },
      {
        name: "size",
        summary: {
          dataPoints: [
            {
              ...window,
              count: "3",
              sum: 30,
              quantileValues: [{ quantile: 0.5, value: 10 }],
              attributes: [zone],
            },
          ],
        },
      },
    ]);
    expect(pushTimes(receiver)).toEqual([nowMs / 1000, 0]);
  });

  test("the labels of the path count more than the body's", async () => {
    const receiver = await startHttpMetrics();
    await receiver.push("PUT", "job/a/zone/eu", 'x{job="b",zone="us",other="c",empty=""} 1\n');
    expect(linesOf(receiver)).toEqual(["x{other=c,zone=eu} 1"]);
  });

  test("gzip, and whatever type curl names, are taken; other protobuf is not", async () => {
    const receiver = await startHttpMetrics();
    const response = await fetch(`${receiver.url}/metrics/job/a`, {
      method: "POST",
      headers: { "content-encoding": "gzip", "content-type": "application/x-www-form-urlencoded" },
      body: Uint8Array.from(gzipSync("x 1\n")),
    });
    expect([response.status, linesOf(receiver)]).toEqual([200, ["x{} 1"]]);
    const type = "application/vnd.google.protobuf; encoding=text";
    expect((await receiver.push("PUT", "job/a", "x 1\n", type)).status).toBe(415);
  });

  test("delimited protobuf, with a native histogram", async () => {
    const w = new Writer();
    w.string(1, "latency");
    w.tag(3, wireVarint);
    w.varint(4);
    const metric = w.begin(4, 1);
    const h = w.begin(7, 1);
    w.tag(1, wireVarint);
    w.varint(6);
    w.tag(2, wireFixed64);
    w.double(12.5);
    w.tag(5, wireVarint);
    w.varint(6); // schema 3, zigzag
    w.tag(6, wireFixed64);
    w.double(0.001);
    w.tag(7, wireVarint);
    w.varint(1);
    for (const [offset, length] of [
      [-2, 1],
      [2, 2],
    ] as const) {
      const span = w.begin(12, 1);
      w.tag(1, wireVarint);
      w.varint(offset < 0 ? -offset * 2 - 1 : offset * 2);
      w.tag(2, wireVarint);
      w.varint(length);
      w.end(span);
    }
    for (const delta of [1, 1, -1]) {
      w.tag(13, wireVarint);
      w.varint(delta < 0 ? -delta * 2 - 1 : delta * 2);
    }
    w.end(h);
    w.end(metric);
    const message = w.take();
    const body = Uint8Array.of(message.length, ...message);
    const receiver = await startHttpMetrics();
    const type =
      "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    expect((await receiver.push("PUT", "job/a", body, type)).status).toBe(200);
    const [latency] = metricsOf(receiver.edge.payloads[0]);
    expect(pointsOf(latency!)[0]).toMatchObject({
      count: "6",
      sum: 12.5,
      scale: 3,
      zeroCount: "1",
      zeroThreshold: 0.001,
      positive: { offset: -3, bucketCounts: ["1", "0", "0", "2", "1"] },
    });
    // It lies about its length.
    expect((await receiver.push("PUT", "job/a", body.subarray(0, 20), type)).status).toBe(400);
    expect(
      (await receiver.push("PUT", "job/a", Uint8Array.of(200, 200, 200, 200, 7, 1), type)).status,
    ).toBe(400);
  });
});

describe("groups", () => {
  test("PUT replaces the group, POST the metrics of the same name; what is no more ends", async () => {
    const receiver = await startHttpMetrics();
    await receiver.push("PUT", "job/a", 'x{k="1"} 1\nx{k="2"} 2\ny 3\n');
    await receiver.push("POST", "job/a", 'x{k="2"} 4\n');
    expect(linesOf(receiver)).toEqual(["x{k=1} ended", "x{k=2} 4"]);
    await receiver.push("PUT", "job/a", 'x{k="3"} 5\n');
    expect(linesOf(receiver).toSorted()).toEqual(["x{k=2} ended", "x{k=3} 5", "y{} ended"]);
    await receiver.push("PUT", "job/a", "");
    expect(linesOf(receiver)).toEqual(["x{k=3} ended"]);
    await receiver.push("POST", "job/a", "");
    expect(linesOf(receiver)).toEqual([]);
    expect(pushTimes(receiver)).toHaveLength(2);
  });

  test("a metric that changes its type ends in the old form", async () => {
    const receiver = await startHttpMetrics();
    await receiver.push("PUT", "job/a", "# TYPE x counter\nx 1\n");
    await receiver.push("PUT", "job/a", "# TYPE x gauge\nx 2\n");
    const [old, fresh] = metricsOf(receiver.edge.payloads[1]);
    expect(old).toMatchObject({ name: "x", sum: { dataPoints: [{ flags: 1 }] } });
    expect(fresh).toMatchObject({ name: "x", gauge: { dataPoints: [{ asDouble: 2 }] } });
  });

  test("what ends has the description that it had", async () => {
    const receiver = await startHttpMetrics();
    await receiver.push("PUT", "job/a", "# HELP x how long\n# TYPE x gauge\nx 1\n");
    await receiver.push("DELETE", "job/a");
    const heads = receiver.edge.payloads.map((payload) =>
      metricsOf(payload).map(({ name, description }) => [name, description] as const),
    );
    expect(heads[0]).toContainEqual(["x", "how long"]);
    expect(new Map(heads[1])).toEqual(new Map(heads[0]));
  });

  test("counters start at their first push, and where they fall", async () => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    const starts: unknown[] = [];
    for (const value of [5, 7, 7, 2, 3]) {
      await receiver.push("PUT", "job/a", `# TYPE x counter\nx ${value}\n`);
      starts.push(pointsOf(metricsOf(receiver.edge.payloads.at(-1))[0]!)[0]!.startTimeUnixNano);
      await clock.advance(1000);
    }
    expect(starts).toEqual([
      nano(nowMs),
      nano(nowMs),
      nano(nowMs),
      nano(nowMs + 3000),
      nano(nowMs + 3000),
    ]);
  });

  test("DELETE ends all of it, of what is not there nothing: 202 in any case", async () => {
    const receiver = await startHttpMetrics();
    await receiver.push("PUT", "job/a", "x 1\n");
    await receiver.push("PUT", "job/a/k/v", "x 1\n");
    expect(await statusOf(receiver.push("DELETE", "job/a"))).toEqual([202, ""]);
    expect(linesOf(receiver)).toEqual(["x{} ended"]);
    expect(pushTimes(receiver)).toEqual(["ended", "ended"]);
    expect((await receiver.push("DELETE", "job/a")).status).toBe(202);
    expect(receiver.edge.calls).toBe(3);
    expect(receiver.meter.value("rmt_http_metrics_groups", { receiver: "http_metrics" })).toBe(1);
    expect(receiver.meter.value("rmt_series", { component: "http_metrics" })).toBe(3);
  });

  test("are sent again every repeat_interval with the current time", async () => {
    const clock = new FakeClock(nowMs);
    const keys = { prometheus_push: { repeat_interval: "10s" } };
    const receiver = await startHttpMetrics(keys, { clock });
    await receiver.push("PUT", "job/a", "# TYPE x counter\nx 1\n");
    await receiver.push("PUT", "job/b", "y 2\n");
    await clock.advance(10_000);
    await receiver.edgeCalls(3);
    expect(linesOf(receiver)).toEqual(["x{} 1", "y{} 2"]);
    const [x] = metricsOf(receiver.edge.payloads.at(-1));
    expect(pointsOf(x!)[0]).toMatchObject({
      startTimeUnixNano: nano(nowMs),
      timeUnixNano: nano(nowMs + 10_000),
    });
    await receiver.push("DELETE", "job/a");
    await clock.advance(10_000);
    await receiver.edgeCalls(5);
    expect(linesOf(receiver)).toEqual(["y{} 2"]);
    await receiver.close();
    expect(clock.pending).toBe(0);
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test("a repetition is later than what was pushed, also where the clock was set back", async () => {
    const clock = new (class extends FakeClock {
      aheadMs = 60_000;
      override now = () => super.now() + this.aheadMs;
    })(nowMs);
    const keys = { prometheus_push: { repeat_interval: "10s" } };
    const receiver = await startHttpMetrics(keys, { clock });
    const timesOf = () => pointsOf(metricsOf(receiver.edge.payloads.at(-1))[0]!)[0]!.timeUnixNano;
    await receiver.push("PUT", "job/a", "x 1\n");
    const pushed = BigInt(timesOf()!);
    clock.aheadMs = 0;
    await clock.advance(10_000);
    await receiver.edgeCalls(2);
    expect(BigInt(timesOf()!)).toBe(pushed + 1n);
  });

  test("nothing to repeat is nothing to send", async () => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    await clock.advance(200_000);
    expect(receiver.edge.calls).toBe(0);
  });

  test("a label with an empty value is none: its group is the one without it", async () => {
    const receiver = await startHttpMetrics();
    await receiver.push("PUT", "job/a", "x 1\n");
    await receiver.push("PUT", "job/a/zone@base64/=", 'y{zone="eu"} 2\n');
    expect(linesOf(receiver)).toEqual(["x{} ended", "y{} 2"]);
  });

  test("pushes to one group do not overtake one another", async () => {
    const receiver = await startHttpMetrics();
    receiver.edge.isSlow = true;
    const first = receiver.push("PUT", "job/a", "x 1\n");
    await receiver.edgeCalls(1);
    const second = receiver.push("PUT", "job/a", "y 1\n");
    const other = receiver.push("PUT", "job/b", "z 1\n");
    await receiver.edgeCalls(2);
    receiver.edge.answer();
    receiver.edge.answer();
    await receiver.edgeCalls(3);
    receiver.edge.answer();
    expect([(await first).status, (await second).status, (await other).status]).toEqual([
      200, 200, 200,
    ]);
    expect(linesOf(receiver)).toEqual(["x{} ended", "y{} 1"]);
  });
});

describe("bad pushes change nothing", () => {
  test.each<[string, string]>([
    ["x 1", "text format parsing error in line 1: unexpected end of input stream"],
    ["x{ 1\n", "text format parsing error in line 1"],
    ["x 1 1700000000000\n", "pushed metrics must not have timestamps"],
    ["x 1\nx 2\n", "pushed twice with the same labels"],
    ['x{job="1"} 1\nx{job="2"} 2\n', "pushed twice with the same labels"],
    ["# TYPE x counter\nx -1\n", "the value -1 is none that a counter can have"],
    ["# TYPE x counter\nx NaN\n", "the value NaN is none that a counter can have"],
    ["# TYPE x counter\nx +Inf\n", "the value Infinity is none that a counter can have"],
    ["# TYPE x counter\nx 1\n# TYPE x gauge\n", "second TYPE line"],
    [
      '# TYPE x histogram\nx_bucket{le="1"} 5\nx_bucket{le="2"} 3\nx_count 5\n',
      "bucket counts must ascend",
    ],
    ["# TYPE x histogram\nx_count 1.5\n", "the count 1.5 is no whole number"],
    ['# TYPE x summary\nx_count 1\n# TYPE x_count counter\nx_count{a="b"} 1\n', "collides"],
    ['# TYPE x summary\nx{quantile="0.5"} 1\nx{quantile="0.5"} 2\nx_count 1\n', "two quantiles"],
    ["# TYPE x gaugehistogram\nx_count 1\n", "gauge histograms cannot be received"],
    [`x{a="${"v".repeat(300_000)}"} 1\n`, "line"],
    ["x 1\n\u0000\n", "text format parsing error"],
  ])("bad push %#", async (body, message) => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    await receiver.push("PUT", "job/a", "x 7\n");
    const [status, text] = await statusOf(receiver.push("PUT", "job/a", body));
    expect(status).toBe(400);
    expect(text).toContain(message);
    expect(receiver.edge.calls).toBe(1);
    expect(receiver.said).toHaveLength(1);
    await clock.advance(60_000);
    await receiver.edgeCalls(2);
    expect(linesOf(receiver)).toEqual(["x{} 7"]);
  });

  test.each(["summary", "histogram"])("a label that a %s has itself", async (type) => {
    const receiver = await startHttpMetrics();
    const label = type === "summary" ? "quantile" : "le";
    const body = `# TYPE x ${type}\nx_sum 1\nx_count 1\n`;
    const [status, text] = await statusOf(receiver.push("PUT", `job/a/${label}/1`, body));
    expect([status, text]).toEqual([400, expect.stringContaining(`explicit "${label}" label`)]);
    expect((await receiver.push("PUT", `job/a/${label}/1`, "x 1\n")).status).toBe(200);
  });

  test("the time of the last failure is told, of a group that is there", async () => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    expect((await receiver.push("PUT", "job/a", "x 1 5\n")).status).toBe(400);
    await receiver.push("PUT", "job/a", "x 1\n");
    await clock.advance(5000);
    await receiver.push("PUT", "job/a", "x 1 5\n");
    await clock.advance(55_000);
    await receiver.edgeCalls(2);
    expect(pushTimes(receiver)).toEqual([nowMs / 1000, nowMs / 1000 + 5]);
    // A push that succeeds keeps it.
    await receiver.push("PUT", "job/a", "x 2\n");
    expect(pushTimes(receiver)).toEqual([nowMs / 1000 + 60, nowMs / 1000 + 5]);
  });

  test("other methods and paths", async () => {
    const receiver = await startHttpMetrics();
    const get = await receiver.push("GET", "job/a");
    expect([get.status, get.headers.get("allow")]).toEqual([405, "DELETE, POST, PUT"]);
    expect((await receiver.push("PUT", "job/a/b", "")).status).toBe(400);
    expect((await receiver.push("PUT", "job", "")).status).toBe(404);
  });

  test("what the pipeline refuses is not kept", async () => {
    const receiver = await startHttpMetrics();
    receiver.edge.refusal = retryable();
    const refused = await receiver.push("PUT", "job/a", "# TYPE x counter\nx 5\n");
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(receiver.meter.value("rmt_series", { component: "http_metrics" })).toBe(0);
    expect(receiver.budget.usedBytes).toBe(0);
    receiver.edge.refusal = undefined;
    await receiver.push("PUT", "job/a", "y 1\n");
    expect(linesOf(receiver)).toEqual(["y{} 1"]);
  });

  test("the end of a deleted group that the pipeline refuses comes with the next repetition", async () => {
    const clock = new FakeClock(nowMs);
    const receiver = await startHttpMetrics({}, { clock });
    await receiver.push("PUT", "job/a", "x 1\n");
    receiver.edge.refusal = retryable();
    expect((await receiver.push("DELETE", "job/a")).status).toBe(202);
    receiver.edge.refusal = undefined;
    await clock.advance(60_000);
    await receiver.edgeCalls(3);
    expect(linesOf(receiver)).toEqual(["x{} ended"]);
    await clock.advance(60_000);
    expect(receiver.edge.calls).toBe(3);
    // What was deleted does not come back with a POST.
    await receiver.push("PUT", "job/b", "x 1\ny 1\n");
    receiver.edge.refusal = retryable();
    await receiver.push("DELETE", "job/b");
    receiver.edge.refusal = undefined;
    await receiver.push("POST", "job/b", "y 2\n");
    expect(linesOf(receiver).toSorted()).toEqual(["x{} ended", "y{} 2"]);
  });
});

describe("bounds", () => {
  test("groups and series", async () => {
    const prometheus_push = { max_groups: 2, max_series: 10 };
    const receiver = await startHttpMetrics({ prometheus_push });
    const series = (n: number) => Array.from({ length: n }, (_, i) => `x{i="${i}"} 1\n`).join("");
    const push = async (job: string, n: number) =>
      (await receiver.push("PUT", `job/${job}`, series(n))).status;
    // Beside the push's own two.
    expect([await push("a", 9), await push("a", 8), await push("b", 0)]).toEqual([503, 200, 503]);
    expect([await push("a", 2), await push("b", 2), await push("c", 0)]).toEqual([200, 200, 503]);
    await receiver.push("DELETE", "job/b");
    expect(await push("c", 0)).toBe(200);
    const refused = (reason: string) =>
      receiver.meter.value("rmt_http_metrics_refused", {
        receiver: "http_metrics",
        api: "push",
        reason,
      });
    expect([refused("series_limit"), refused("group_limit")]).toEqual([2, 1]);
    // The reason is in the text: of equal texts the log's sampler lets only ten pass.
    expect(receiver.said).toEqual([
      expect.stringContaining("refused (series_limit);"),
      expect.stringContaining("refused (group_limit);"),
    ]);
    expect((await receiver.push("PUT", "job/d", "x 1\n")).headers.get("retry-after")).toBe("60");
    const reports = () => cardinalityReports().filter((one) => one.component === "http_metrics");
    expect(reports()).toMatchObject([
      {
        limit: 10,
        series: 6,
        top: expect.arrayContaining([{ metric: "x", series: 2, overflowPoints: 0 }]),
      },
    ]);
    await receiver.close();
    expect(reports()).toEqual([]);
  });

  test("the metrics with the most series are named when the limit is met", async () => {
    const receiver = await startHttpMetrics({ prometheus_push: { max_series: 10 } });
    await receiver.push("PUT", "job/a", 'x{i="1"} 1\nx{i="2"} 1\ny 1\n');
    expect((await receiver.push("PUT", "job/b", "a 1\nb 1\nc 1\nd 1\n")).status).toBe(503);
    const seriesOf = (metric: string) =>
      receiver.meter.value("rmt_series_of_metric", { component: "http_metrics", metric });
    expect([seriesOf("x"), seriesOf("y")]).toEqual([2, 1]);
  });

  test("the memory budget bounds groups, and they give it back", async () => {
    const receiver = await startHttpMetrics({}, { budgetBytes: 100_000 });
    const body = Array.from({ length: 50 }, (_, i) => `x{i="${i}"} 1\n`).join("");
    let taken = 0;
    while ((await receiver.push("PUT", `job/${taken}`, body)).status === 200) taken++;
    expect(taken).toBeGreaterThan(1);
    expect(taken).toBeLessThan(10);
    for (let i = 0; i < taken; i++) await receiver.push("DELETE", `job/${i}`);
    expect(receiver.budget.usedBytes).toBe(0);
  });

  test("a hundred thousand groups are a thousand", async () => {
    const receiver = await startHttpMetrics();
    const statuses = new Map<number, number>();
    for (let i = 0; i < 1100; i++) {
      const { status } = await receiver.push("POST", `job/j/i/${i}`, "x 1\n");
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
    expect(Object.fromEntries(statuses)).toEqual({ 200: 1000, 503: 100 });
    expect(receiver.said).toHaveLength(1);
  });
});
