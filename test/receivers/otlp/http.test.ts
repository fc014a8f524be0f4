/** OTLP/HTTP: what arrives in both encodings, what is refused and in which words, what travels beside the data. */
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import { TelemetryError } from "../../../src/errors.ts";
import { decodeStatus, encodeStatus } from "../../../src/net/rpc-status.ts";
import { encodeSnappy } from "../../../src/net/snappy.ts";
import { encodeFramedSnappy } from "../../../src/net/snappy-framed.ts";
import { encodeJsonBytes } from "../../../src/pdata/json/encode.ts";
import { loopSlicer } from "../../../src/pdata/json/slices.ts";
import { type Signal, signals } from "../../../src/pdata/payload.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { chunk, head, RawClient, type RawResponse } from "../../support/http-server.ts";
import { lz4Frame } from "../../support/lz4.ts";
import { decodeForeign } from "../../support/otlp-proto.ts";
import { randomRequest } from "../../support/otlp-random.ts";
import { startOtlpReceiver, type TestReceiver } from "../../support/otlp-receiver.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";

const closers: (() => unknown)[] = [];
const mebibyte = 2 ** 20;
const protobuf = "application/x-protobuf";
const json = "application/json";

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(
  keys: Record<string, unknown> = {},
  options: Parameters<typeof startOtlpReceiver>[2] = {},
): Promise<TestReceiver> {
  const receiver = await startOtlpReceiver("http", keys, options);
  closers.push(() => receiver.close());
  return receiver;
}

async function connect({ port }: TestReceiver): Promise<RawClient> {
  const client = await RawClient.open({ port });
  closers.push(() => client.destroy());
  return client;
}

/** Posts on a connection of its own, and sees that nothing is left in the budget. */
async function post(
  receiver: TestReceiver,
  body: string | Uint8Array,
  headers: Readonly<Record<string, string>> = {},
  path = "/v1/logs",
): Promise<RawResponse> {
  const client = await connect(receiver);
  client.post(body, { "content-type": protobuf, ...headers }, path);
  const response = await client.response();
  if (response === undefined) throw new Error("the connection ended without a response");
  client.destroy();
  expect(receiver.budget.usedBytes).toBe(0);
  return response;
}

const oneLog = Buffer.from(logsPayload(["one"]).parts[0]!);
const oneLogJson =
  '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"one"}}]}]}]}';
const asJson = { "content-type": json };

const statusOf = ({ bytes }: RawResponse) => decodeStatus(bytes);

describe("requests", () => {
  test.each(signals)("%s arrive whole, as the bytes that were sent", async (signal) => {
    const receiver = await start();
    const request = randomRequest(signal, 7, { order: "ascending", unknown: false });
    const response = await post(receiver, request, {}, `/v1/${signal}`);
    expect(response).toMatchObject({
      status: 200,
      headers: { "content-type": protobuf },
      body: "",
    });
    expect(receiver.arrivals.map(({ payload }) => payload.signal)).toEqual([signal]);
    expect(receiver.bytes().equals(request)).toBe(true);
  });

  test.each(signals)("%s as JSON arrive as the same data", async (signal) => {
    const receiver = await start();
    const request = randomRequest(signal, 11, { order: "ascending", unknown: false });
    const body = await encodeJsonBytes(signal, [request]);
    const response = await post(receiver, body, asJson, `/v1/${signal}`);
    expect(response).toMatchObject({
      status: 200,
      headers: { "content-type": json },
      body: '{"partialSuccess":{}}',
    });
    const again = await encodeJsonBytes(signal, [receiver.bytes()]);
    expect(Buffer.from(again).toString()).toBe(Buffer.from(body).toString());
    expect(() => decodeForeign(signal, receiver.bytes())).not.toThrow();
  });

  /** Origin: opentelemetry-proto examples/, copied. */
  test.each<[string, Signal, number]>([
    ["trace", "traces", 1],
    ["metrics", "metrics", 4],
    ["logs", "logs", 1],
    ["events", "logs", 1],
  ])("the specification's %s.json is accepted", async (name, signal, items) => {
    const receiver = await start();
    const file = join(__dirname, `../../testdata/collector/otlp-json/${name}.json`);
    const response = await post(receiver, readFileSync(file), asJson, `/v1/${signal}`);
    expect(response.status).toBe(200);
    expect(receiver.arrivals[0]?.payload.itemCount).toBe(items);
  });

  test.each<[string, Uint8Array]>([
    ["gzip", gzipSync(oneLog)],
    ["zstd", zstdCompressSync(oneLog)],
    ["deflate", deflateSync(oneLog)],
    ["zlib", deflateSync(oneLog)],
    ["snappy", encodeSnappy(oneLog)],
    ["lz4", lz4Frame(oneLog)],
    ["x-snappy-framed", encodeFramedSnappy([oneLog])],
  ])("compressed as %s", async (coding, body) => {
    const receiver = await start();
    expect((await post(receiver, body, { "content-encoding": coding })).status).toBe(200);
    expect(receiver.bytes().equals(oneLog)).toBe(true);
  });

  test.each<[string, string | Uint8Array, string]>([
    ["no bytes", "", protobuf],
    ["a resource without records", Buffer.from("0a00", "hex"), protobuf],
    ["an empty object", "{}", json],
    ["null", "null", json],
    ["an empty list", '{"resourceLogs":[]}', json],
  ])("an empty request (%s) is a success that goes nowhere", async (_name, body, type) => {
    const receiver = await start();
    expect((await post(receiver, body, { "content-type": type })).status).toBe(200);
    expect(receiver.arrivals).toEqual([]);
  });

  test("content types with parameters and in any case", async () => {
    const receiver = await start();
    const types = ["Application/JSON; charset=utf-8", "application/json ;x"];
    for (const type of types)
      expect((await post(receiver, oneLogJson, { "content-type": type })).status).toBe(200);
    expect(receiver.arrivals).toHaveLength(types.length);
  });

  test("text that is no UTF-8 is accepted unbroken, in both encodings", async () => {
    const receiver = await start();
    const broken = Buffer.from("6fff65", "hex");
    const bytes = Buffer.from(oneLog);
    broken.copy(bytes, bytes.indexOf("one"));
    const text = Buffer.from(oneLogJson);
    broken.copy(text, text.indexOf("one"));
    expect((await post(receiver, bytes)).status).toBe(200);
    expect((await post(receiver, text, asJson)).status).toBe(200);
    expect(receiver.bytes().equals(Buffer.concat([bytes, bytes]))).toBe(true);
  });

  test("paths as configured, a missing slash added", async () => {
    const receiver = await start({ logs_url_path: "log/ingest" });
    expect((await post(receiver, oneLog, {}, "/log/ingest")).status).toBe(200);
    expect((await post(receiver, oneLog, {}, "/v1/logs")).status).toBe(404);
  });

  test("a signal that no pipeline takes is 404", async () => {
    const receiver = await start({}, { signals: ["logs"] });
    expect((await post(receiver, "", {}, "/v1/traces")).status).toBe(404);
    expect((await post(receiver, oneLog)).status).toBe(200);
  });

  test("over a unix socket", async () => {
    const endpoint = join(mkdtempSync(join(tmpdir(), "rmt-otlp-")), "http.sock");
    const receiver = await start({ transport: "unix", endpoint });
    const client = await RawClient.open({ path: endpoint });
    client.post(oneLog, { "content-type": protobuf }, "/v1/logs");
    expect(await client.status()).toBe(200);
    client.destroy();
    expect(receiver.arrivals).toHaveLength(1);
  });

  test("response_headers come with every answer", async () => {
    const receiver = await start({ response_headers: { "X-Gateway": "a" } });
    expect((await post(receiver, oneLog)).headers["x-gateway"]).toBe("a");
    expect((await post(receiver, "x")).headers["x-gateway"]).toBe("a");
  });

  test("CORS as configured", async () => {
    const receiver = await start({
      cors: { allowed_origins: ["https://*.test.com"], max_age: 60 },
    });
    const client = await connect(receiver);
    const origin = "https://app.test.com";
    client.send(head("OPTIONS", "/v1/logs", { origin, "access-control-request-method": "POST" }));
    expect(await client.response()).toMatchObject({
      status: 204,
      headers: { "access-control-allow-origin": origin, "access-control-max-age": "60" },
    });
  });
});

describe("what travels beside the data", () => {
  test("the transport and the time of arrival; metadata only where asked for", async () => {
    const receiver = await start();
    await post(receiver, oneLog, { "x-tenant": "a" });
    const { context } = receiver.arrivals[0]!;
    expect(context).toMatchObject({ transport: "http", metadata: undefined });
    expect(context.receivedMs).toBeGreaterThan(0);
  });

  test("include_metadata: every header with all its values", async () => {
    const receiver = await start({ include_metadata: true });
    const client = await connect(receiver);
    client.send(
      `POST /v1/logs HTTP/1.1\r\nhost: test\r\nX-Tenant: a\r\nx-tenant: b\r\ncontent-type: ${protobuf}\r\ncontent-length: ${oneLog.length}\r\n\r\n`,
      oneLog,
    );
    expect(await client.status()).toBe(200);
    const metadata = receiver.arrivals[0]?.context.metadata;
    expect(metadata?.get("x-tenant")).toEqual(["a", "b"]);
    expect(metadata?.get("host")).toEqual(["test"]);
  });
});

describe("who may send", () => {
  const use = () => ({
    authenticate: (metadata: ReadonlyMap<string, readonly string[]>) =>
      metadata.get("authorization")?.[0] === "Bearer good"
        ? Promise.resolve()
        : Promise.reject(new TelemetryError("UNAUTHENTICATED", "authentication failed")),
  });
  const auth = { authenticator: "bearer" };

  test("without credentials: 401 with a status in the request's encoding", async () => {
    const receiver = await start({ auth }, { use });
    const response = await post(receiver, oneLog);
    expect(response).toMatchObject({ status: 401, headers: { "content-type": protobuf } });
    expect(statusOf(response)).toEqual({ code: 16, message: "authentication failed" });
    expect(await post(receiver, oneLogJson, asJson)).toMatchObject({
      status: 401,
      body: '{"code":16,"message":"authentication failed"}',
    });
    expect((await post(receiver, "x", { "content-type": "text/html" })).status).toBe(401);
    expect(receiver.arrivals).toEqual([]);
  });

  test("with them the data arrives", async () => {
    const receiver = await start({ auth }, { use });
    expect((await post(receiver, oneLog, { authorization: "Bearer good" })).status).toBe(200);
  });

  test("an authenticator that is none ends the start", async () => {
    await expect(start({ auth })).rejects.toThrow(
      'failed to resolve authenticator "bearer": authenticator not found',
    );
  });
});

describe("refusals", () => {
  test.each(["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])(
    "method %s: 405",
    async (method) => {
      const receiver = await start();
      const client = await connect(receiver);
      client.send(head(method, "/v1/logs", { connection: "close" }));
      const text = await client.rest();
      expect(text).toMatch(/^HTTP\/1\.1 405 /);
      expect(text.toLowerCase()).toContain("content-type: text/plain");
      expect(text.toLowerCase()).toContain("allow: post");
      if (method !== "HEAD") expect(text).toContain("405 method not allowed, supported: [POST]");
    },
  );

  test.each(["", "text/plain", "application/protobuf", "application/jsonx", "json"])(
    "content type %j: 415",
    async (type) => {
      const receiver = await start();
      expect(await post(receiver, oneLog, { "content-type": type })).toMatchObject({
        status: 415,
        headers: { "content-type": "text/plain" },
        body: "415 unsupported media type, supported: [application/json, application/x-protobuf]",
      });
    },
  );

  test("an unknown coding: 400 that names it", async () => {
    const receiver = await start();
    const response = await post(receiver, oneLog, { "content-encoding": "br" });
    expect(response.status).toBe(400);
    expect(statusOf(response)).toEqual({ code: 3, message: "unsupported Content-Encoding: br" });
  });

  const deep = (levels: number) => {
    let value = Buffer.from("0a0161", "hex");
    for (let i = 0; i < levels; i++) {
      const w = new Writer();
      const array = w.begin(i % 2 === 0 ? 1 : 5);
      w.raw(value);
      w.end(array);
      value = Buffer.from(w.take());
    }
    const w = new Writer();
    const handles = [w.begin(1), w.begin(2), w.begin(2), w.begin(5)];
    w.raw(value);
    for (const handle of handles.toReversed()) w.end(handle);
    return Buffer.from(w.take());
  };

  test.each<[string, Uint8Array]>([
    ["noise", Buffer.from("this is no protobuf")],
    ["a request that is cut", oneLog.subarray(0, -1)],
    ["a length beyond the end", Buffer.from("0a7f00", "hex")],
    ["a varint without end", Buffer.from("0affffffffffffffffffff", "hex")],
    ["a wrong wire type", Buffer.from("0801", "hex")],
    ["a field number of zero", Buffer.from("0200", "hex")],
    ["a trace id of three bytes", Buffer.from("0a0912071205", "hex").fill(0, 6)],
    ["JSON under the name of protobuf", Buffer.from(oneLogJson)],
    ["values nested 200 deep", deep(200)],
  ])("%s: 400 with a status in protobuf", async (_name, body) => {
    const receiver = await start();
    const response = await post(receiver, body);
    expect(response).toMatchObject({ status: 400, headers: { "content-type": protobuf } });
    expect(statusOf(response).code).toBe(3);
    expect(statusOf(response).message).not.toBe("");
    expect((await post(receiver, oneLog)).status).toBe(200);
    expect(receiver.arrivals).toHaveLength(1);
  });

  test("ids of a wrong length", async () => {
    const receiver = await start();
    const w = new Writer();
    const handles = [w.begin(1), w.begin(2), w.begin(2)];
    w.lengthDelimited(1, Uint8Array.of(1, 2, 3));
    for (const handle of handles.toReversed()) w.end(handle);
    const response = await post(receiver, w.take(), {}, "/v1/traces");
    expect(response.status).toBe(400);
    expect(statusOf(response).code).toBe(3);
  });

  const nestedJson = (levels: number) =>
    `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${'{"arrayValue":{"values":['.repeat(levels)}{}${"]}}".repeat(levels)}}]}]}]}`;

  test.each<[string, string, string]>([
    ["nothing", "", "expected '{', found the end at offset 0"],
    ["noise", "noise", "invalid literal at offset 0"],
    ["JSON that is cut", oneLogJson.slice(0, -1), "expected ',' or '}', found the end"],
    ["text where a list is due", '{"resourceLogs":"x"}', "expected '[', found '\"'"],
    [
      "an id of three digits",
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"abc"}]}]}]}',
      "traceId is not 16 bytes in hexadecimal",
    ],
    [
      "an id in base64",
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"spanId":"AQIDBAUGBwg="}]}]}]}',
      "spanId is not 8 bytes in hexadecimal",
    ],
    ["values nested 100 deep", nestedJson(50), "attribute values are nested 100 deep"],
    ["brackets without end", `{"x":${"[".repeat(100_000)}`, "values are nested 1000 deep"],
    ["protobuf under the name of JSON", oneLog.toString("latin1"), "expected '{'"],
  ])("JSON: %s: 400 with a status in JSON", async (_name, body, message) => {
    const receiver = await start();
    const response = await post(receiver, Buffer.from(body, "latin1"), asJson);
    expect(response).toMatchObject({ status: 400, headers: { "content-type": json } });
    const status = JSON.parse(response.body) as { code: number; message: string };
    expect(status.code).toBe(3);
    expect(status.message).toContain(message);
    expect((await post(receiver, oneLogJson, asJson)).status).toBe(200);
    expect(receiver.arrivals).toHaveLength(1);
  });
});

describe("size and memory", () => {
  test("64 MiB unless configured: one byte more is 413", async () => {
    const receiver = await start();
    const client = await connect(receiver);
    client.send(
      head("POST", "/v1/logs", {
        "content-type": protobuf,
        "content-length": String(64 * mebibyte + 1),
      }),
    );
    const response = await client.response();
    expect(response).toMatchObject({ status: 413, headers: { "content-type": protobuf } });
    expect(statusOf(response!)).toEqual({ code: 8, message: "http: request body too large" });
    const large = Buffer.alloc(64 * mebibyte - 8);
    const w = new Writer();
    w.lengthDelimited(2, large);
    // An unknown field of the whole size: valid, and empty.
    expect(w.position).toBeLessThanOrEqual(64 * mebibyte);
    expect((await post(receiver, w.take())).status).toBe(200);
  }, 30_000);

  test("counted after decompression, in both encodings", async () => {
    const receiver = await start({ max_request_body_size: 1000 });
    const gzip = { "content-encoding": "gzip" };
    const large = logsPayload(["x".repeat(2000)]).parts[0]!;
    expect((await post(receiver, gzipSync(large), gzip)).status).toBe(413);
    const response = await post(receiver, gzipSync(oneLogJson.replace("one", "x".repeat(2000))), {
      ...gzip,
      ...asJson,
    });
    expect(response).toMatchObject({
      status: 413,
      body: '{"code":8,"message":"http: request body too large"}',
    });
    expect((await post(receiver, gzipSync(oneLog), gzip)).status).toBe(200);
    const client = await connect(receiver);
    client.send(
      head("POST", "/v1/logs", { "content-type": protobuf, "transfer-encoding": "chunked" }),
    );
    client.send(chunk(large), chunk(""));
    expect(await client.status()).toBe(413);
  });

  test("numbers that grow in protobuf are bounded and reserved, too", async () => {
    const zeros = '"bucketCounts":[' + "0,".repeat(150_000) + "0]";
    const body = `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{${zeros}}]}}]}]}]}`;
    const small = await start({ max_request_body_size: mebibyte });
    expect((await post(small, body, asJson, "/v1/metrics")).status).toBe(413);
    const tight = await start({}, { budgetBytes: mebibyte });
    const response = await post(tight, body, asJson, "/v1/metrics");
    expect(response).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    const roomy = await start({}, { budgetBytes: 8 * mebibyte });
    expect((await post(roomy, body, asJson, "/v1/metrics")).status).toBe(200);
  });

  test("a full budget: 503 with Retry-After in whole seconds, RetryInfo in the body", async () => {
    const receiver = await start({}, { budgetBytes: 40 });
    const response = await post(receiver, logsPayload(["x".repeat(100)]).parts[0]!);
    expect(response).toMatchObject({ status: 503, headers: { "retry-after": "1" } });
    expect(statusOf(response)).toMatchObject({ code: 14, retryAfterMs: 1000 });
    expect(await post(receiver, oneLogJson, asJson)).toMatchObject({
      status: 503,
      headers: { "retry-after": "1" },
      body: JSON.stringify({
        code: 14,
        message: "the memory budget is used up; try again later",
        details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "1s" }],
      }),
    });
    expect((await post(receiver, oneLog)).status).toBe(200);
  });

  test("the transport's share ends in the tick of the hand-over", async () => {
    const used: number[] = [];
    let receiver: TestReceiver | undefined;
    const consume = () => {
      used.push(receiver?.budget.usedBytes ?? -1);
      return Promise.resolve();
    };
    receiver = await start({}, { consume });
    await post(receiver, oneLog);
    await post(receiver, oneLogJson, asJson);
    expect(used).toEqual([0, 0]);
  });
});

test("a large JSON body is decoded in slices between which the loop runs", async () => {
  const receiver = await start();
  let nowMs = 0;
  const now = jest.spyOn(loopSlicer, "now").mockImplementation(() => nowMs++);
  const pause = jest.spyOn(loopSlicer, "pause");
  closers.push(() => {
    now.mockRestore();
    pause.mockRestore();
  });
  const record = '{"body":{"stringValue":"one"}}';
  const records = Array<string>(80_000).fill(record).join(",");
  const body = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${records}]}]}]}`;
  expect((await post(receiver, body, asJson)).status).toBe(200);
  expect(receiver.arrivals[0]?.payload.itemCount).toBe(80_000);
  // The clock is looked at every 16 KiB, and each look finds a millisecond gone.
  expect(pause.mock.calls.length).toBeGreaterThan(body.length / (17 * 1024) / 6);
});

describe("what the pipeline says", () => {
  const failing = async (error: Error, headers: Record<string, string> = {}) => {
    const consume = async () => {
      throw error;
    };
    const receiver = await start({}, { consume });
    return post(receiver, headers["content-type"] === json ? oneLogJson : oneLog, headers);
  };

  test("a backend's own status is passed on with its details", async () => {
    const details = encodeStatus({ code: 8, message: "slow down", retryAfterMs: 2500 });
    const error = new TelemetryError("BACKEND_UNAVAILABLE", "x", {
      retryable: true,
      status: { code: 8, message: "slow down", details },
    });
    const response = await failing(error);
    expect(response).toMatchObject({ status: 429, headers: { "retry-after": "3" } });
    expect(statusOf(response)).toEqual({ code: 8, message: "slow down", retryAfterMs: 2500 });
    expect(JSON.parse((await failing(error, asJson)).body)).toEqual({
      code: 8,
      message: "slow down",
      details: [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "2.5s" }],
    });
  });

  test("details that cannot be read are passed on without a header", async () => {
    const status = { code: 14, message: "x", details: Buffer.from("ffff", "hex") };
    const response = await failing(
      new TelemetryError("NOT_READY", "x", { retryable: true, status }),
    );
    expect(response.status).toBe(503);
    expect(response.headers).not.toHaveProperty("retry-after");
  });

  test.each(["MALFORMED_DATA", "TOO_LARGE", "BACKEND_REJECTED"] as const)(
    "a permanent error (%s) is INTERNAL, whatever it is about",
    async (code) => {
      const response = await failing(new TelemetryError(code, "no"));
      expect(response.status).toBe(500);
      expect(statusOf(response)).toEqual({ code: 13, message: "no" });
    },
  );

  test("a defect is 500 and the receiver goes on", async () => {
    const response = await failing(new Error("broken"));
    expect(response.status).toBe(500);
    expect(statusOf(response)).toEqual({ code: 13, message: "BUG: broken" });
  });
});

test("many good requests beside bad ones on many connections all arrive", async () => {
  const receiver = await start({ max_request_body_size: 10_000 });
  const good = Array.from({ length: 50 }, (_, i) => `record ${i}`);
  const bad: [string | Uint8Array, Record<string, string>][] = [
    ["noise", {}],
    [Buffer.alloc(20_000), {}],
    [gzipSync(Buffer.alloc(1_000_000)), { "content-encoding": "gzip" }],
    ["noise", { "content-encoding": "zstd" }],
    ["{", asJson],
  ];
  const one = async (name: string, index: number) => {
    const [body, headers] = bad[index % bad.length]!;
    const client = await connect(receiver);
    client.post(body, { "content-type": protobuf, ...headers }, "/v1/logs");
    const refused = (await client.response())?.status;
    const sender = await connect(receiver);
    sender.post(logsPayload([name]).parts[0]!, { "content-type": protobuf }, "/v1/logs");
    return [refused, (await sender.response())?.status];
  };
  const outcomes = await Promise.all(good.map(one));
  for (const [refused, accepted] of outcomes) {
    expect([400, 413]).toContain(refused);
    expect(accepted).toBe(200);
  }
  expect(receiver.arrivals.flatMap(({ payload }) => bodiesOf(payload)).toSorted()).toEqual(
    good.toSorted(),
  );
  expect(receiver.budget.usedBytes).toBe(0);
});
