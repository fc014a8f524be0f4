import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";
import { type handleUnaryCall, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import protobuf from "protobufjs";
import { Secret } from "../../../src/config/fields.ts";
import { type Logger, silentLogger } from "../../../src/log.ts";
import type {
  OtlpReaderConfig,
  TemporalityPreference,
} from "../../../src/self-telemetry/config.ts";
import { MeterRegistry } from "../../../src/self-telemetry/meter.ts";
import { SelfMetrics } from "../../../src/self-telemetry/self-metrics.ts";
import { FakeClock } from "../../support/fake-clock.ts";

/** The part of OTLP that these tests look at, with its own field numbers. */
const proto = protobuf.parse(`
  syntax = "proto3";
  message Request { repeated ResourceMetrics resource_metrics = 1; }
  message ResourceMetrics { Resource resource = 1; repeated ScopeMetrics scope_metrics = 2; }
  message Resource { repeated KeyValue attributes = 1; }
  message KeyValue { string key = 1; Value value = 2; }
  message Value { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
  message ScopeMetrics { Scope scope = 1; repeated Metric metrics = 2; }
  message Scope { string name = 1; string version = 2; }
  message Metric { string name = 1; string unit = 3; Gauge gauge = 5; Sum sum = 7; Histogram histogram = 9; }
  message Gauge { repeated Point data_points = 1; }
  message Sum { repeated Point data_points = 1; int32 temporality = 2; bool monotonic = 3; }
  message Point { repeated KeyValue attributes = 7; fixed64 start = 2; fixed64 time = 3; oneof value { double as_double = 4; sfixed64 as_int = 6; } }
  message Histogram { repeated HistogramPoint data_points = 1; int32 temporality = 2; }
  message HistogramPoint { fixed64 count = 4; double sum = 5; repeated fixed64 bucket_counts = 6; repeated double bounds = 7; }
`).root;

interface SumPoint {
  readonly start: number;
  readonly time: number;
  readonly asDouble?: number;
}
interface Metric {
  name: string;
  gauge?: { dataPoints: object[] };
  sum?: { dataPoints: SumPoint[]; temporality: number };
  histogram?: { dataPoints: object[]; temporality: number };
}
interface Received {
  readonly metrics: ReadonlyMap<string, Metric>;
  readonly resource: unknown;
  readonly headers: Readonly<Record<string, unknown>>;
}

function decode(bytes: Uint8Array, headers: Received["headers"]): Received {
  const type = proto.lookupType("Request");
  const request = type.toObject(type.decode(bytes), { longs: Number });
  const { resource, scopeMetrics } = request["resourceMetrics"][0];
  const metrics: Metric[] = scopeMetrics.flatMap((scope: { metrics: Metric[] }) => scope.metrics);
  return { metrics: new Map(metrics.map((metric) => [metric.name, metric])), resource, headers };
}

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const raw = (bytes: Buffer) => bytes;

/** A foreign OTLP/gRPC receiver. `next` resolves with the next push. */
async function grpcBackend(answer?: { code: status; details: string }) {
  const queue = new Inbox();
  const exportMetrics: handleUnaryCall<Buffer, Buffer> = ({ request, metadata }, reply) => {
    queue.put(decode(request, metadata.getMap()));
    if (answer === undefined) reply(null, Buffer.alloc(0));
    else reply(answer);
  };
  const server = new Server();
  server.addService(
    {
      Export: {
        path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        requestStream: false,
        responseStream: false,
        requestSerialize: raw,
        requestDeserialize: raw,
        responseSerialize: raw,
        responseDeserialize: raw,
      },
    },
    { Export: exportMetrics },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  closers.push(() => server.forceShutdown());
  return { endpoint: `http://127.0.0.1:${port}`, next: () => queue.next(), queue };
}

/** What arrived, in order; `next` waits for it. */
class Inbox {
  readonly #items: Received[] = [];
  #waiting: ((item: Received) => void) | undefined;
  put(item: Received): void {
    if (this.#waiting === undefined) this.#items.push(item);
    else this.#waiting(item);
    this.#waiting = undefined;
  }
  get size(): number {
    return this.#items.length;
  }
  next(): Promise<Received> {
    const first = this.#items.shift();
    if (first !== undefined) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }
}

interface Periodic {
  interval?: number;
  timeout?: number;
  console?: object;
}

async function startPushing(
  otlp: Partial<OtlpReaderConfig> & { endpoint: string },
  log?: Logger,
  { interval = 60_000, timeout = 5000, console }: Periodic = {},
) {
  const clock = new FakeClock();
  const registry = new MeterRegistry();
  const periodic = {
    interval,
    timeout,
    exporter:
      console === undefined
        ? { otlp: { protocol: "grpc", headers: [], ...otlp } as const }
        : { console },
  };
  const telemetry = new SelfMetrics({
    config: {
      metrics: { level: "normal", readers: [{ periodic }] },
      resource: { "service.instance.id": "the-instance" },
    },
    version: "1.2.3",
    meters: registry,
    clock,
    log: log ?? silentLogger,
    listen: () => Promise.reject(new Error("must not listen")),
  });
  const meter = registry.meterFor({ receiver: "otlp" });
  const counter = meter.counter("otelcol_receiver_accepted_spans");
  const sizes = meter.histogram("otelcol_processor_batch_batch_send_size");
  meter.gauge("otelcol_exporter_queue_size", () => 7);
  await telemetry.start();
  closers.push(() => telemetry.shutdown(AbortSignal.timeout(1000)));
  return { clock, telemetry, counter, sizes };
}

function uptimePoint({ metrics }: Received): SumPoint {
  const point = metrics.get("otelcol_process_uptime")?.sum?.dataPoints[0];
  if (point === undefined) throw new Error("no uptime in this push");
  return point;
}

describe("a periodic reader over gRPC", () => {
  test("pushes the metrics with the resource and headers when the interval has passed", async () => {
    const backend = await grpcBackend();
    const { clock, counter, sizes } = await startPushing({
      endpoint: backend.endpoint,
      headers: [{ name: "x-token", value: new Secret("hunter2") }],
      compression: "gzip",
    });
    counter.add(5);
    sizes.record(20);
    await clock.advance(59_999);
    expect(backend.queue.size).toBe(0);
    await clock.advance(1);
    const { metrics, resource, headers } = await backend.next();
    expect(headers).toMatchObject({ "x-token": "hunter2" });
    expect(resource).toEqual({
      attributes: [
        { key: "service.name", value: { stringValue: "repomind-telemetry" } },
        { key: "service.version", value: { stringValue: "1.2.3" } },
        { key: "service.instance.id", value: { stringValue: "the-instance" } },
      ],
    });
    expect(metrics.get("otelcol_receiver_accepted_spans")).toMatchObject({
      unit: "{spans}",
      sum: {
        temporality: 2,
        monotonic: true,
        dataPoints: [
          {
            asInt: 5,
            attributes: [{ key: "receiver", value: { stringValue: "otlp" } }],
            start: 1_700_000_000_000_000_000,
            time: 1_700_000_060_000_000_000,
          },
        ],
      },
    });
    expect(metrics.get("otelcol_process_uptime")?.sum?.dataPoints).toMatchObject([
      { asDouble: 60 },
    ]);
    expect(metrics.get("otelcol_exporter_queue_size")?.gauge?.dataPoints).toMatchObject([
      { asInt: 7 },
    ]);
    expect(metrics.get("otelcol_processor_batch_batch_send_size")?.histogram).toMatchObject({
      temporality: 2,
      dataPoints: [{ count: 1, sum: 20, bucketCounts: expect.arrayContaining([1]) }],
    });
  });

  test.each<[TemporalityPreference, { added: [number, number]; read: [number, string] }]>([
    ["cumulative", { added: [2, 8], read: [2, "since the start"] }],
    ["delta", { added: [1, 3], read: [1, "since the last push"] }],
    ["lowmemory", { added: [1, 3], read: [2, "since the start"] }],
  ])("temporality %s", async (temporality_preference, { added, read }) => {
    const backend = await grpcBackend();
    const { clock, counter, sizes } = await startPushing({
      endpoint: backend.endpoint,
      temporality_preference,
    });
    counter.add(5);
    sizes.record(20);
    await clock.advance(60_000);
    const first = await backend.next();
    expect(uptimePoint(first).asDouble).toBe(60);
    counter.add(3);
    sizes.record(30);
    sizes.record(30);
    await untilNextPush(clock, backend.queue);
    const second = await backend.next();
    const { metrics } = second;
    expect(metrics.get("otelcol_receiver_accepted_spans")?.sum).toMatchObject({
      temporality: added[0],
      dataPoints: [{ asInt: added[1] }],
    });
    expect(metrics.get("otelcol_process_uptime")?.sum?.temporality).toBe(read[0]);
    const { start, time } = uptimePoint(second);
    expect(start / 1e9).toBe(1_700_000_000 + (read[1] === "since the start" ? 0 : 60));
    expect(uptimePoint(second).asDouble).toBeCloseTo((time - start) / 1e9, 3);
    expect(metrics.get("otelcol_processor_batch_batch_send_size")?.histogram).toMatchObject({
      temporality: added[0],
      dataPoints: [
        temporality_preference === "cumulative" ? { count: 3, sum: 80 } : { count: 2, sum: 60 },
      ],
    });
  });

  test("pushes the last values at shutdown, also when no push was due", async () => {
    const backend = await grpcBackend();
    const { telemetry, counter } = await startPushing({ endpoint: backend.endpoint });
    counter.add(9);
    await telemetry.shutdown(new AbortController().signal);
    const { metrics } = await backend.next();
    expect(metrics.get("otelcol_receiver_accepted_spans")?.sum?.dataPoints).toMatchObject([
      { asInt: 9 },
    ]);
    await telemetry.shutdown(new AbortController().signal);
    expect(backend.queue.size).toBe(0);
  });

  test("a refusal is logged, and the next push carries on", async () => {
    const refusing = await grpcBackend({ code: status.INVALID_ARGUMENT, details: "go away" });
    const warnings: unknown[] = [];
    const log = {
      ...silentLogger,
      warn: (_: string, fields: unknown) => void warnings.push(fields),
    };
    log.with = () => log;
    const { clock } = await startPushing({ endpoint: refusing.endpoint }, log);
    await clock.advance(60_000);
    await refusing.next();
    await untilNextPush(clock, refusing.queue);
    expect(warnings.length).toBeGreaterThanOrEqual(1);
    expect(warnings[0]).toEqual({ error: expect.stringContaining("go away") });
  });

  test("shutdown with a backend that does not answer ends when aborted", async () => {
    const { telemetry } = await startPushing({ endpoint: "http://127.0.0.1:9" });
    await expect(telemetry.shutdown(AbortSignal.timeout(50))).resolves.toBeUndefined();
  });

  test("a TLS file that cannot be read is an error at start", async () => {
    await expect(
      startPushing({ endpoint: "https://127.0.0.1:9", certificate: "/nowhere/ca.pem" }),
    ).rejects.toThrow(
      "cannot read TLS file: ENOENT: no such file or directory, open '/nowhere/ca.pem'",
    );
  });
});

test("interval and timeout 0 mean the defaults", async () => {
  const backend = await grpcBackend();
  const { clock } = await startPushing({ endpoint: backend.endpoint }, undefined, {
    interval: 0,
    timeout: 0,
  });
  await clock.advance(59_999);
  expect(backend.queue.size).toBe(0);
  await clock.advance(1);
  expect((await backend.next()).metrics.size).toBeGreaterThan(5);
});

test("the console exporter prints", async () => {
  const printed = jest.spyOn(console, "dir").mockImplementation(() => undefined);
  const { telemetry } = await startPushing({ endpoint: "" }, undefined, { console: {} });
  await telemetry.shutdown(new AbortController().signal);
  const names = printed.mock.calls.map(([metric]) => JSON.stringify(metric));
  printed.mockRestore();
  expect(names.join("")).toContain("otelcol_process_uptime");
});

/** A push that is under way is joined by the next tick: time moves until another one arrived. */
async function untilNextPush(clock: FakeClock, queue: Inbox): Promise<void> {
  while (queue.size === 0) await clock.advance(60_000);
}

/** Jest's module loader has no native import(), which the HTTP exporter uses inside: another process pushes. */
const pushOverHttp = `
  import { systemClock } from "./src/clock.ts";
  import { silentLogger } from "./src/log.ts";
  import { MeterRegistry } from "./src/self-telemetry/meter.ts";
  import { SelfMetrics } from "./src/self-telemetry/self-metrics.ts";
  const fail = (...line) => { console.error(...line); process.exitCode = 1; };
  const log = { ...silentLogger, warn: fail, error: fail, with: () => log };
  const registry = new MeterRegistry();
  const headers = [{ name: "x-tenant", value: "a" }];
  const otlp = { protocol: "http/protobuf", endpoint: process.argv[1], headers, compression: "gzip" };
  const telemetry = new SelfMetrics({
    config: {
      metrics: { level: "normal", readers: [{ periodic: { interval: 60000, timeout: 5000, exporter: { otlp } } }] },
      resource: {},
    },
    version: "1", meters: registry, clock: systemClock, log,
  });
  registry.meterFor({}).counter("otelcol_receiver_accepted_spans").add(4);
  await telemetry.start();
  await telemetry.shutdown(AbortSignal.timeout(20000));
`;

test("a periodic reader over HTTP posts protobuf to the default path", async () => {
  const inbox = new Inbox();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      inbox.put(
        decode(gunzipSync(Buffer.concat(chunks)), { ...request.headers, url: request.url }),
      );
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => server.close().closeAllConnections());
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === "string") throw new Error("not a TCP server");
  const { stderr } = await promisify(execFile)(process.execPath, [
    "--input-type=module",
    "--eval",
    pushOverHttp,
    `http://127.0.0.1:${address.port}`,
  ]);
  expect(stderr).toBe("");
  const { metrics, headers } = await inbox.next();
  expect(headers).toMatchObject({
    url: "/v1/metrics",
    "content-type": "application/x-protobuf",
    "content-encoding": "gzip",
    "x-tenant": "a",
  });
  expect(metrics.get("otelcol_receiver_accepted_spans")?.sum?.dataPoints).toMatchObject([
    { asInt: 4 },
  ]);
});
