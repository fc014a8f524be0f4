/** What an OTLP/gRPC client is told of an error behind the receiver (testdata/collector/delivery). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { status as grpcJsStatus } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../src/errors.ts";
import { encodeStatus, httpStatusOf } from "../../src/net/rpc-status.ts";
import { grpcJsCall, grpcJsClient } from "../support/grpc-server.ts";
import { startOtlpReceiver, type TestReceiver } from "../support/otlp-receiver.ts";
import { logsPayload } from "../support/payloads.ts";

interface Table {
  readonly downstream_error_to_grpc: readonly { readonly error: string; readonly grpc: string }[];
  readonly grpc_to_http: Readonly<Record<string, number>>;
}

const file = join(__dirname, "../testdata/collector/delivery/otlp-receiver-status.json");
const table = JSON.parse(readFileSync(file, "utf8")) as Table;

const details = encodeStatus({ code: 8, message: "busy", retryAfterMs: 3000 });
const withStatus = new TelemetryError("BACKEND_UNAVAILABLE", "the backend said so", {
  retryable: true,
  status: { code: 8, message: "busy", details },
});

/** The error of this service for each one of the table. */
const errors: Readonly<Record<string, TelemetryError>> = {
  "carries a gRPC status (any code)": withStatus,
  permanent: new TelemetryError("BACKEND_REJECTED", "no"),
  "any other (retryable)": new TelemetryError("NOT_READY", "later", { retryable: true }),
  "memory limiter refuses": new TelemetryError("MEMORY_LIMITED", "too much", { retryable: true }),
  "sending queue is full": new TelemetryError("QUEUE_FULL", "full", { retryable: true }),
};

let receiver: TestReceiver;
let error: TelemetryError;

beforeEach(async () => {
  receiver = await startOtlpReceiver("grpc", {}, { consume: () => Promise.reject(error) });
});
afterEach(() => receiver.close());

async function answerTo(refusal: TelemetryError) {
  error = refusal;
  const client = grpcJsClient(receiver.address);
  const method = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
  const answer = await grpcJsCall(client, logsPayload(["x"]).parts[0]!, { method });
  client.close();
  return answer.error!;
}

const backendCodes = Object.values(grpcJsStatus)
  .map(Number)
  .filter((code) => code > 0);

describe("errors behind the receiver", () => {
  test.each(table.downstream_error_to_grpc.map((row) => [row.error, row.grpc]))(
    "%s: %s",
    async (name, expected) => {
      const refusal = errors[name]!;
      const told = await answerTo(refusal);
      if (expected === "same code and details") {
        expect(told.code).toBe(refusal.status!.code);
        expect(told.details).toBe(refusal.status!.message);
        expect(told.metadata.get("grpc-status-details-bin")).toEqual([Buffer.from(details)]);
      } else {
        expect(`${grpcJsStatus[told.code]}(${told.code})`).toBe(expected);
        expect(told.details).toBe(refusal.message);
      }
    },
  );

  test.each(backendCodes)("a backend's code %d is passed on", async (code) => {
    const status = { code, message: `said ${code}` };
    const told = await answerTo(new TelemetryError("BACKEND_REJECTED", "x", { status }));
    expect(told).toMatchObject({ code, details: status.message });
  });
});

test.each(Object.entries(table.grpc_to_http))("over HTTP %s is %d", (name, status) => {
  const named = grpcJsStatus[name as keyof typeof grpcJsStatus] as number | undefined;
  const others = Object.keys(grpcJsStatus)
    .map(Number)
    .filter((code) => code > 0 && table.grpc_to_http[grpcJsStatus[code]!] === undefined);
  for (const code of named === undefined ? others : [named])
    expect(httpStatusOf(code)).toBe(status);
});
