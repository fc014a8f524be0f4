/** A real Prometheus reads what the instruments say, as a page and through the service. Needs Debian's `prometheus`. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { context, TraceFlags, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { start } from "../../src/instrument/index.ts";
import type { Telemetry } from "../../src/instrument/types.ts";
import { isPrometheusMissing, PrometheusServer } from "../support/prometheus-server.ts";
import { ServiceProcess } from "../support/run-service.ts";

const isMissing = isPrometheusMissing("test/foreign/instrument-prometheus.test.ts");

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
  let prometheus: PrometheusServer;
  let telemetry: Telemetry;
  let page: Server;

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
    const targets = {
      page: `127.0.0.1:${(page.address() as AddressInfo).port}`,
      service: service.address("exporter prometheus", "http"),
    };
    const config = {
      global: { scrape_interval: "1s" },
      scrape_configs: Object.entries(targets).map(([name, target]) => ({
        job_name: name,
        static_configs: [{ targets: [target] }],
      })),
    };
    prometheus = await PrometheusServer.start(config, "--enable-feature=exemplar-storage");
  });

  afterAll(async () => {
    await prometheus.stop();
    page.close();
    page.closeAllConnections();
    await telemetry.shutdown();
    await service.stop();
    context.disable();
  });

  /** Value by labels. */
  async function query(expression: string): Promise<[Record<string, string>, number][]> {
    const found = await prometheus.queryUntilFound(expression);
    return found.map(({ metric, value }) => [metric, Number(value[1])]);
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
      const series = await prometheus.get<{ exemplars: { labels: object; value: string }[] }[]>(
        "query_exemplars",
        { query: expression, start: String(now - 600), end: String(now + 60) },
      );
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
    expect(prometheus.complaints).toEqual([]);
  });
});
