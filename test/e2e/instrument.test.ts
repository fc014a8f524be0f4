/** An application that imports the helpers, the service, and what stands at /metrics. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ServiceProcess } from "../support/run-service.ts";

const entry = join(__dirname, "..", "..", "src", "instrument", "index.ts");
const yaml = `
receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
processors:
  metrics_transform/seed:
    transforms:
      - include: http.server.request.duration
        action: insert
        new_name: repomind.api.request.duration
        operations:
          - { action: aggregate_labels, label_set: [http.route, http.request.method], aggregation_type: sum }
          - { action: update_label, label: http.route, new_label: endpoint }
          - { action: update_label, label: http.request.method, new_label: method }
exporters: { prometheus: { endpoint: "127.0.0.1:0", without_scope_info: true } }
service:
  telemetry: { metrics: { level: none } }
  pipelines: { metrics: { receivers: [otlp], processors: [metrics_transform/seed], exporters: [prometheus] } }
`;

/** Serves 12 requests to itself, records, and ends: the exit sends. */
const application = (endpoint: string) => `
import { createServer } from "node:http";
import { setRoute, start } from ${JSON.stringify(entry)};
const { meter } = start({ serviceName: "repomind", endpoint: "http://${endpoint}", exitFlushMs: 20000 });
const server = createServer((request, response) => {
  setRoute(request, "/repos");
  response.statusCode = request.url === "/repos?broken" ? 500 : 200;
  response.end("[]");
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address();
for (let i = 0; i < 12; i++) {
  await (await fetch("http://127.0.0.1:" + port + (i < 3 ? "/repos?broken" : "/repos"))).text();
}
meter.counter("jobs.done", { unit: "{job}" }).bind({ queue: "index" }).add(7);
meter.upDownCounter("queue.depth").add(-2);
meter.gauge("pool.usage", { unit: "By" }).record(1.5);
meter.histogram("answer.size", { unit: "By", boundaries: [10, 100] }).record(50);
process.exit(0);
`;

test("every kind of instrument and the seed's line arrive at /metrics", async () => {
  const service = await ServiceProcess.start(yaml);
  try {
    const child = spawn(
      process.execPath,
      [
        "--input-type=module-typescript",
        "--eval",
        application(service.address("receiver otlp", "http")),
      ],
      { env: { ...process.env, NODE_OPTIONS: "" }, stdio: ["ignore", "inherit", "inherit"] },
    );
    expect(await new Promise((resolve) => child.on("close", resolve))).toBe(0);
    const metrics = `http://${service.address("exporter prometheus", "http")}/metrics`;
    const text = await (await fetch(metrics)).text();
    const line = (name: string, labels: Record<string, string>) => {
      const found = text.split("\n").filter((l) => {
        const hasName = l.startsWith(`${name}{`) || l.startsWith(`${name} `);
        return hasName && Object.entries(labels).every(([k, v]) => l.includes(`${k}="${v}"`));
      });
      expect(found).toHaveLength(1);
      return Number(/ (\S+)$/u.exec(found[0]!.replace(/^[^{]*\{.*\}/u, ""))![1]);
    };
    expect(line("jobs_done_total", { queue: "index", job: "repomind" })).toBe(7);
    expect(line("queue_depth", {})).toBe(-2);
    expect(line("pool_usage_bytes", {})).toBe(1.5);
    expect(line("answer_size_bytes_bucket", { le: "10" })).toBe(0);
    expect(line("answer_size_bytes_bucket", { le: "100" })).toBe(1);
    expect(line("http_server_active_requests", { http_request_method: "GET" })).toBe(0);
    const duration = "http_server_request_duration_seconds_count";
    expect(line(duration, { http_route: "/repos", http_response_status_code: "200" })).toBe(9);
    expect(line(duration, { http_response_status_code: "500", error_type: "500" })).toBe(3);
    const seed = "repomind_api_request_duration_seconds";
    expect(line(`${seed}_count`, { endpoint: "/repos", method: "GET" })).toBe(12);
    expect(line(`${seed}_bucket`, { endpoint: "/repos", method: "GET", le: "+Inf" })).toBe(12);
    expect(text).toContain(`${seed}_bucket{`);
    expect(text).toMatch(/repomind_api_request_latency_seconds/u);
  } finally {
    await service.stop();
  }
});
