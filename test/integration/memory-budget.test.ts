/** Bounded memory: a dead backend and far too much input are refused retryably, and it recovers. */
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { GrpcSink } from "../support/grpc-sink.ts";
import { GrpcLogClient, HttpLogClient, scrapeNumbers } from "../support/log-client.ts";
import { ServiceProcess } from "../support/run-service.ts";

let sink: GrpcSink;
let service: ServiceProcess | undefined;
let clients: { close(): void }[];

beforeEach(async () => {
  sink = await GrpcSink.start();
  clients = [];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await service?.stop();
  service = undefined;
  sink.stop();
});

const yaml = (processors: string, limiter = "") => `
receivers:
  otlp:
    protocols:
      grpc: { endpoint: "127.0.0.1:0" }
      http: { endpoint: "127.0.0.1:0" }
processors:
  batch: { timeout: 10ms }
  ${limiter}
exporters:
  otlp:
    endpoint: "127.0.0.1:${sink.port}"
    tls: { insecure: true }
    retry_on_failure: { initial_interval: 20ms, max_interval: 50ms }
    sending_queue: { queue_size: 100000 }
service:
  telemetry:
    metrics:
      level: detailed
      readers: [{ pull: { exporter: { prometheus: { host: 127.0.0.1, port: 0 } } } }]
  pipelines: { logs: { receivers: [otlp], processors: [${processors}], exporters: [otlp] } }
`;

const budgetBytes = 1024 * 1024;

async function start(text: string): Promise<HttpLogClient> {
  service = await ServiceProcess.start(text, { args: ["--memory-budget", "1MiB"] });
  const client = new HttpLogClient(service.address("receiver otlp", "http"));
  clients.push(client);
  return client;
}

async function usedBytes(): Promise<number> {
  const [, address] = /service::telemetry\S*\s+http\s+([^\s,]+)/u.exec(service!.stderr)!;
  const numbers = await scrapeNumbers(`http://${address}/metrics`);
  const find = (name: string) => [...numbers].find(([key]) => key.startsWith(name))![1];
  expect(find("rmt_memory_budget_limit_bytes")).toBe(budgetBytes);
  return find("rmt_memory_budget_used_bytes");
}

test.each([
  ["a queue alone", ""],
  ["a batch before it", "batch"],
])(
  "ten times the budget with a stuck backend: %s",
  async (_name, processors) => {
    sink.answer = () => ({ code: 14, message: "not now" });
    const client = await start(yaml(processors));
    const record = "x".repeat(40_000);
    const requests = (10 * budgetBytes) / record.length;
    let accepted = 0;
    const statuses = new Set<number>();
    let worst = 0;
    const load = async (count: number) => {
      for (let i = 0; i < count; i++) {
        const { status, retryAfter, text } = await client.send(record);
        statuses.add(status);
        if (status === 200) accepted++;
        else {
          expect(text).toContain("the memory budget is used up");
          expect(Number(retryAfter)).toBeGreaterThan(0);
        }
        if (i % 20 === 0) worst = Math.max(worst, await usedBytes());
      }
    };
    await Promise.all([1, 2, 3, 4].map(() => load(requests / 4)));
    expect(statuses).toEqual(new Set([200, 503]));
    expect(worst).toBeGreaterThan(budgetBytes / 2);
    expect(worst).toBeLessThanOrEqual(budgetBytes);
    expect(accepted * record.length).toBeLessThanOrEqual(budgetBytes);
    expect(sink.items).toBe(0);
    sink.answer = () => undefined;
    // It recovers: what it took is delivered, and new data is taken.
    let isTaken = false;
    for (const end = performance.now() + 10_000; !isTaken && performance.now() < end; ) {
      isTaken = (await client.send("after")).status === 200;
    }
    expect(isTaken).toBe(true);
    expect(await service!.stop()).toBe(0);
    expect(sink.items).toBe(accepted + 1);
  },
  30_000,
);

test("the memory_limiter's refusal is UNAVAILABLE over gRPC and 503 over HTTP", async () => {
  const client = await start(
    yaml("memory_limiter", "memory_limiter: { check_interval: 10ms, limit_mib: 1 }"),
  );
  const grpc = new GrpcLogClient(service!.address("receiver otlp", "grpc"));
  clients.push(grpc);
  const text = "data refused due to high memory usage";
  expect(await grpc.send("a")).toEqual({ code: 14, message: text });
  const refused = await client.send("b");
  expect(refused.status).toBe(503);
  expect(refused.text).toContain(text);
  expect(await service!.stop()).toBe(0);
  expect(sink.items).toBe(0);
});
