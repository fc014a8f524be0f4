/** The whole service as a process, with the OpenTelemetry SDK in front and foreign servers behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { countItems } from "../../src/pdata/count.ts";
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

/** Metrics, spans and a log record of a real SDK; returns what it complained about. */
async function sendBySdk(protocol: string, address: string): Promise<string> {
  const script = join(__dirname, "..", "support", "sdk-client.ts");
  const child = spawn(process.execPath, [script, protocol, address], { stdio: "pipe" });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  const [code] = (await once(child, "close")) as [number];
  return code === 0 ? output : `${output}\nexit code ${code}`;
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
    logs: { receivers: [otlp], exporters: [otlp, file] }
`;

  test.each(["grpc", "http/protobuf", "http/json"])(
    "metrics, spans and logs of a real SDK arrive over %s, split by the batch",
    async (protocol) => {
      service = await ServiceProcess.start(yaml(sink.port));
      const listener = service.address("receiver otlp", protocol === "grpc" ? "grpc" : "http");
      expect(await sendBySdk(protocol, listener)).toBe("");
      const metrics = await scrape(
        service.address("exporter prometheus", "http"),
        /latency_seconds_count/u,
      );
      expect(metrics).toMatch(/^orders_a_total\{.*region="eu".*\} 5$/mu);
      expect(metrics).toMatch(/^latency_seconds_bucket\{.*le="5".*\} 1$/mu);
      expect(metrics).toMatch(/^target_info\{host_name="büro",instance="1",job="checkout"\} 1$/mu);
      expect(await service.stop()).toBe(0);
      // The SDK adds metrics of its own.
      expect(sink.items).toBeGreaterThanOrEqual(7);
      const sizes = sink.received.map(({ signal, body }) => countItems(signal, body));
      expect(Math.max(...sizes)).toBe(2);
      const lines = readFileSync(join(service.directory, "out.jsonl"), "utf8").trim().split("\n");
      expect(lines.length).toBe(sizes.length);
      for (const text of ['"orders.b"', '"declined"', '"paid"', '"order"'])
        expect(lines.join()).toContain(text);
      expect(service.stderr).toContain("first data received");
    },
  );
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
