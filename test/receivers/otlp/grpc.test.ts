/** OTLP/gRPC: what arrives, what is refused and in which words, what travels beside the data. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Metadata } from "@grpc/grpc-js";
import { afterEach, describe, expect, test } from "@jest/globals";
import { grpcServerSpec } from "../../../receivers/otlp/grpc.ts";
import { grpcServer } from "../../../src/config/fragments/grpc-server.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { callBytes } from "../../../src/net/grpc-server-call.ts";
import { createPayload, type Signal, signals } from "../../../src/pdata/payload.ts";
import { Writer, wireLength } from "../../../src/pdata/wire.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import {
  eventually,
  framed,
  grpcJsCall,
  grpcJsClient,
  H2Client,
} from "../../support/grpc-server.ts";
import { decodeForeign, requestTypes } from "../../support/otlp-proto.ts";
import { randomRequest } from "../../support/otlp-random.ts";
import { startOtlpReceiver, type TestReceiver } from "../../support/otlp-receiver.ts";
import { logsPayload } from "../../support/payloads.ts";

const paths: Readonly<Record<Signal, string>> = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
};

const mebibyte = 2 ** 20;
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(
  keys: Record<string, unknown> = {},
  options: Parameters<typeof startOtlpReceiver>[2] = {},
): Promise<TestReceiver> {
  const receiver = await startOtlpReceiver("grpc", keys, options);
  closers.push(async () => {
    await eventually(() => receiver.budget.usedBytes === 0);
    await receiver.close();
  });
  return receiver;
}

function foreign(address: string) {
  const client = grpcJsClient(address);
  closers.push(() => client.close());
  return client;
}

function h2({ port }: TestReceiver): H2Client {
  const client = new H2Client(port);
  closers.push(() => client.close());
  return client;
}

const oneLog = Buffer.from(logsPayload(["one"]).parts[0]!);

/** A request with one record, as the foreign codec writes it. */
function logsRequest(record: Record<string, unknown>): Buffer {
  const type = requestTypes.logs;
  const request = { resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] };
  return Buffer.from(type.encode(type.fromObject(request)).finish());
}

function spansRequest(span: Record<string, unknown>): Buffer {
  const type = requestTypes.traces;
  const request = { resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] };
  return Buffer.from(type.encode(type.fromObject(request)).finish());
}

describe("requests", () => {
  test.each(signals)("%s arrive whole", async (signal) => {
    const receiver = await start();
    const request = randomRequest(signal, 7, { order: "ascending", unknown: false });
    const answer = await grpcJsCall(foreign(receiver.address), request, { method: paths[signal] });
    expect(answer).toEqual({ error: null, body: Buffer.alloc(0) });
    expect(receiver.arrivals.map(({ payload }) => payload.signal)).toEqual([signal]);
    expect(decodeForeign(signal, receiver.bytes())).toEqual(decodeForeign(signal, request));
  });

  test.each(signals)("without %s are a success and go nowhere", async (signal) => {
    const receiver = await start();
    const { error } = await grpcJsCall(foreign(receiver.address), Buffer.alloc(0), {
      method: paths[signal],
    });
    expect(error).toBeNull();
    expect(receiver.arrivals).toEqual([]);
  });

  test("of a signal that no pipeline takes are UNIMPLEMENTED", async () => {
    const receiver = await start({}, { signals: ["metrics"] });
    const { error } = await grpcJsCall(foreign(receiver.address), oneLog, { method: paths.logs });
    expect(error).toMatchObject({
      code: 12,
      details: "unknown service opentelemetry.proto.collector.logs.v1.LogsService",
    });
  });

  test("with invalid UTF-8 arrive unbroken", async () => {
    const receiver = await start();
    const broken = Buffer.from(oneLog);
    broken.set([0xff, 0xfe, 0x80], broken.indexOf("one"));
    expect(broken.includes(Buffer.from([0xff, 0xfe, 0x80]))).toBe(true);
    const { error } = await grpcJsCall(foreign(receiver.address), broken, { method: paths.logs });
    expect(error).toBeNull();
    expect(receiver.bytes().equals(broken)).toBe(true);
  });

  test("of 16 MiB, four at a time, arrive", async () => {
    const receiver = await start({}, { budgetBytes: 256 * mebibyte });
    const request = logsRequest({ body: { stringValue: "x".repeat(16 * mebibyte) } });
    const client = foreign(receiver.address);
    const calls = [1, 2, 3, 4].map(() => grpcJsCall(client, request, { method: paths.logs }));
    expect((await Promise.all(calls)).map(({ error }) => error)).toEqual([null, null, null, null]);
    expect(receiver.bytes()).toHaveLength(4 * request.length);
  });
});

/** A field with a length. */
function field(number: number, bytes: Uint8Array): Buffer {
  const head = new Writer();
  head.tag(number, wireLength);
  head.varint(bytes.length);
  return Buffer.concat([head.take(), bytes]);
}

describe("what is no OTLP", () => {
  /** A body of so many arrays within each other, by hand: the foreign codec has a limit of its own. */
  const nested = (levels: number) => {
    let value: Uint8Array = Buffer.from([0x0a, 1, 120]);
    for (let n = 0; n < levels; n++) value = field(5, field(1, value));
    return field(1, field(2, field(2, field(5, value))));
  };

  test.each([
    ["noise", Buffer.from("this is no protobuf at all")],
    ["cut in the middle", oneLog.subarray(0, oneLog.length - 2)],
    ["a length beyond the end", Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])],
    ["a wrong wire type", Buffer.from([0x08, 0x01])],
    ["a trace id of 15 bytes", spansRequest({ traceId: Buffer.alloc(15, 1), name: "x" })],
    ["a span id of 9 bytes", spansRequest({ spanId: Buffer.alloc(9, 1), name: "x" })],
    ["a log's trace id of 17 bytes", logsRequest({ traceId: Buffer.alloc(17, 1) })],
    ["attributes nested too deep", nested(60)],
  ])("%s is INTERNAL, and the next request is served", async (_name, request) => {
    const receiver = await start();
    const client = foreign(receiver.address);
    const isTrace = _name.includes("trace id of 15") || _name.includes("span id");
    const method = isTrace ? paths.traces : paths.logs;
    const { error } = await grpcJsCall(client, request, { method });
    expect(error?.code).toBe(13);
    expect(error?.details).toMatch(/^grpc: error unmarshalling request: ./u);
    expect(receiver.arrivals).toEqual([]);
    expect((await grpcJsCall(client, oneLog, { method: paths.logs })).error).toBeNull();
  });

  test.each([
    [49, null],
    [50, 13],
  ])("%d arrays within each other: %s", async (levels, code) => {
    // An AnyValue and an ArrayValue a level: depth 99 is the last one allowed.
    const receiver = await start();
    const { error } = await grpcJsCall(foreign(receiver.address), nested(levels), {
      method: paths.logs,
    });
    expect(error?.code ?? null).toBe(code);
  });

  test("ids of no bytes are accepted", async () => {
    const receiver = await start();
    const { error } = await grpcJsCall(foreign(receiver.address), spansRequest({ name: "x" }), {
      method: paths.traces,
    });
    expect(error).toBeNull();
  });
});

describe("what travels beside the data", () => {
  test("include_metadata keeps the client's metadata", async () => {
    const receiver = await start({ include_metadata: true });
    const metadata = new Metadata();
    metadata.add("x-tenant", "a");
    metadata.add("x-tenant", "b, c");
    metadata.set("x-raw-bin", Buffer.from([1, 2]));
    await grpcJsCall(foreign(receiver.address), oneLog, { method: paths.logs, metadata });
    const seen = receiver.arrivals[0]!.context.metadata;
    expect(seen?.get("x-tenant")).toEqual(["a", "b, c"]);
    expect(seen?.get("x-raw-bin")).toEqual(["AQI="]);
  });

  test("without it there is none", async () => {
    const receiver = await start();
    await grpcJsCall(foreign(receiver.address), oneLog, { method: paths.logs });
    expect(receiver.arrivals[0]!.context.metadata).toBeUndefined();
  });

  test("transport, arrival and the sender's deadline", async () => {
    const receiver = await start({}, { clock: new FakeClock(5000) });
    await h2(receiver).call([framed(oneLog)], { ":path": paths.logs, "grpc-timeout": "10S" });
    expect(receiver.arrivals[0]!.context).toEqual({
      transport: "grpc",
      receivedMs: 5000,
      deadlineMs: 15_000,
      metadata: undefined,
    });
  });
});

describe("refusals of the pipeline", () => {
  const details = Buffer.from([8, 8, 18, 1, 97]);
  test.each([
    ["a permanent error", new TelemetryError("INTERNAL", "no"), 13, "no"],
    ["a retryable one", new TelemetryError("NOT_READY", "later", { retryable: true }), 14, "later"],
    ["no TelemetryError", new Error("oops"), 13, "BUG: oops"],
    [
      "a backend's status",
      new TelemetryError("BACKEND_REJECTED", "rejected", {
        status: { code: 9, message: "not now", details },
      }),
      9,
      "not now",
    ],
    [
      "data that a backend finds malformed",
      new TelemetryError("MALFORMED_DATA", "bad", { status: { code: 3, message: "bad field" } }),
      3,
      "bad field",
    ],
  ])("%s", async (_name, error, code, message) => {
    const receiver = await start({}, { consume: () => Promise.reject(error) });
    const answer = await grpcJsCall(foreign(receiver.address), oneLog, { method: paths.logs });
    expect(answer.error).toMatchObject({ code, details: message });
    if (error instanceof TelemetryError && error.status?.details !== undefined) {
      expect(answer.error?.metadata.get("grpc-status-details-bin")).toEqual([details]);
    }
  });

  test("at the hand-over the transport's share of the budget ends", async () => {
    const used: number[] = [];
    const receiver: TestReceiver = await start(
      {},
      { consume: () => Promise.resolve(void used.push(receiver.budget.usedBytes)) },
    );
    const request = logsRequest({ body: { stringValue: "x".repeat(mebibyte) } });
    await grpcJsCall(foreign(receiver.address), request, { method: paths.logs });
    expect(used).toEqual([callBytes]);
  });

  test("a call whose deadline passes in the pipeline is answered, and not a second time", async () => {
    const clock = new FakeClock();
    let finish = () => {};
    const receiver = await start(
      {},
      { clock, consume: () => new Promise((resolve) => (finish = resolve)) },
    );
    const call = h2(receiver).call([framed(oneLog)], { ":path": paths.logs, "grpc-timeout": "2S" });
    await eventually(() => receiver.arrivals.length === 1);
    await clock.advance(2000);
    expect(await call).toMatchObject({ code: 4 });
    finish();
  });
});

describe("keys", () => {
  const parse = (keys: Record<string, unknown>) =>
    grpcServerSpec(grpcServer("localhost:4317").parse(keys), {}, undefined);

  test("without any: 64 MiB, and grpc-go's keepalive with an end for idle connections", () => {
    expect(parse({})).toMatchObject({
      endpoint: "localhost:4317",
      transport: "tcp",
      maxMessageBytes: 64 * mebibyte,
      maxConcurrentStreams: 0,
      keepalive: {
        maxConnectionIdleMs: 3_600_000,
        maxConnectionAgeMs: 0,
        maxConnectionAgeGraceMs: 0,
        timeMs: 7_200_000,
        timeoutMs: 20_000,
        minTimeMs: 300_000,
        permitWithoutStream: false,
      },
    });
  });

  test("the Collector's example (testdata/config.yaml of its otlpreceiver)", () => {
    const spec = parse({
      tls: { cert_file: "test.crt", key_file: "test.key" },
      max_recv_msg_size_mib: 32,
      max_concurrent_streams: 16,
      read_buffer_size: 1024,
      write_buffer_size: 1024,
      keepalive: {
        server_parameters: {
          max_connection_idle: "11s",
          max_connection_age: "12s",
          max_connection_age_grace: "13s",
          time: "30s",
          timeout: "5s",
        },
        enforcement_policy: { min_time: "10s", permit_without_stream: true },
      },
    });
    expect(spec).toMatchObject({
      tls: { cert_file: "test.crt", key_file: "test.key" },
      maxMessageBytes: 32 * mebibyte,
      maxConcurrentStreams: 16,
      keepalive: {
        maxConnectionIdleMs: 11_000,
        maxConnectionAgeMs: 12_000,
        maxConnectionAgeGraceMs: 13_000,
        timeMs: 30_000,
        timeoutMs: 5000,
        minTimeMs: 10_000,
        permitWithoutStream: true,
      },
    });
  });

  test("an absent max_recv_msg_size_mib takes 64 MiB and no byte more", async () => {
    const receiver = await start();
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(64 * mebibyte + 1, 1);
    const answer = await h2(receiver).call([prefix], { ":path": paths.logs }, false);
    expect(answer).toMatchObject({
      code: 8,
      message: "grpc: received message larger than max (67108865 vs. 67108864)",
    });
    const request = logsRequest({ body: { bytesValue: Buffer.alloc(64 * mebibyte - 40) } });
    const exact = Buffer.concat([request, unknownField(64 * mebibyte - request.length)]);
    expect(exact).toHaveLength(64 * mebibyte);
    const { error } = await grpcJsCall(foreign(receiver.address), exact, { method: paths.logs });
    expect(error).toBeNull();
  });

  test("max_recv_msg_size_mib binds", async () => {
    const receiver = await start({ max_recv_msg_size_mib: 1 });
    const request = logsRequest({ body: { bytesValue: Buffer.alloc(mebibyte) } });
    const { error } = await grpcJsCall(foreign(receiver.address), request, { method: paths.logs });
    expect(error?.code).toBe(8);
  });

  test("max_concurrent_streams is announced", async () => {
    const receiver = await start({ max_concurrent_streams: 3 });
    const { session } = h2(receiver);
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    expect(session.remoteSettings.maxConcurrentStreams).toBe(3);
  });

  test("transport unix takes a path as endpoint", async () => {
    const file = join(mkdtempSync(join(tmpdir(), "otlp-")), "grpc.sock");
    const receiver = await start({ transport: "unix", endpoint: file });
    const { error } = await grpcJsCall(foreign(`unix:${file}`), oneLog, { method: paths.logs });
    expect(error).toBeNull();
    expect(receiver.arrivals).toHaveLength(1);
  });
});

/** A field that nobody knows, of so many bytes in all. */
function unknownField(bytes: number): Buffer {
  const unknown = Buffer.alloc(bytes);
  unknown.set([0xfa, 0x3f, bytes - 3]);
  return unknown;
}

test("a payload is what was sent, one part", async () => {
  const receiver = await start();
  await grpcJsCall(foreign(receiver.address), oneLog, { method: paths.logs });
  const expected = createPayload("logs", [oneLog], [1]);
  expect(receiver.arrivals[0]!.payload.partItems).toEqual(expected.partItems);
  expect(Buffer.from(receiver.arrivals[0]!.payload.parts[0]!)).toEqual(oneLog);
});
