/** The whole way, as a user runs it: StatsD timers in, percentiles in a file. */
import { createSocket } from "node:dgram";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "@jest/globals";
import { metricsRequest } from "../../support/otlp-objects.ts";
import { ServiceProcess } from "../../support/run-service.ts";
import { exponential, exponentialPoint, upTo } from "./exponential.ts";
import { type Json, shortly } from "./support.ts";

let service: ServiceProcess | undefined;
afterEach(async () => {
  await service?.stop();
  service = undefined;
});

const yaml = (percentiles: string) => `
receivers:
  statsd: { endpoint: "127.0.0.1:0", aggregation_interval: 100ms }
processors:
  percentiles: { ${percentiles} }
exporters:
  file: { path: ./out.jsonl, flush_interval: 10ms }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [statsd], processors: [percentiles], exporters: [file] } }
`;

async function start(percentiles: string): Promise<void> {
  service = await ServiceProcess.start(yaml(percentiles));
}

/** 1 … 100 as timers, in one packet. */
async function sendTimers(): Promise<void> {
  const port = Number(/Listening for StatsD.*127\.0\.0\.1:(\d+)/u.exec(service!.stderr)![1]);
  const lines = Array.from({ length: 100 }, (_, i) => `lat:${i + 1}|ms`).join("\n");
  const socket = createSocket("udp4");
  await new Promise<void>((resolve, reject) => {
    socket.send(lines, port, "127.0.0.1", (error) => (error === null ? resolve() : reject(error)));
  });
  socket.close();
}

interface Written {
  readonly name: string;
  readonly value: number | undefined;
  readonly isStale: boolean;
}

/** Points in the file, in order. */
function written(): Written[] {
  const path = join(service!.directory, "out.jsonl");
  if (!existsSync(path)) return [];
  const whole = readFileSync(path, "utf8").split("\n").slice(0, -1);
  const requests = whole.map((line) => JSON.parse(line) as { resourceMetrics: Json[] });
  return requests
    .flatMap(({ resourceMetrics }) => resourceMetrics)
    .flatMap((resource) => resource["scopeMetrics"] as Json[])
    .flatMap((scope) => scope["metrics"] as Json[])
    .flatMap((metric) => {
      const data = (metric["gauge"] ?? metric["exponentialHistogram"]) as { dataPoints: Json[] };
      return data.dataPoints.map((point) => ({
        name: metric["name"] as string,
        value: point["asDouble"] as number | undefined,
        isStale: point["flags"] === 1,
      }));
    });
}

const results = () => written().filter(({ name }) => name !== "lat");
const exampleA = ["lat_p50 49.885", "lat_p95 95.54", "lat_p99 99.77"];

/** Asks again and again, for at most 20 s: what another process does gives no event. */
async function until(isSo: () => boolean): Promise<void> {
  const end = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`never came:\n${service!.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("timers of one packet give Example A, an idle window one NoRecordedValue each", async () => {
  await start("window: 2s");
  await sendTimers();
  await until(() => results().length >= 3);
  expect(shortly(results() as never)).toEqual(exampleA);
  await until(() => results().length >= 6);
  await sendTimers();
  await until(() => results().length >= 9);
  expect(shortly(results().slice(3, 6) as never)).toEqual([
    "lat_p50 stale",
    "lat_p95 stale",
    "lat_p99 stale",
  ]);
  expect(shortly(results().slice(6) as never)).toEqual(exampleA);
  expect(written().filter(({ name }) => name === "lat")).toHaveLength(2);
}, 60_000);

test("SIGTERM in the middle of a window: it is reported, exit code 0", async () => {
  await start("window: 1h");
  await sendTimers();
  await until(() => written().length > 0);
  expect(results()).toEqual([]);
  expect(await service!.stop()).toBe(0);
  expect(shortly(results() as never)).toEqual(exampleA);
}, 60_000);

test("SIGHUP: a changed config reports the window, one that is as it was keeps it", async () => {
  await start("window: 1h");
  await sendTimers();
  await until(() => written().length > 0);
  await reload(
    yaml("window: 1h").replace("flush_interval: 10ms", "flush_interval: 20ms, append: true"),
  );
  expect(results()).toEqual([]);
  await reload(
    yaml("window: 2h").replace("flush_interval: 10ms", "flush_interval: 20ms, append: true"),
  );
  await until(() => results().length > 0);
  expect(shortly(results() as never)).toEqual(exampleA);
  expect(await service!.stop()).toBe(0);
  expect(results()).toHaveLength(3);
}, 60_000);

async function reload(text: string): Promise<void> {
  const from = service!.stderr.length;
  writeFileSync(service!.configPath, text);
  service!.signal("SIGHUP");
  await service!.waitFor("Reloaded the configuration.", from);
}

test("traces have no percentiles: a config error", async () => {
  const wrong = yaml("").replace("metrics: { receivers: [statsd]", "traces: { receivers: [statsd]");
  const failing = ServiceProcess.spawn(wrong);
  expect(await failing.exited()).toBe(1);
  expect(failing.stderr).toMatch(/percentiles/u);
}, 60_000);

test("as Prometheus sees it: unit in the name, gone after an idle window", async () => {
  service = await ServiceProcess.start(`
receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } }
processors:
  percentiles: { window: 1s, quantiles: [0.95] }
exporters:
  prometheus: { endpoint: "127.0.0.1:0" }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], processors: [percentiles], exporters: [prometheus] } }
`);
  const metric = {
    ...exponential("latency", 1, exponentialPoint(upTo(100), { labels: { route: "/a" } })),
    unit: "ms",
  };
  const sent = await fetch(`http://${service.address("receiver otlp", "http")}/v1/metrics`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(metricsRequest([metric])),
  });
  expect(sent.status).toBe(200);
  const url = `http://${service.address("exporter prometheus", "http")}/metrics`;
  /** The value's line, once there is one, or once there is none. */
  async function line(isThere: boolean): Promise<string | undefined> {
    for (let i = 0; i < 1000; i++) {
      const lines = (await (await fetch(url)).text()).split("\n");
      const found = lines.find((candidate) => candidate.startsWith("latency_p95_"));
      if ((found !== undefined) === isThere) return found;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`never came:\n${service!.stderr}`);
  }
  expect(await line(true)).toMatch(/^latency_p95_milliseconds\{.*route="\/a".*\} 95\.5/u);
  expect(await line(false)).toBeUndefined();
}, 60_000);
