/** The metrics of a running service: every name, label and level of the Collector's table, and that they are right. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { catalogue } from "../../../src/catalogue.ts";
import { ServiceProcess } from "../../support/run-service.ts";

const levels = ["basic", "normal", "detailed"] as const;
type Level = (typeof levels)[number];

const config = (backend: number, level: string) => `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
processors:
  memory_limiter: { check_interval: 1s, limit_percentage: 90 }
  batch: { timeout: 1ms }
exporters:
  otlp_http: { endpoint: "http://127.0.0.1:${backend}" }
  otlp_http/down: { endpoint: "http://127.0.0.1:1", retry_on_failure: { enabled: false }, sending_queue: { batch: { min_size: 1 } } }
  prometheus: { endpoint: "127.0.0.1:0" }
service:
  telemetry:
    resource: { deployment.environment: test }
    metrics:
      level: ${level}
      readers:
        - pull: { exporter: { prometheus: { host: 127.0.0.1, port: 0, without_type_suffix: true, without_units: true, without_scope_info: true } } }
  pipelines:
    metrics: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp_http, otlp_http/down, prometheus] }
    traces: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp_http, otlp_http/down] }
    logs: { receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp_http, otlp_http/down] }
`;

const dataPoints = [{ asInt: "1" }, { asInt: "2", attributes: [] }, { asInt: "3" }];
const requests = {
  metrics: {
    resourceMetrics: [{ scopeMetrics: [{ metrics: [{ name: "m", gauge: { dataPoints } }] }] }],
  },
  traces: {
    resourceSpans: [
      {
        scopeSpans: [
          { spans: [{ traceId: "0".repeat(31) + 1, spanId: "0".repeat(15) + 1, name: "s" }] },
        ],
      },
    ],
  },
  logs: { resourceLogs: [{ scopeLogs: [{ logRecords: [{}, {}] }] }] },
};
/** What is sent of each signal: three requests, two, one. */
const times = { metrics: 3, traces: 2, logs: 1 };
const items = { metric_points: 9, spans: 2, log_records: 2 };
const signalItems = { metrics: 9, traces: 2, logs: 2 };
const batches = 6;

let backend: Server;

beforeAll(async () => {
  backend = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(200).end());
  });
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  backend.close();
});

/** Series to value, of the text format. */
const seriesOf = (text: string) =>
  new Map(
    Array.from(text.matchAll(/^([a-zA-Z_][^ ]*) (\S+)$/gmu), ([, key, value]) => [
      key!,
      Number(value),
    ]),
  );

const portOf = (server: Server) => (server.address() as AddressInfo).port;
const signalOf = { metric_points: "metrics", spans: "traces", log_records: "logs" } as const;

/** Labels of what is sent, with its destination. */
const sentLabels = (exporter: string, item: string, port: number) =>
  `exporter="${exporter}",server_address="127.0.0.1",server_port="${port}",url_path="/v1/${signalOf[item as keyof typeof signalOf]}"`;
const up = (item: string) => `{${sentLabels("otlp_http", item, portOf(backend))}}`;
const down = (item: string) => `{${sentLabels("otlp_http/down", item, 1)}}`;

/** Failed items of the exporter whose backend is not there; how they failed is said at level detailed. */
const failedKey = (item: string, level: Level) => {
  const how = level === "detailed" ? `error_permanent="false",error_type="_OTHER",` : "";
  return `otelcol_exporter_send_failed_${item}{${how}${sentLabels("otlp_http/down", item, 1)}}`;
};

const gate = "receiverhelper.newReceiverMetrics";

/** Runs a service at a level, sends it everything, and scrapes until all of it went its way. */
async function scrapedAt(level: Level): Promise<string> {
  const service = await ServiceProcess.start(config(portOf(backend), level), {
    args: level === "detailed" ? ["--feature-gates", gate] : [],
  });
  const otlp = `http://${service.address("receiver otlp", "http")}/v1`;
  for (const signal of ["metrics", "traces", "logs"] as const) {
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(requests[signal]);
    for (let i = 0; i < times[signal]; i++) {
      expect((await fetch(`${otlp}/${signal}`, { method: "POST", headers, body })).status).toBe(
        200,
      );
    }
  }
  const url = `http://${service.address("service::telemetry::metrics", "http")}/metrics`;
  for (;;) {
    const text = await (await fetch(url)).text();
    const series = seriesOf(text);
    const arrived = Object.entries(items).every(
      ([item, count]) =>
        series.get(`otelcol_exporter_sent_${item}${up(item)}`) === count &&
        series.get(failedKey(item, level)) === count,
    );
    if (!arrived) continue;
    expect(await service.stop()).toBe(0);
    return text;
  }
}

const texts = new Map<Level, string>();
beforeAll(async () => {
  for (const level of levels) texts.set(level, await scrapedAt(level));
});

const namesIn = (text: string) =>
  Array.from(text.matchAll(/^# TYPE (\S+) /gmu), ([, name]) => name!);

/** Names of the Collector that this service has no component for, and our own that every service has. */
const elsewhere = /^otelcol_(scraper|processor_filter)/u;
const everywhere = /^rmt_(dropped|edge|memory_budget|event_loop)_/u;

describe.each(levels)("level %s", (level) => {
  test("has every metric of the level and none above it", () => {
    const rank = levels.indexOf(level);
    const gated = level === "detailed" ? [] : ["otelcol_receiver_requests"];
    const expected = Object.entries(catalogue)
      .filter(([, metric]) => levels.indexOf(metric.level) <= rank)
      .map(([name]) => name)
      .filter(
        (name) => everywhere.test(name) || (name.startsWith("otelcol_") && !elsewhere.test(name)),
      );
    const own = namesIn(texts.get(level)!).filter((name) => /^(otelcol|rmt)_/u.test(name));
    expect(expected.filter((name) => !own.includes(name))).toEqual(gated);
    const above = own.filter(
      (name) => levels.indexOf(catalogue[name as keyof typeof catalogue].level) > rank,
    );
    expect(above).toEqual([]);
  });
});

describe("the Collector's table", () => {
  const series = () => seriesOf(texts.get("detailed")!);
  /** The values of the series that are named. */
  const valuesOf = (keys: Readonly<Record<string, number>>) => {
    const all = series();
    return Object.fromEntries(Object.keys(keys).map((key) => [key, all.get(key)]));
  };

  test.each(Object.entries(items))("receiver, memory_limiter and exporters, %s", (item, count) => {
    const receiver = `{receiver="otlp",transport="http"}`;
    const limiter = `{processor="memory_limiter"}`;
    const [queue, queueDown] = [`{exporter="otlp_http"}`, `{exporter="otlp_http/down"}`];
    const expected = {
      [`otelcol_receiver_accepted_${item}${receiver}`]: count,
      [`otelcol_receiver_refused_${item}${receiver}`]: 0,
      [`otelcol_receiver_failed_${item}${receiver}`]: 0,
      [`otelcol_processor_memory_limiter_accepted_${item}${limiter}`]: count,
      [`otelcol_processor_memory_limiter_refused_${item}${limiter}`]: 0,
      [`otelcol_exporter_sent_${item}${up(item)}`]: count,
      [`otelcol_exporter_send_failed_${item}${up(item)}`]: 0,
      [`otelcol_exporter_enqueue_failed_${item}${queue}`]: 0,
      [`otelcol_exporter_sent_${item}${down(item)}`]: 0,
      [failedKey(item, "detailed")]: count,
      [`otelcol_exporter_enqueue_failed_${item}${queueDown}`]: 0,
    };
    expect(valuesOf(expected)).toEqual(expected);
  });

  test.each(Object.entries(signalItems))("processors and queues, %s", (signal, count) => {
    const [limiter, batch] = ["memory_limiter", "batch"].map(
      (processor) => `{otel_signal="${signal}",processor="${processor}"}`,
    );
    const queue = `{data_type="${signal}",exporter="otlp_http"}`;
    const expected = {
      [`otelcol_processor_incoming_items${limiter}`]: count,
      [`otelcol_processor_outgoing_items${limiter}`]: count,
      [`otelcol_processor_incoming_items${batch}`]: count,
      [`otelcol_processor_outgoing_items${batch}`]: count,
      [`otelcol_exporter_queue_size${queue}`]: 0,
      [`otelcol_exporter_queue_capacity${queue}`]: 1000,
      [`otelcol_exporter_in_flight_requests${queue}`]: 0,
    };
    expect(valuesOf(expected)).toEqual(expected);
  });

  test("batch", () => {
    const labels = `{processor="batch"}`;
    const sends = series().get(`otelcol_processor_batch_batch_send_size_count${labels}`)!;
    expect(sends).toBeGreaterThanOrEqual(3);
    expect(sends).toBeLessThanOrEqual(batches);
    const expected = {
      [`otelcol_processor_batch_batch_send_size_sum${labels}`]: 13,
      [`otelcol_processor_batch_batch_send_size_bytes_count${labels}`]: sends,
      [`otelcol_processor_batch_timeout_trigger_send${labels}`]: sends,
      [`otelcol_processor_batch_batch_size_trigger_send${labels}`]: 0,
    };
    expect(valuesOf(expected)).toEqual(expected);
    const bounds = Array.from(
      texts
        .get("detailed")!
        .matchAll(/^otelcol_processor_batch_batch_send_size_bucket\{.*le="([^"]+)"/gmu),
      ([, bound]) => bound,
    );
    expect(bounds.slice(0, 4)).toEqual(["10", "25", "50", "75"]);
    expect(bounds.slice(-2)).toEqual(["100000", "+Inf"]);
  });

  test("requests, behind their gate", () => {
    const labels = (outcome: string) => `{outcome="${outcome}",receiver="otlp",transport="http"}`;
    const expected = {
      [`otelcol_receiver_requests${labels("success")}`]: batches,
      [`otelcol_receiver_requests${labels("refused")}`]: 0,
      [`otelcol_receiver_requests${labels("failure")}`]: 0,
    };
    expect(valuesOf(expected)).toEqual(expected);
  });

  test.each(levels)("failed items of one kind are one series below level detailed: %s", (level) => {
    const all = seriesOf(texts.get(level)!);
    for (const [item, count] of Object.entries(items)) {
      const prefix = `otelcol_exporter_send_failed_${item}{`;
      const failed = Array.from(all).filter(
        ([key]) => key.startsWith(prefix) && key.includes("otlp_http/down"),
      );
      const rest = failed.filter(([key]) => key !== failedKey(item, level));
      expect(failed).toContainEqual([failedKey(item, level), count]);
      expect(rest.map(([, value]) => value)).toEqual(level === "detailed" ? [0] : []);
    }
  });

  test("sizes of what comes to a queue and of what leaves it in batches", () => {
    const all = series();
    const total = Object.values(items).reduce((sum, count) => sum + count);
    for (const exporter of ["otlp_http", "otlp_http/down"])
      expect(all.get(`otelcol_exporter_enqueue_size_sum{exporter="${exporter}"}`)).toBe(total);
    let bytes = 0;
    for (const [item, count] of Object.entries(items)) {
      const sent = "otelcol_exporter_queue_batch_send_size";
      expect(all.get(`${sent}_sum${down(item)}`)).toBe(count);
      expect(all.has(`${sent}_sum${up(item)}`)).toBe(false);
      bytes += all.get(`${sent}_bytes_sum${down(item)}`)!;
    }
    const enqueued = `otelcol_exporter_enqueue_size_bytes_sum{exporter="otlp_http/down"}`;
    expect(bytes).toBeGreaterThan(0);
    expect(all.get(enqueued)).toBe(bytes);
  });

  test.each(Object.entries(times))(
    "durations of processors, also of stages, %s",
    (signal, count) => {
      for (const processor of ["memory_limiter", "batch"]) {
        const name = "otelcol_processor_internal_duration";
        const labels = `{otel_signal="${signal}",processor="${processor}"}`;
        expect(series().get(`${name}_count${labels}`)).toBe(count);
        const seconds = series().get(`${name}_sum${labels}`);
        expect(seconds).toBeGreaterThan(0);
        expect(seconds).toBeLessThan(5);
      }
    },
  );

  test("process and resource", () => {
    const all = series();
    for (const name of [
      "uptime",
      "cpu_seconds",
      "memory_rss",
      "runtime_heap_alloc_bytes",
      "runtime_total_alloc_bytes",
      "runtime_total_sys_memory_bytes",
    ]) {
      expect(all.get(`otelcol_process_${name}`)).toBeGreaterThan(0);
    }
    expect(texts.get("detailed")).toMatch(
      /^target_info\{deployment_environment="test",service_instance_id="[0-9a-f-]{36}",service_name="repomind-telemetry",service_version="[^"]+"\} 1$/mu,
    );
    expect(all.get(`promhttp_metric_handler_errors_total{cause="gathering"}`)).toBe(0);
  });

  test("lost items stand with their reason, and every edge says what crossed it", () => {
    expect(series().get(`rmt_dropped_items{component="otlp_http/down",reason="send_failed"}`)).toBe(
      13,
    );
    for (const [signal, count] of Object.entries(signalItems)) {
      const edges = Array.from(series()).filter(
        ([key]) => key.startsWith("rmt_edge_items{") && key.includes(`pipeline="${signal}"`),
      );
      expect(
        edges
          .map(([key]) => /from="([^"]+)".*to="([^"]+)"/u.exec(key)!.slice(1).join(" -> "))
          .toSorted(),
      ).toEqual([
        "batch -> otlp_http",
        "batch -> otlp_http/down",
        ...(signal === "metrics" ? ["batch -> prometheus"] : []),
        "memory_limiter -> batch",
        "otlp -> memory_limiter",
      ]);
      for (const [, value] of edges) expect(value).toBe(count);
    }
  });
});
