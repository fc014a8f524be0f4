/** A real Prometheus scrapes the service; promtool checks what it serves. Needs Debian's `prometheus`. */
import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { freePort } from "../support/free-port.ts";
import { isPrometheusMissing, PrometheusServer } from "../support/prometheus-server.ts";
import { ServiceProcess } from "../support/run-service.ts";

const isMissing = isPrometheusMissing("test/foreign/prometheus.test.ts");

const nowNano = `${Date.now()}000000`;
const attribute = (key: string, value: string) => ({ key, value: { stringValue: value } });
const request = {
  resourceMetrics: [
    {
      resource: {
        attributes: [
          attribute("service.name", "shop"),
          attribute("service.instance.id", "i-1"),
          attribute("cloud", "x"),
        ],
      },
      scopeMetrics: [
        {
          scope: { name: "test", version: "1" },
          metrics: [
            {
              name: "orders",
              description: "Orders taken.",
              unit: "1",
              sum: {
                aggregationTemporality: 2,
                isMonotonic: true,
                dataPoints: [
                  {
                    asInt: "7",
                    timeUnixNano: nowNano,
                    attributes: [attribute("region", "eu")],
                    exemplars: [
                      {
                        asInt: "1",
                        timeUnixNano: nowNano,
                        traceId: "0af7651916cd43dd8448eb211c80319c",
                        spanId: "b7ad6b7169203331",
                      },
                    ],
                  },
                ],
              },
            },
            {
              name: "latency",
              description: "Time a request took.",
              unit: "s",
              histogram: {
                aggregationTemporality: 2,
                dataPoints: [
                  {
                    timeUnixNano: nowNano,
                    count: "3",
                    sum: 0.6,
                    bucketCounts: ["1", "1", "1"],
                    explicitBounds: [0.1, 0.2],
                  },
                ],
              },
            },
            {
              name: "temperature",
              description: "Warmth.",
              unit: "Cel",
              gauge: { dataPoints: [{ asDouble: 21.5, timeUnixNano: nowNano }] },
            },
          ],
        },
      ],
    },
  ],
};

(isMissing ? describe.skip : describe)("a real Prometheus", () => {
  let service: ServiceProcess;
  let prometheus: PrometheusServer;

  beforeAll(async () => {
    service = await ServiceProcess.start(`
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
exporters: { prometheus: { endpoint: "127.0.0.1:0", enable_open_metrics: true } }
service:
  telemetry: { metrics: { readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: ${await freePort()} } } } }] } }
  pipelines: { metrics: { receivers: [otlp], exporters: [prometheus] } }
`);
    const sent = await fetch(`http://${service.address("receiver otlp", "http")}/v1/metrics`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    if (!sent.ok) throw new Error(`the receiver answered ${sent.status}`);
    const targets = [
      service.address("exporter prometheus", "http"),
      service.address("service::telemetry::metrics", "http"),
    ];
    const config = {
      global: { scrape_interval: "1s" },
      scrape_configs: targets.map((target, i) => ({
        job_name: i === 0 ? "pipeline" : "self",
        honor_labels: true,
        static_configs: [{ targets: [target] }],
      })),
    };
    prometheus = await PrometheusServer.start(config, "--enable-feature=exemplar-storage");
  });

  afterAll(async () => {
    await prometheus.stop();
    await service.stop();
  });

  const query = (expression: string) => prometheus.queryUntilFound(expression);

  test("finds both endpoints up", async () => {
    expect((await query('up{job="self"} == 1')).length).toBe(1);
    expect((await query('up{job="pipeline"} == 1')).length).toBe(1);
  });

  test("has every series with its value and labels", async () => {
    const [orders] = await query("orders_total");
    expect(orders!.value[1]).toBe("7");
    expect(orders!.metric).toMatchObject({
      region: "eu",
      job: "shop",
      instance: "i-1",
      otel_scope_name: "test",
    });
    expect(
      (await query("latency_seconds_bucket")).map(({ metric, value }) => [metric["le"], value[1]]),
    ).toEqual([
      ["+Inf", "3"],
      ["0.1", "1"],
      ["0.2", "2"],
    ]);
    expect((await query("temperature_celsius"))[0]!.value[1]).toBe("21.5");
    expect((await query("target_info"))[0]!.metric).toMatchObject({ cloud: "x", job: "shop" });
  });

  test("knows types, help and exemplars", async () => {
    await query("orders_total");
    const metadata = await prometheus.get<Record<string, object[]>>("metadata");
    expect((metadata["orders"] ?? metadata["orders_total"])?.[0]).toMatchObject({
      type: "counter",
      help: "Orders taken.",
    });
    const seconds = Date.now() / 1000;
    const [series] = await prometheus.get<{ exemplars: { labels: object }[] }[]>(
      "query_exemplars",
      {
        query: "orders_total",
        start: String(seconds - 600),
        end: String(seconds + 60),
      },
    );
    expect(series?.exemplars[0]?.labels).toMatchObject({
      trace_id: "0af7651916cd43dd8448eb211c80319c",
    });
  });

  test("had nothing to complain about", () => {
    expect(prometheus.complaints).toEqual([]);
  });

  test("promtool accepts the pipeline's page and the service's own", async () => {
    for (const owner of ["exporter prometheus", "service::telemetry::metrics"]) {
      const page = await (await fetch(`http://${service.address(owner, "http")}/metrics`)).text();
      const promtool = spawnSync("promtool", ["check", "metrics"], {
        input: page,
        encoding: "utf8",
      });
      expect([promtool.status, promtool.stderr]).toEqual([0, ""]);
    }
  });
});
