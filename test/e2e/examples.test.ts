/** Every example and the shipped configuration load and run. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { ServiceProcess } from "../support/run-service.ts";

const root = join(__dirname, "..", "..");
const examples = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".yaml"));

/** The same configuration with every listener on a free port. */
function onFreePorts(yaml: string): string {
  return yaml
    .replaceAll(
      /endpoint: localhost:(4317|4318|8125|8126|9090|9091|13133|55679)/gu,
      "endpoint: localhost:0",
    )
    .replaceAll(
      /^(\s+)(grpc|http|health_check|zpages):$(?!\n\s+endpoint:)/gmu,
      "$1$2: { endpoint: localhost:0 }",
    )
    .replace(/^service:$/mu, "service:\n  telemetry: { metrics: { level: none } }");
}

test.each(examples)("%s runs", async (name) => {
  const service = await ServiceProcess.start(
    onFreePorts(readFileSync(join(root, "examples", name), "utf8")),
  );
  expect(await service.stop()).toBe(0);
});

test("the shipped pipelines.yaml runs on TELEMETRY_PORT with every other listener moved", async () => {
  const port = process.env["TELEMETRY_PORT"] ?? "9090";
  const moved = [
    "receivers.otlp.protocols.grpc.endpoint",
    "receivers.otlp.protocols.http.endpoint",
    "receivers.statsd.endpoint",
    "receivers.http_metrics.endpoint",
    "extensions.health_check.endpoint",
  ];
  const service = await ServiceProcess.start(readFileSync(join(root, "pipelines.yaml"), "utf8"), {
    args: [
      ...moved.flatMap((key) => ["--set", `${key}=localhost:0`]),
      "--set",
      "service.telemetry.metrics.level=none",
    ],
    env: { TELEMETRY_PORT: port },
  });
  expect(service.address("exporter prometheus", "http")).toMatch(new RegExp(`:${port}$`, "u"));
  const otlp = service.address("receiver otlp", "http");
  const point = { asInt: "1", timeUnixNano: `${Date.now()}000000` };
  const body = {
    resourceMetrics: [
      { scopeMetrics: [{ metrics: [{ name: "hello", gauge: { dataPoints: [point] } }] }] },
    ],
  };
  const sent = await fetch(`http://${otlp}/v1/metrics`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  expect(sent.status).toBe(200);
  await service.waitFor("first data received");
  for (;;) {
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    if (/^hello\{?.* 1$/mu.test(page) || page.includes("hello 1")) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await service.stop()).toBe(0);
});

test("a port in use names the port, the component and the remedy", async () => {
  const taken = await ServiceProcess.start(
    `receivers: { otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } } }
exporters: { nop: }
service: { telemetry: { metrics: { level: none } }, pipelines: { logs: { receivers: [otlp], exporters: [nop] } } }
`,
  );
  const address = taken.address("receiver otlp", "http");
  const second = ServiceProcess.spawn(
    `receivers: { otlp: { protocols: { http: { endpoint: "${address}" } } } }
exporters: { nop: }
service: { telemetry: { metrics: { level: none } }, pipelines: { logs: { receivers: [otlp], exporters: [nop] } } }
`,
  );
  expect(await second.exited()).toBe(1);
  expect(second.stderr).toContain(address.split(":")[1]);
  expect(second.stderr).toContain("otlp");
  expect(second.stderr).toMatch(/endpoint/u);
  await taken.stop();
});
