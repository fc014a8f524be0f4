/** A real Prometheus reads what the instruments say, as a page and through the service. Needs Debian's `prometheus`. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { context, TraceFlags, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { start } from "../../src/instrument/index.ts";
import type { Telemetry } from "../../src/instrument/types.ts";
import { ServiceProcess } from "../support/run-service.ts";

const isMissing = spawnSync("prometheus", ["--version"]).error !== undefined;
if (isMissing) {
  if (process.env["CI"] !== undefined) throw new Error("CI needs Debian's prometheus package");
  process.stderr.write(
    "SKIPPED: test/foreign/instrument-prometheus.test.ts needs the programs prometheus and promtool\n",
  );
}

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanContext = { traceId, spanId: "b7ad6b7169203331", traceFlags: TraceFlags.SAMPLED };

function record({ meter }: Telemetry): void {
  const description = 'A "text"\nof two lines \\ and a backslash.';
  const orders = meter.counter("shop.orders", { unit: "{order}", description });
  const wait = meter.histogram("shop.wait", { unit: "s", description, boundaries: [0.1, 1e6] });
  const size = meter.histogram("shop.size", { unit: "By", description });
  context.with(trace.setSpanContext(context.active(), spanContext), () => {
    orders.add(7, { "user.name": 'é"\\\n' });
    wait.record(0.05);
    wait.record(2);
  });
  for (const value of [0, 3, 3, 1000, 1e-7, 1e12]) size.record(value, { side: true });
  meter.gauge("shop.use", { unit: "1", description }).record(0.25);
  meter.upDownCounter("shop.open", { description }).add(-3);
  meter.observe("shop.level", "gauge", { unit: "Cel", description }, (observe) => observe(21.5));
}

(isMissing ? describe.skip : describe)("a real Prometheus", () => {
  let service: ServiceProcess;
  let prometheus: ChildProcess;
  let telemetry: Telemetry;
  let page: Server;
  let prometheusLog = "";
  let base: string;

  beforeAll(async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    service = await ServiceProcess.start(`
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
exporters: { prometheus: { endpoint: "127.0.0.1:0", enable_open_metrics: true, without_scope_info: true } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], exporters: [prometheus] } }
`);
    telemetry = start({
      endpoint: `http://${service.address("receiver otlp", "http")}`,
      serviceName: "shop",
      resource: { cloud: "x" },
      http: false,
      system: false,
    });
    record(telemetry);
    await telemetry.flush();
    page = createServer((_, response) => {
      response.setHeader("content-type", "text/plain; version=0.0.4");
      response.end(telemetry.toPrometheusText());
    }).listen(0, "127.0.0.1");
    await once(page, "listening");
    const directory = mkdtempSync(join(tmpdir(), "rmt-prom-"));
    const config = join(directory, "prometheus.yml");
    const targets = {
      page: `127.0.0.1:${(page.address() as AddressInfo).port}`,
      service: service.address("exporter prometheus", "http"),
    };
    writeFileSync(
      config,
      JSON.stringify({
        global: { scrape_interval: "1s" },
        scrape_configs: Object.entries(targets).map(([name, target]) => ({
          job_name: name,
          static_configs: [{ targets: [target] }],
        })),
      }),
    );
    const port = await freePort();
    base = `http://127.0.0.1:${port}`;
    prometheus = spawn(
      "prometheus",
      [
        `--config.file=${config}`,
        `--storage.tsdb.path=${directory}/data`,
        `--web.listen-address=127.0.0.1:${port}`,
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    prometheus.stderr!.on("data", (chunk: Buffer) => (prometheusLog += chunk.toString()));
  });

  afterAll(async () => {
    prometheus.kill("SIGTERM");
    await once(prometheus, "exit");
    page.close();
    page.closeAllConnections();
    await telemetry.shutdown();
    await service.stop();
    context.disable();
  });

  /** The result of an instant query, once it is not empty: value by labels. */
  async function query(expression: string): Promise<[Record<string, string>, number][]> {
    for (;;) {
      const answer = await get(`/api/v1/query?query=${encodeURIComponent(expression)}`);
      const result = (answer?.data?.result ?? []) as { metric: never; value: [number, string] }[];
      if (result.length > 0) return result.map(({ metric, value }) => [metric, Number(value[1])]);
    }
  }

  /** Values of a job by their labels; the formats write bounds differently (`8`, `8.0`). */
  async function valuesOf(name: string, job: string): Promise<Record<string, number>> {
    const found = await query(
      `sum without (job, instance, exported_job, exported_instance)(${name}{job="${job}"})`,
    );
    const keyOf = ({ le, ...labels }: Record<string, string>) =>
      JSON.stringify(
        le === undefined ? labels : { ...labels, le: le === "+Inf" ? le : Number(le) },
      );
    return Object.fromEntries(found.map(([labels, value]) => [keyOf(labels), value]));
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- a foreign API's JSON
  async function get(path: string): Promise<any> {
    try {
      return await (await fetch(base + path)).json();
    } catch {
      // Not listening yet.
      await new Promise((resolve) => setImmediate(resolve));
      return undefined;
    }
  }

  test("promtool accepts the page", () => {
    const text = telemetry.toPrometheusText();
    const promtool = spawnSync("promtool", ["check", "metrics"], { input: text, encoding: "utf8" });
    expect([promtool.status, promtool.stderr]).toEqual([0, ""]);
    expect(text).toContain("shop_wait_seconds_bucket");
  });

  test("reads from the page what it reads from the service", async () => {
    for (const name of [
      "shop_orders_total",
      "shop_wait_seconds_bucket",
      "shop_wait_seconds_sum",
      "shop_size_bytes_bucket",
      "shop_size_bytes_count",
      "shop_use_ratio",
      "shop_open",
      "shop_level_celsius",
    ]) {
      expect([name, await valuesOf(name, "page")]).toEqual([name, await valuesOf(name, "service")]);
    }
    const [[labels, value]] = (await query('shop_orders_total{job="page"}')) as [[object, number]];
    expect([labels, value]).toEqual([expect.objectContaining({ user_name: 'é"\\\n' }), 7]);
  });

  test("has the resource of the page as target_info", async () => {
    const [[labels]] = (await query('target_info{job="page"}')) as [[object, number]];
    expect(labels).toMatchObject({ service_name: "shop", cloud: "x" });
  });

  test("has the span of values that were recorded within one", async () => {
    await query('shop_wait_seconds_bucket{job="service"}');
    const now = Date.now() / 1000;
    const found = async (expression: string) => {
      const range = `start=${now - 600}&end=${now + 60}`;
      const answer = await get(
        `/api/v1/query_exemplars?query=${encodeURIComponent(expression)}&${range}`,
      );
      const series = answer.data as { exemplars: { labels: object; value: string }[] }[];
      return series
        .flatMap(({ exemplars }) => exemplars)
        .map(({ labels, value }) => ({ ...labels, value }));
    };
    const ids = { trace_id: traceId, span_id: spanContext.spanId };
    expect(await found("shop_orders_total")).toEqual([{ ...ids, value: "7" }]);
    const waits = await found("shop_wait_seconds_bucket");
    expect(waits).toContainEqual({ ...ids, value: "0.05" });
    expect(waits).toContainEqual({ ...ids, value: "2" });
  });

  test("had nothing to complain about", () => {
    expect(prometheusLog).toBe("");
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
