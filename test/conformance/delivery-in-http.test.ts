/**
 * What the Collector tells an OTLP/HTTP client, by its own table (testdata/collector/delivery; transcribed from
 * open-telemetry/opentelemetry-collector receiver/otlpreceiver, Apache-2.0), over real sockets.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../src/errors.ts";
import { grpcCode } from "../../src/net/grpc-code.ts";
import { decodeStatus, encodeStatus } from "../../src/net/rpc-status.ts";
import { head, RawClient, type RawResponse } from "../support/http-server.ts";
import { startOtlpReceiver } from "../support/otlp-receiver.ts";
import { logsPayload } from "../support/payloads.ts";

interface Table {
  readonly downstream_error_to_grpc: readonly { readonly error: string; readonly grpc: string }[];
  readonly grpc_to_http: Readonly<Record<string, number>>;
  readonly http_request_errors: readonly {
    readonly case: string;
    readonly status: number;
    readonly content_type?: string;
    readonly body?: string;
  }[];
}

const table: Table = JSON.parse(
  readFileSync(join(__dirname, "../testdata/collector/delivery/otlp-receiver-status.json"), "utf8"),
);
const path = "/v1/logs";
const protobuf = "application/x-protobuf";
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Sent {
  readonly method?: string;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** Sends one request to a receiver of its own, whose pipeline refuses with the error if there is one. */
async function answerTo(
  { method = "POST", type = protobuf, headers = {}, body = logsPayload(["x"]).parts[0]! }: Sent,
  error?: TelemetryError,
  keys: Record<string, unknown> = {},
): Promise<RawResponse & { readonly arrivals: number }> {
  const consume = async () => {
    if (error !== undefined) throw error;
  };
  const receiver = await startOtlpReceiver("http", keys, { consume });
  closers.push(() => receiver.close());
  const client = await RawClient.open({ port: receiver.port });
  closers.push(() => client.destroy());
  const length = { "content-length": String(Buffer.byteLength(body)) };
  const all = { ...(type === "" ? {} : { "content-type": type }), ...length, ...headers };
  client.send(head(method, path, all), body);
  const response = await client.response();
  if (response === undefined) throw new Error("no response");
  expect(receiver.budget.usedBytes).toBe(0);
  return { ...response, arrivals: receiver.arrivals.length };
}

const codes = Object.entries(grpcCode).filter(([name]) => name !== "OK");

describe("a gRPC status of the pipeline as HTTP", () => {
  test.each(codes)("%s", async (name, code) => {
    const expected = table.grpc_to_http[name] ?? table.grpc_to_http["other"];
    const error = new TelemetryError("BACKEND_REJECTED", "x", { status: { code, message: name } });
    const response = await answerTo({}, error);
    expect(response).toMatchObject({ status: expected, headers: { "content-type": protobuf } });
    expect(decodeStatus(response.bytes)).toEqual({ code, message: name });
    expect(response.headers).not.toHaveProperty("retry-after");
  });

  test("every code of the table has been tried", () => {
    const names = new Set(codes.map(([name]) => name));
    const missing = Object.keys(table.grpc_to_http).filter((name) => !names.has(name));
    expect(missing).toEqual(["other"]);
  });

  test.each(codes)("%s with RetryInfo: Retry-After only beside 429 and 503", async (name, code) => {
    const details = encodeStatus({ code, message: name, retryAfterMs: 1200 });
    const status = { code, message: name, details };
    const response = await answerTo({}, new TelemetryError("BACKEND_REJECTED", "x", { status }));
    const isPause = response.status === 429 || response.status === 503;
    expect(response.headers["retry-after"]).toBe(isPause ? "2" : undefined);
    expect(response.bytes.equals(Buffer.from(details))).toBe(true);
  });
});

describe("an error of the pipeline", () => {
  const errors: Readonly<Record<string, TelemetryError>> = {
    "carries a gRPC status (any code)": new TelemetryError("BACKEND_REJECTED", "x", {
      status: { code: grpcCode.PERMISSION_DENIED, message: "of the backend" },
    }),
    permanent: new TelemetryError("BACKEND_REJECTED", "x"),
    "any other (retryable)": new TelemetryError("NOT_READY", "x", { retryable: true }),
    "memory limiter refuses": new TelemetryError("MEMORY_LIMITED", "x", { retryable: true }),
    "sending queue is full": new TelemetryError("QUEUE_FULL", "x", { retryable: true }),
  };

  test.each(table.downstream_error_to_grpc.map((row) => [row.error, row.grpc]))(
    "%s: %s",
    async (name, grpc) => {
      const number = /\((\d+)\)/u.exec(grpc)?.[1];
      const code = number === undefined ? grpcCode.PERMISSION_DENIED : Number(number);
      const response = await answerTo({}, errors[name]);
      expect(decodeStatus(response.bytes).code).toBe(code);
      const codeName = codes.find(([, value]) => value === code)?.[0] ?? "";
      expect(response.status).toBe(table.grpc_to_http[codeName] ?? table.grpc_to_http["other"]);
    },
  );
});

describe("a request that is wrong", () => {
  const large = logsPayload(["x".repeat(5000)]).parts[0]!;
  const requests: Readonly<Record<string, readonly [Sent, Record<string, unknown>?]>> = {
    "method other than POST": [{ method: "GET", body: "" }],
    "content-type missing or neither application/json nor application/x-protobuf": [{ type: "" }],
    "undecodable body": [{ body: "undecodable" }],
    "unknown content-encoding": [{ headers: { "content-encoding": "br" } }],
    "body larger than max_request_body_size after decompression": [
      { body: large },
      { max_request_body_size: 1000 },
    ],
  };
  /** Deliberately different: 413 says what is wrong, and no client retries either. */
  const ours: Readonly<Record<string, number>> = {
    "body larger than max_request_body_size after decompression": 413,
  };

  test.each(table.http_request_errors.map((row) => [row.case, row] as const))(
    "%s",
    async (name, row) => {
      const [sent, keys] = requests[name]!;
      for (const type of sent.type === undefined ? [protobuf, "application/json"] : [sent.type]) {
        const response = await answerTo({ ...sent, type }, undefined, keys);
        expect(response.status).toBe(ours[name] ?? row.status);
        const expected = row.content_type === "same as request" ? type : row.content_type;
        if (expected !== undefined) expect(response.headers["content-type"]).toBe(expected);
        if (row.body === undefined) continue;
        const isJson = type === "application/json";
        const { code } = isJson
          ? (JSON.parse(response.body) as { code: number })
          : decodeStatus(response.bytes);
        expect(code).toBe(3);
        expect(response.arrivals).toBe(0);
      }
    },
  );
});

test("an empty request is a success that goes nowhere; the success body is an empty response", async () => {
  expect(await answerTo({ body: "" })).toMatchObject({ status: 200, body: "", arrivals: 0 });
  expect(await answerTo({ body: "{}", type: "application/json" })).toMatchObject({
    status: 200,
    body: '{"partialSuccess":{}}',
    arrivals: 0,
  });
});
