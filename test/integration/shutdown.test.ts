/** The end of a process: what is delivered, what is counted, how it exits. */
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GrpcSink } from "../support/grpc-sink.ts";
import { HttpLogClient } from "../support/log-client.ts";
import { ServiceProcess } from "../support/run-service.ts";

let sink: GrpcSink;
let service: ServiceProcess | undefined;
let client: HttpLogClient;

beforeEach(async () => {
  sink = await GrpcSink.start();
});
afterEach(async () => {
  client.close();
  await service?.stop();
  service = undefined;
  sink.stop();
});

const yaml = (batch: string, queue = "") => `
receivers:
  otlp: { protocols: { http: { endpoint: "127.0.0.1:0" } } }
processors:
  batch: { ${batch} }
exporters:
  otlp:
    endpoint: "127.0.0.1:${sink.port}"
    tls: { insecure: true }
    retry_on_failure: { initial_interval: 20ms, max_interval: 50ms }
    ${queue}
service:
  telemetry: { metrics: { level: none } }
  pipelines: { logs: { receivers: [otlp], processors: [batch], exporters: [otlp] } }
`;

async function start(text: string, ...args: string[]): Promise<void> {
  service = await ServiceProcess.start(text, { args });
  client = new HttpLogClient(service.address("receiver otlp", "http"));
}

const unavailable = () => ({ code: 14, message: "not now" });

test("what a batch still collects and what a queue still retries is delivered, exit code 0", async () => {
  sink.answer = unavailable;
  await start(yaml("timeout: 1h"));
  for (const name of ["a", "b", "c"]) expect((await client.send(name)).status).toBe(200);
  const exited = service!.stop();
  await service!.waitFor("Exporting failed. Will retry the request after interval.");
  sink.answer = () => undefined;
  expect(await exited).toBe(0);
  expect(sink.items).toBe(3);
  expect(service!.stderr).toContain("Shutdown complete.");
});

test("what is in the queue, in the outbox and in the open batch when the time is up is counted, exit code 1", async () => {
  sink.answer = unavailable;
  await start(
    yaml("timeout: 1h, send_batch_size: 2", "sending_queue: { queue_size: 1, num_consumers: 1 }"),
    "--shutdown-timeout",
    "300ms",
  );
  for (let i = 0; i < 7; i++) expect((await client.send(`n${i}`)).status).toBe(200);
  await service!.waitFor("The next component refused a batch");
  expect(await service!.stop()).toBe(1);
  expect(service!.stderr).toMatch(
    /Shutdown timeout passed before everything was delivered.*"lostItems": ?7\b/u,
  );
});

test("a second signal exits at once", async () => {
  sink.answer = unavailable;
  await start(yaml("timeout: 10ms"), "--shutdown-timeout", "1h");
  expect((await client.send("a")).status).toBe(200);
  service!.signal("SIGTERM");
  await service!.waitFor("Starting shutdown...");
  service!.signal("SIGINT");
  expect(await service!.exited()).toBe(1);
  expect(service!.stderr).not.toContain("Shutdown complete.");
});

test("a start that fails names the component, prints the error once and exits with 1", async () => {
  await start(yaml("timeout: 10ms"));
  const taken = service!.address("receiver otlp", "http");
  const failing = ServiceProcess.spawn(yaml("timeout: 10ms").replace("127.0.0.1:0", taken));
  expect(await failing.exited()).toBe(1);
  expect(failing.stderr).toContain('cannot start "otlp" receiver: ');
  expect(failing.stderr).not.toContain("Everything is ready");
  expect(await service!.stop()).toBe(0);
});
