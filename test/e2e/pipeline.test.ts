/** The whole service as a process, with the OpenTelemetry SDK in front and foreign servers behind. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { GrpcSink } from "../support/grpc-sink.ts";
import { ServiceProcess } from "../support/run-service.ts";

const otlpReceiver = `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: "127.0.0.1:0" }
      http: { endpoint: "127.0.0.1:0" }
`;
const quietTelemetry = "  telemetry: { metrics: { level: none } }";

let sink: GrpcSink;
let service: ServiceProcess | undefined;

beforeEach(async () => {
  sink = await GrpcSink.start();
});
afterEach(async () => {
  await service?.stop();
  service = undefined;
  sink.stop();
});

/** Three counters with one point each, by a real SDK over gRPC. */
async function sendCounters(address: string): Promise<void> {
  const provider = new MeterProvider({
    resource: resourceFromAttributes({ "service.name": "checkout", "service.instance.id": "1" }),
    readers: [
      new PeriodicExportingMetricReader({
        exporter: new OTLPMetricExporter({ url: `http://${address}` }),
        exportIntervalMillis: 3_600_000,
      }),
    ],
  });
  for (const name of ["a", "b", "c"])
    provider.getMeter("shop").createCounter(`orders.${name}`).add(5, { region: "eu" });
  await provider.forceFlush();
  await provider.shutdown();
}

describe("OTLP in, through batch, out to OTLP, file and Prometheus", () => {
  const yaml = (port: number) => `${otlpReceiver}
processors:
  batch: { timeout: 50ms, send_batch_size: 2, send_batch_max_size: 2 }
exporters:
  otlp: { endpoint: "127.0.0.1:${port}", tls: { insecure: true } }
  file: { path: ./out.jsonl }
  prometheus: { endpoint: "127.0.0.1:0" }
service:
${quietTelemetry}
  pipelines:
    metrics: { receivers: [otlp], processors: [batch], exporters: [otlp, file, prometheus] }
    traces: { receivers: [otlp], exporters: [otlp, file] }
`;

  test("metrics of a real SDK reach all three, split by the batch", async () => {
    service = await ServiceProcess.start(yaml(sink.port));
    await sendCounters(service.address("receiver otlp", "grpc"));
    const metrics = await scrape(service.address("exporter prometheus", "http"), /orders_c_total/u);
    expect(metrics).toMatch(/^orders_a_total\{.*region="eu".*\} 5$/mu);
    expect(metrics).toMatch(/^target_info\{.*job="checkout".*\} 1$/mu);
    expect(await service.stop()).toBe(0);
    expect(sink.items).toBe(3);
    expect(sink.received.length).toBe(2);
    const lines = readFileSync(join(service.directory, "out.jsonl"), "utf8").trim().split("\n");
    expect(lines.length).toBe(2);
    expect(lines.join()).toContain('"orders.b"');
    expect(service.stderr).toContain("first data received");
  });

  test("spans over HTTP/protobuf arrive", async () => {
    service = await ServiceProcess.start(yaml(sink.port));
    const url = `http://${service.address("receiver otlp", "http")}/v1/traces`;
    const provider = new TracerProvider({
      spanProcessors: [new SimpleSpanProcessor({ exporter: new OTLPTraceExporter({ url }) })],
    });
    provider.getTracer("t").startSpan("checkout").end();
    await provider.forceFlush();
    await provider.shutdown();
    expect(await service.stop()).toBe(0);
    expect(sink.items).toBe(1);
    expect(Buffer.concat(sink.received.map(({ body }) => body)).includes("checkout")).toBe(true);
  });
});

/** The metrics page, once it contains the pattern. */
async function scrape(address: string, pattern: RegExp): Promise<string> {
  for (;;) {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    if (pattern.test(text)) return text;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const oneLog = (name: string) =>
  JSON.stringify({
    resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: name } }] }] }],
  });

const postLog = (address: string, name: string) =>
  fetch(`http://${address}/v1/logs`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: oneLog(name),
  });

test("a full queue refuses retryably, and what was accepted is delivered when the backend is back", async () => {
  sink.answer = () => ({ code: 14, message: "not now" });
  service = await ServiceProcess.start(`${otlpReceiver}
exporters:
  otlp:
    endpoint: "127.0.0.1:${sink.port}"
    tls: { insecure: true }
    retry_on_failure: { initial_interval: 10ms, max_interval: 20ms }
    sending_queue: { queue_size: 2, num_consumers: 1 }
service:
${quietTelemetry}
  pipelines: { logs: { receivers: [otlp], exporters: [otlp] } }
`);
  const address = service.address("receiver otlp", "http");
  let accepted = 0;
  let refusal: Response | undefined;
  while (refusal === undefined && accepted < 10) {
    const response = await postLog(address, `log-${accepted}`);
    if (response.ok) accepted++;
    else refusal = response;
  }
  expect(refusal?.status).toBe(503);
  expect(await refusal!.json()).toMatchObject({
    code: 14,
    message: expect.stringContaining("sending queue is full"),
  });
  sink.answer = () => undefined;
  expect(await service.stop()).toBe(0);
  expect(sink.items).toBe(accepted);
});

describe("SIGHUP", () => {
  const yaml = (port: number, attributes: string) => `${otlpReceiver}
processors:
  batch: { timeout: 20ms, send_batch_size: ${attributes} }
exporters:
  otlp: { endpoint: "127.0.0.1:${port}", tls: { insecure: true } }
service:
${quietTelemetry}
  pipelines: { logs: { receivers: [otlp], processors: [batch], exporters: [otlp] } }
`;

  test("reloads under load without losing or refusing anything, the listener stays", async () => {
    service = await ServiceProcess.start(yaml(sink.port, "10"));
    const address = service.address("receiver otlp", "http");
    let stop = false;
    let sent = 0;
    const statuses = new Set<number>();
    const load = async () => {
      while (!stop) statuses.add((await postLog(address, `log-${sent++}`)).status);
    };
    const loads = [load(), load(), load()];
    for (const size of ["20", "30"]) {
      const from = service.stderr.length;
      writeFileSync(service.configPath, yaml(sink.port, size));
      service.signal("SIGHUP");
      await service.waitFor("Reloaded the configuration.", from);
    }
    stop = true;
    await Promise.all(loads);
    expect(statuses).toEqual(new Set([200]));
    expect(await service.stop()).toBe(0);
    expect(sink.items).toBe(sent);
  });

  test("a bad configuration is explained and the old one keeps running", async () => {
    service = await ServiceProcess.start(yaml(sink.port, "10"));
    writeFileSync(service.configPath, yaml(sink.port, "ten"));
    service.signal("SIGHUP");
    await service.waitFor("the old one keeps running");
    expect(service.stderr).toContain("pipelines.yaml:");
    expect((await postLog(service.address("receiver otlp", "http"), "x")).status).toBe(200);
    expect(await service.stop()).toBe(0);
    expect(sink.items).toBe(1);
  });
});

test("data that cannot be delivered within the shutdown timeout is counted and the exit code is 1", async () => {
  sink.answer = () => ({ code: 14, message: "not now" });
  service = await ServiceProcess.start(
    `${otlpReceiver}
exporters:
  otlp: { endpoint: "127.0.0.1:${sink.port}", tls: { insecure: true } }
service:
${quietTelemetry}
  pipelines: { logs: { receivers: [otlp], exporters: [otlp] } }
`,
    { args: ["--shutdown-timeout", "200ms"] },
  );
  await postLog(service.address("receiver otlp", "http"), "x");
  expect(await service.stop()).toBe(1);
  expect(service.stderr).toMatch(/Shutdown timeout passed.*"lostItems": ?1/u);
});
