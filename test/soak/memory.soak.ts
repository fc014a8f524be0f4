/** Ten minutes of load (SOAK_SECONDS): memory stays flat and nothing is lost. Run by `npm run nightly`. */
import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { repeatMetrics } from "../../bench/shapes.ts";
import { GrpcSink } from "../support/grpc-sink.ts";
import { ServiceProcess } from "../support/run-service.ts";

const seconds = Number(process.env["SOAK_SECONDS"] ?? 600);

const rssMegabytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/u.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;

test(
  "RSS is flat and every accepted item arrives",
  async () => {
    const sink = await GrpcSink.start();
    sink.keepBodies = false;
    const service = await ServiceProcess.start(`
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
processors: { batch: }
exporters:
  otlp: { endpoint: "127.0.0.1:${sink.port}", tls: { insecure: true } }
  prometheus: { endpoint: "127.0.0.1:0" }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], processors: [batch], exporters: [otlp, prometheus] } }
`);
    const url = `http://${service.address("receiver otlp", "http")}/v1/metrics`;
    const samples: number[] = [];
    const startMs = Date.now();
    let sent = 0;
    let nextSampleMs = startMs;
    while (Date.now() - startMs < seconds * 1000) {
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/x-protobuf" },
        body: repeatMetrics(sent, 1000),
      });
      if (response.ok) sent += 1000;
      if (Date.now() >= nextSampleMs) {
        samples.push(rssMegabytes(service.pid));
        nextSampleMs += (seconds * 1000) / 20;
      }
    }
    expect(await service.stop()).toBe(0);
    expect(sink.items).toBe(sent);
    const half = samples.slice(samples.length / 2);
    expect(Math.max(...half) - Math.min(...half)).toBeLessThan(40);
    sink.stop();
  },
  (seconds + 60) * 1000,
);
