/** What an HTTP status means for the data (OTLP specification, "Failures"; otlphttpexporter). */
import { TelemetryError } from "../../src/errors.ts";
import { grpcCode } from "../../src/net/grpc-code.ts";
import type { HttpResponse } from "../../src/net/http-client.ts";
import { parseStatusMessage, readStatus } from "../../src/net/otlp-response.ts";

export const protobufType = "application/x-protobuf";
export const jsonType = "application/json";

const retryableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** OTLP throttling: only these carry Retry-After. */
const throttlingStatuses: ReadonlySet<number> = new Set([429, 503]);

/** The error for a status that is not 2xx. */
export function pushErrorOf(response: HttpResponse, url: string): TelemetryError {
  const { code } = response;
  const detail = detailOf(response);
  const suffix = detail === "" ? "" : `, Message=${detail}`;
  const text = `error exporting items, request to ${withoutSecrets(url)} responded with HTTP Status Code ${code}${suffix}`;
  const status = { code: grpcCodeOf(code), message: text };
  if (code === 413 || (code === 400 && detail.includes("http: request body too large"))) {
    return new TelemetryError("TOO_LARGE", text, { status });
  }
  if (!retryableStatuses.has(code)) {
    const hint = code >= 300 && code < 400 ? " (redirects are not followed)" : "";
    return new TelemetryError("BACKEND_REJECTED", `${text}${hint}`, { status });
  }
  const retryAfterMs = throttlingStatuses.has(code) ? response.retryAfterMs : undefined;
  return new TelemetryError("BACKEND_UNAVAILABLE", text, { retryable: true, retryAfterMs, status });
}

/** The backend's own words: a google.rpc.Status in either encoding, or a line of plain text. */
function detailOf(response: HttpResponse): string {
  const { body, contentType } = response;
  if (body.byteLength === 0) return "";
  if (contentType === protobufType) return readStatus(body)?.message ?? "";
  if (contentType === jsonType) return parseStatusMessage(body) ?? "";
  if (!contentType.startsWith("text/plain")) return "";
  return Buffer.from(body).toString("utf8", 0, 512).trim();
}

/** Credentials of a URL belong in no log line. */
function withoutSecrets(url: string): string {
  const parsed = new URL(url);
  parsed.username = "";
  parsed.password = "";
  return parsed.href;
}

/**
 * As httphelper.NewStatusFromMsgAndHTTPCode, for a receiver that hands the status on; but redirects, 405 and 501,
 * which concern the URL and no data, are as 404, so that delivery does not look for a request to blame.
 */
function grpcCodeOf(status: number): number {
  if (status >= 300 && status < 400) return grpcCode.UNIMPLEMENTED;
  switch (status) {
    case 400:
    case 413:
      return grpcCode.INVALID_ARGUMENT;
    case 401:
      return grpcCode.UNAUTHENTICATED;
    case 403:
      return grpcCode.PERMISSION_DENIED;
    case 404:
    case 405:
    case 501:
      return grpcCode.UNIMPLEMENTED;
    case 429:
      return grpcCode.RESOURCE_EXHAUSTED;
    case 502:
    case 503:
    case 504:
      return grpcCode.UNAVAILABLE;
    default:
      return grpcCode.UNKNOWN;
  }
}
