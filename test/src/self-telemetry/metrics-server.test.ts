import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, test } from "@jest/globals";
import { type Logger, silentLogger } from "../../../src/log.ts";
import type {
  MetricsConfig,
  PrometheusReaderConfig,
  ResourceConfig,
} from "../../../src/self-telemetry/config.ts";
import { MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import { SelfMetrics } from "../../../src/self-telemetry/self-metrics.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { httpTestServer } from "../../support/http-listen.ts";

const never = new AbortController().signal;
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Setup {
  metrics?: MetricsConfig;
  resource?: ResourceConfig;
  log?: Logger;
}

/** A service with a receiver, a batch processor and an exporter that have done some work. */
async function startService({ metrics = { level: "normal" }, resource = {}, log }: Setup = {}) {
  const server = httpTestServer();
  const registry = new MeterRegistry();
  const telemetry = new SelfMetrics({
    config: { metrics, resource: { "service.instance.id": "the-instance", ...resource } },
    version: "1.2.3",
    meters: registry,
    clock: new FakeClock(),
    log: log ?? silentLogger,
    listen: (_owner, spec) => server.listen(spec),
  });
  const receiver = registry.meterFor({ receiver: "otlp", transport: "grpc" });
  receiver.counter("otelcol_receiver_accepted_metric_points").add(12_345_678_901);
  receiver.counter("otelcol_receiver_refused_metric_points");
  const batch = registry.meterFor({ processor: "batch/a" });
  const sizes = batch.histogram("otelcol_processor_batch_batch_send_size");
  sizes.record(10);
  sizes.record(8192);
  batch.histogram("otelcol_processor_batch_batch_send_size_bytes").record(100);
  const exporter = registry.meterFor({ exporter: 'otlp_grpc/"eu"\\\n' });
  exporter.gauge("otelcol_exporter_queue_size", () => 3, { data_type: "metrics" });
  await telemetry.start();
  closers.push(() => telemetry.shutdown(never));
  const scrape = async () => (await fetch(`${server.url()}/metrics`)).text();
  return { server, registry, telemetry, scrape, exporter };
}

const reader = (config: Partial<PrometheusReaderConfig> = {}): MetricsConfig => ({
  level: "normal",
  readers: [
    {
      pull: {
        exporter: {
          prometheus: {
            host: "0.0.0.0",
            port: 8889,
            without_type_suffix: false,
            without_units: false,
            without_scope_info: false,
            ...config,
          },
        },
      },
    },
  ],
});

const familyNames = (text: string) =>
  [...text.matchAll(/^# TYPE (\S+ \S+)$/gmu)].map(([, family]) => family);

const bucket = (le: number | string, n: number) =>
  `otelcol_processor_batch_batch_send_size_bucket{processor="batch/a",le="${le}"} ${n}`;

describe("the default reader", () => {
  test("listens on localhost:8888 and names metrics as the Collector does, without units and _total", async () => {
    const { server, scrape } = await startService();
    expect(server.spec()).toMatchObject({ kind: "http", endpoint: "localhost:8888" });
    const text = (await scrape()).replace(/^((?:otelcol_process|rmt)_\S+) \S+$/gmu, "$1 <n>");
    const buckets = [
      10, 25, 50, 75, 100, 250, 500, 750, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000,
    ];
    const above = [9000, 10_000, 20_000, 30_000, 50_000, 100_000];
    expect(text).toBe(
      [
        "# HELP otelcol_exporter_queue_size Current size of the retry queue (in batches).",
        "# TYPE otelcol_exporter_queue_size gauge",
        'otelcol_exporter_queue_size{data_type="metrics",exporter="otlp_grpc/\\"eu\\"\\\\\\n"} 3',
        "# HELP otelcol_process_cpu_seconds Total CPU user and system time in seconds.",
        "# TYPE otelcol_process_cpu_seconds counter",
        "otelcol_process_cpu_seconds <n>",
        "# HELP otelcol_process_memory_rss Total physical memory (resident set size).",
        "# TYPE otelcol_process_memory_rss gauge",
        "otelcol_process_memory_rss <n>",
        "# HELP otelcol_process_runtime_heap_alloc_bytes Bytes of allocated heap objects (V8 heapUsed).",
        "# TYPE otelcol_process_runtime_heap_alloc_bytes gauge",
        "otelcol_process_runtime_heap_alloc_bytes <n>",
        "# HELP otelcol_process_runtime_total_alloc_bytes Cumulative bytes allocated for heap objects.",
        "# TYPE otelcol_process_runtime_total_alloc_bytes counter",
        "otelcol_process_runtime_total_alloc_bytes <n>",
        "# HELP otelcol_process_runtime_total_sys_memory_bytes Total bytes of memory obtained from the OS.",
        "# TYPE otelcol_process_runtime_total_sys_memory_bytes gauge",
        "otelcol_process_runtime_total_sys_memory_bytes <n>",
        "# HELP otelcol_process_uptime Uptime of the process.",
        "# TYPE otelcol_process_uptime counter",
        "otelcol_process_uptime <n>",
        "# HELP otelcol_processor_batch_batch_send_size Number of units in the batch.",
        "# TYPE otelcol_processor_batch_batch_send_size histogram",
        ...buckets.map((le) => bucket(le, 1)),
        ...above.map((le) => bucket(le, 2)),
        bucket("+Inf", 2),
        'otelcol_processor_batch_batch_send_size_sum{processor="batch/a"} 8202',
        'otelcol_processor_batch_batch_send_size_count{processor="batch/a"} 2',
        "# HELP otelcol_receiver_accepted_metric_points Number of metric points successfully pushed into the pipeline.",
        "# TYPE otelcol_receiver_accepted_metric_points counter",
        'otelcol_receiver_accepted_metric_points{receiver="otlp",transport="grpc"} 1.2345678901e+10',
        "# HELP otelcol_receiver_refused_metric_points Number of metric points that could not be pushed into the pipeline.",
        "# TYPE otelcol_receiver_refused_metric_points counter",
        'otelcol_receiver_refused_metric_points{receiver="otlp",transport="grpc"} 0',
        "# HELP promhttp_metric_handler_errors_total Total number of internal errors encountered by the promhttp metric handler.",
        "# TYPE promhttp_metric_handler_errors_total counter",
        'promhttp_metric_handler_errors_total{cause="encoding"} 0',
        'promhttp_metric_handler_errors_total{cause="gathering"} 0',
        "# HELP rmt_event_loop_delay_seconds 99th percentile of the main thread's delay since the last collection.",
        "# TYPE rmt_event_loop_delay_seconds gauge",
        "rmt_event_loop_delay_seconds <n>",
        "# HELP target_info Target metadata",
        "# TYPE target_info gauge",
        'target_info{service_instance_id="the-instance",service_name="repomind-telemetry",service_version="1.2.3"} 1',
        "",
      ].join("\n"),
    );
  });

  test("answers the text format with GET only", async () => {
    const { server } = await startService();
    const response = await fetch(`${server.url()}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(
      "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    );
    expect((await fetch(`${server.url()}/metrics`, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${server.url()}/other`)).status).toBe(404);
  });

  test("concurrent first scrapes are all answered with everything", async () => {
    const { scrape } = await startService();
    const texts = await Promise.all([scrape(), scrape(), scrape()]);
    for (const text of texts) expect(familyNames(text)).toHaveLength(13);
  });

  test("a removed component's series vanish", async () => {
    const { scrape, exporter } = await startService();
    expect(await scrape()).toContain("otelcol_exporter_queue_size");
    exporter.dispose();
    expect(await scrape()).not.toContain("otelcol_exporter_queue_size");
  });

  test("a gauge that throws is counted, logged and costs only itself", async () => {
    const warnings: unknown[] = [];
    const log = { ...silentLogger, warn: (...line: unknown[]) => void warnings.push(line) };
    const { scrape, registry } = await startService({ log });
    registry.meterFor({}).gauge("otelcol_exporter_queue_capacity", () => {
      throw new Error("no queue");
    });
    const text = await scrape();
    expect(text).toContain('promhttp_metric_handler_errors_total{cause="gathering"} 1');
    expect(text).toContain("otelcol_exporter_queue_size");
    expect(warnings).toEqual([["cannot read a metric of the service", { error: "no queue" }]]);
  });

  test("says so when the environment switches the SDK off, and recovers when it no longer does", async () => {
    const { server, scrape } = await startService();
    process.env["OTEL_SDK_DISABLED"] = "true";
    try {
      const response = await fetch(`${server.url()}/metrics`);
      expect(response.status).toBe(500);
      expect(await response.text()).toContain("OTEL_SDK_DISABLED is set to true");
    } finally {
      delete process.env["OTEL_SDK_DISABLED"];
    }
    expect(await scrape()).toContain('{cause="gathering"} 1');
  });
});

describe("levels", () => {
  test.each([
    ["basic", 3],
    ["normal", 4],
    ["detailed", 5],
  ] as const)("%s shows %d of the five metrics", async (level, count) => {
    const { scrape } = await startService({ metrics: { level } });
    const own = familyNames(await scrape()).filter((name) =>
      /^otelcol_(?!process_)/u.test(name ?? ""),
    );
    expect(own).toHaveLength(count);
  });

  test("none listens nowhere", async () => {
    const { server } = await startService({ metrics: { level: "none" } });
    expect(() => server.url()).toThrow("nothing listens");
  });
});

describe("a reader written by the user", () => {
  test("has units, _total and scope labels unless told otherwise", async () => {
    const { server, scrape } = await startService({ metrics: reader() });
    expect(server.spec()).toMatchObject({ endpoint: "0.0.0.0:8889" });
    const text = await scrape();
    expect(familyNames(text)).toEqual([
      "otelcol_exporter_queue_size gauge",
      "otelcol_process_cpu_seconds_total counter",
      "otelcol_process_memory_rss_bytes gauge",
      // Prometheus' naming rules move the word total to the end.
      "otelcol_process_runtime_alloc_bytes_total counter",
      "otelcol_process_runtime_heap_alloc_bytes gauge",
      "otelcol_process_runtime_total_sys_memory_bytes gauge",
      "otelcol_process_uptime_seconds_total counter",
      "otelcol_processor_batch_batch_send_size histogram",
      "otelcol_receiver_accepted_metric_points_total counter",
      "otelcol_receiver_refused_metric_points_total counter",
      "promhttp_metric_handler_errors_total counter",
      "rmt_event_loop_delay_seconds gauge",
      "target_info gauge",
    ]);
    expect(text).toContain(
      'otelcol_receiver_accepted_metric_points_total{otel_scope_name="repomind-telemetry",otel_scope_version="1.2.3",receiver="otlp",transport="grpc"} 1.2345678901e+10',
    );
  });

  test("brackets an IPv6 host", async () => {
    const { server } = await startService({ metrics: reader({ host: "::1" }) });
    expect(server.spec()).toMatchObject({ endpoint: "[::1]:8889" });
  });

  test("puts the chosen resource attributes on every series", async () => {
    const { scrape } = await startService({
      metrics: reader({
        without_scope_info: true,
        with_resource_constant_labels: {
          included: ["service.*", "k8s.??.name"],
          excluded: ["*.id"],
        },
      }),
      resource: { "service.version": null, "k8s.ns.name": "a", "k8s.pod.name": "b", up: true },
    });
    const text = await scrape();
    expect(text).toContain(
      'otelcol_exporter_queue_size{data_type="metrics",exporter="otlp_grpc/\\"eu\\"\\\\\\n",k8s_ns_name="a",service_name="repomind-telemetry"} 3',
    );
    expect(text).toContain(
      'target_info{k8s_ns_name="a",k8s_pod_name="b",service_instance_id="the-instance",service_name="repomind-telemetry",up="true"} 1',
    );
  });
});

const promtool = spawnSync("promtool", ["--version"]).error === undefined;
const testWithPromtool = promtool ? test : test.skip;
if (!promtool) process.stderr.write("SKIPPED: promtool is not installed\n");
testWithPromtool(
  "promtool finds nothing to complain about where units and types are appended",
  async () => {
    const { scrape } = await startService({ metrics: reader() });
    const result = spawnSync("promtool", ["check", "metrics"], { input: await scrape() });
    // oxlint-disable-next-line jest/no-standalone-expect -- the alias hides the test from the rule.
    expect([result.status, String(result.stderr)]).toEqual([0, ""]);
  },
);

test("every line is a comment or a sample, and no series or family comes twice", async () => {
  const { scrape, registry } = await startService({ metrics: reader() });
  registry.meterFor({ exporter: "b" }).gauge("otelcol_exporter_queue_size", () => Infinity);
  const lines = (await scrape()).trimEnd().split("\n");
  const label = String.raw`[a-z_]+="(?:[^"\\]|\\["\\n])*"`;
  const sample = new RegExp(
    String.raw`^[a-z_]+(?:\{${label}(?:,${label})*\})? (?:[0-9.e+-]+|NaN|[+-]Inf)$`,
    "u",
  );
  const series = lines.filter((line) => !line.startsWith("# "));
  for (const line of series) expect(line).toMatch(sample);
  expect(new Set(series.map((line) => line.replace(/ \S+$/u, ""))).size).toBe(series.length);
  const types = lines.filter((line) => line.startsWith("# TYPE"));
  expect(new Set(types).size).toBe(types.length);
  expect(series.some((line) => line.endsWith(" +Inf"))).toBe(true);
});
