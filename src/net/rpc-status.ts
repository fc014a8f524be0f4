/**
 * google.rpc.Status with RetryInfo, and what a TelemetryError is on the wire.
 *
 *     Status    1 code varint, 2 message string, 3 details repeated Any
 *     Any       1 type_url string, 2 value bytes
 *     RetryInfo 1 retry_delay Duration { 1 seconds varint, 2 nanos varint }
 */
import type { RpcStatus, TelemetryError } from "../errors.ts";
import { Cursor, Writer, wireLength, wireVarint } from "../pdata/wire.ts";
import { grpcCode } from "./grpc-code.ts";

export interface DecodedStatus {
  readonly code: number;
  readonly message: string;
  /** From RetryInfo. */
  readonly retryAfterMs?: number;
}

const retryInfoType = "type.googleapis.com/google.rpc.RetryInfo";

export function encodeStatus({ code, message, retryAfterMs }: DecodedStatus): Uint8Array {
  const w = new Writer(64 + message.length);
  w.tag(1, wireVarint);
  w.varint(code);
  if (message !== "") w.string(2, message);
  if (retryAfterMs !== undefined) writeRetryInfo(w, retryAfterMs);
  return w.take();
}

function writeRetryInfo(w: Writer, retryAfterMs: number): void {
  const any = w.begin(3, 1);
  w.string(1, retryInfoType);
  const info = w.begin(2, 1);
  const delay = w.begin(1, 1);
  const seconds = Math.floor(retryAfterMs / 1000);
  const nanos = Math.round((retryAfterMs - seconds * 1000) * 1e6);
  if (seconds > 0) {
    w.tag(1, wireVarint);
    w.varint(seconds);
  }
  if (nanos > 0) {
    w.tag(2, wireVarint);
    w.varint(nanos);
  }
  w.end(delay);
  w.end(info);
  w.end(any);
}

/** Throws RangeError when the bytes are no Status: what a backend sends is checked here. */
export function decodeStatus(bytes: Uint8Array): DecodedStatus {
  let code = 0;
  let message = "";
  let retryAfterMs: number | undefined;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1 && field.wireType === wireVarint) code = field.varint() | 0;
    if (field.number === 2 && field.wireType === wireLength) message = field.string();
    if (field.number === 3 && field.wireType === wireLength)
      retryAfterMs = retryDelayOf(field.view()) ?? retryAfterMs;
  }
  return { code, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

function retryDelayOf(any: Uint8Array): number | undefined {
  let type = "";
  let value: Uint8Array | undefined;
  for (const field of fieldsOf(any)) {
    if (field.number === 1 && field.wireType === wireLength) type = field.string();
    if (field.number === 2 && field.wireType === wireLength) value = field.view();
  }
  if (type !== retryInfoType || value === undefined) return undefined;
  let ms = 0;
  for (const info of fieldsOf(value)) {
    if (info.number !== 1 || info.wireType !== wireLength) continue;
    for (const part of fieldsOf(info.view())) {
      if (part.number === 1 && part.wireType === wireVarint)
        ms += Number(BigInt.asIntN(64, part.varint64())) * 1000;
      if (part.number === 2 && part.wireType === wireVarint) ms += (part.varint() | 0) / 1e6;
    }
  }
  return Math.max(ms, 0);
}

/** Fields of unchecked bytes. */
function* fieldsOf(bytes: Uint8Array): Generator<Cursor> {
  const cursor = new Cursor().reset(bytes);
  let reached = 0;
  while (reached < bytes.length) {
    const more = cursor.next();
    if (!more || !(cursor.valueEnd <= bytes.length) || cursor.valueEnd <= reached)
      throw new RangeError("no google.rpc.Status");
    reached = cursor.valueEnd;
    yield cursor;
  }
}

/** How long a refused sender shall wait where nothing better is known. */
const defaultRetryMs = 1000;

/** Codes of our own refusals; the memory limiter and a full queue are UNAVAILABLE, as in the Collector. */
const codeOf: Partial<Readonly<Record<TelemetryError["code"], number>>> = {
  MALFORMED_DATA: grpcCode.INVALID_ARGUMENT,
  UNAUTHENTICATED: grpcCode.UNAUTHENTICATED,
  TOO_LARGE: grpcCode.RESOURCE_EXHAUSTED,
};

/**
 * What a client is told (receiver/otlpreceiver/internal/errors): a backend's status is passed on with its
 * details, a permanent error is INTERNAL, everything else UNAVAILABLE. Our own refusals of new data ask for a
 * pause by RetryInfo.
 */
export function statusOf(error: TelemetryError): RpcStatus {
  if (error.status !== undefined) return error.status;
  const { message } = error;
  if (!error.retryable) return { code: codeOf[error.code] ?? grpcCode.INTERNAL, message };
  const code = grpcCode.UNAVAILABLE;
  const asksForPause = error.code === "BUDGET_FULL" || error.retryAfterMs !== undefined;
  if (!asksForPause) return { code, message };
  const details = encodeStatus({
    code,
    message,
    retryAfterMs: error.retryAfterMs ?? defaultRetryMs,
  });
  return { code, message, details };
}

const httpStatuses: Readonly<Record<number, number>> = {
  [grpcCode.CANCELLED]: 503,
  [grpcCode.DEADLINE_EXCEEDED]: 503,
  [grpcCode.ABORTED]: 503,
  [grpcCode.OUT_OF_RANGE]: 503,
  [grpcCode.UNAVAILABLE]: 503,
  [grpcCode.DATA_LOSS]: 503,
  [grpcCode.RESOURCE_EXHAUSTED]: 429,
  [grpcCode.INVALID_ARGUMENT]: 400,
  [grpcCode.UNAUTHENTICATED]: 401,
  [grpcCode.PERMISSION_DENIED]: 403,
  [grpcCode.UNIMPLEMENTED]: 404,
};

/** The HTTP status for a gRPC code. */
export const httpStatusOf = (code: number): number => httpStatuses[code] ?? 500;
