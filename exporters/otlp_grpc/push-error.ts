/** What a gRPC status means for the data (OTLP specification, "Failures"; exporterhelper's table). */
import { TelemetryError } from "../../src/errors.ts";
import { grpcCode, grpcCodeText } from "../../src/net/grpc-code.ts";
import type { UnaryResponse } from "../../src/net/unary-client.ts";

const retryableCodes: ReadonlySet<number> = new Set([
  grpcCode.CANCELLED,
  grpcCode.DEADLINE_EXCEEDED,
  grpcCode.ABORTED,
  grpcCode.OUT_OF_RANGE,
  grpcCode.UNAVAILABLE,
  grpcCode.DATA_LOSS,
]);

/** How grpc-go, grpc-java and gRPC core say that a message exceeds the server's limit. */
const tooLargeText = /larger than max|received message larger|exceeds maximum size/iu;

/** The error for a status that is not OK; it carries the status whole. */
export function pushErrorOf(response: UnaryResponse): TelemetryError {
  const { code, message, details, retryAfterMs } = response;
  const text = `rpc error: code = ${grpcCodeText(code)} desc = ${message}`;
  const status = { code, message, details };
  const exhausted = code === grpcCode.RESOURCE_EXHAUSTED;
  if (exhausted && tooLargeText.test(message)) {
    return new TelemetryError("TOO_LARGE", text, { status });
  }
  // Without RetryInfo the server cannot say when it will have recovered: OTLP counts that as permanent.
  if (retryableCodes.has(code) || (exhausted && retryAfterMs !== undefined)) {
    const errorCode = code === grpcCode.DEADLINE_EXCEEDED ? "TIMEOUT" : "BACKEND_UNAVAILABLE";
    return new TelemetryError(errorCode, text, { retryable: true, retryAfterMs, status });
  }
  return new TelemetryError("BACKEND_REJECTED", text, { status });
}
