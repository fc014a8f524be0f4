/** A reload of the whole service: sums live on with an unchanged processor, and begin anew with a changed one. */
import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createPayload } from "../../../src/pdata/payload.ts";
import { GrpcSink } from "../../support/grpc-sink.ts";
import { metricsOf, metricsRequest } from "../../support/otlp-objects.ts";
import { ServiceProcess } from "../../support/run-service.ts";
import { numberPoint as at, sumOf, valuesOf } from "../../support/temporality.ts";

let sink: GrpcSink;
let service: ServiceProcess;

const yaml = (maxStale: string, interval: string) => `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
processors: { deltatocumulative: { max_stale: ${maxStale} } }
exporters:
  otlp:
    endpoint: 127.0.0.1:${sink.port}
    tls: { insecure: true }
    retry_on_failure: { initial_interval: ${interval} }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], processors: [deltatocumulative], exporters: [otlp] } }
`;

beforeEach(async () => {
  sink = await GrpcSink.start();
  service = await ServiceProcess.start(yaml("10m", "1s"));
});
afterEach(async () => {
  await service.stop();
  sink.stop();
});

async function send(end: number, value: bigint): Promise<void> {
  const address = service.address("receiver otlp", "http");
  const response = await fetch(`http://${address}/v1/metrics`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(metricsRequest([sumOf(1, [at([end - 10, end], value)])])),
  });
  expect(response.status).toBe(200);
  while (sink.received.length < end / 10) await new Promise((resolve) => setImmediate(resolve));
}

async function reload(text: string): Promise<void> {
  const from = service.stderr.length;
  writeFileSync(service.configPath, text);
  service.signal("SIGHUP");
  await service.waitFor("Reloaded the configuration.", from);
}

test("sums live on over a reload that does not change the processor", async () => {
  await send(10, 5n);
  await reload(yaml("10m", "2s"));
  await send(20, 2n);
  await reload(yaml("20m", "2s"));
  await send(30, 3n);
  const sums = sink.received.map(
    ({ body }) => valuesOf(metricsOf(createPayload("metrics", [body], [1])))[0],
  );
  expect(sums).toEqual([5n, 7n, 3n]);
});
