/** OTLP/HTTP: POST of protobuf or JSON; errors are google.rpc.Status in the request's encoding. */
import type { Budget, Context, Edge, ReceiverNext, Signal } from "../../src/component.ts";
import { httpServerSpec as serverSpec } from "../../src/config/fragments/http-server.ts";
import { asTelemetryError, type RpcStatus, TelemetryError } from "../../src/errors.ts";
import { grpcCode } from "../../src/net/grpc-code.ts";
import { budgetFull, Reservation } from "../../src/net/reservation.ts";
import { decodeStatus, encodeStatus, httpStatusOf, statusOf } from "../../src/net/rpc-status.ts";
import { decodeJson } from "../../src/pdata/json/decode.ts";
import { loopSlicer } from "../../src/pdata/json/slices.ts";
import type {
  Authenticate,
  HttpExchange,
  HttpHandler,
  HttpServerSpec,
} from "../../src/transport.ts";
import type { HttpConfig } from "./config.ts";
import { edgeOf, exportRequest } from "./export-request.ts";

type Encoding = "protobuf" | "json";

const contentTypes: Readonly<Record<Encoding, string>> = {
  protobuf: "application/x-protobuf",
  json: "application/json",
};
const textHeaders = { "content-type": "text/plain" };

/** As the Collector answers; partial success is never reported. */
const successBodies: Readonly<Record<Encoding, string>> = {
  protobuf: "",
  json: '{"partialSuccess":{}}',
};

/** What the handlers of a server have in common. */
interface Environment {
  readonly budget: Budget;
  readonly maxBodyBytes: number;
  readonly includeMetadata: boolean;
}

/** A server for the signals that some pipeline takes; other paths are 404. */
export function httpServerSpec(
  config: HttpConfig,
  next: ReceiverNext,
  authenticate: Authenticate | undefined,
  budget: Budget,
): HttpServerSpec {
  const paths: Readonly<Record<Signal, string>> = {
    traces: config.traces_url_path,
    metrics: config.metrics_url_path,
    logs: config.logs_url_path,
  };
  const server = serverSpec(config);
  const environment: Environment = {
    budget,
    maxBodyBytes: server.maxBodyBytes,
    includeMetadata: config.include_metadata,
  };
  const routes = new Map<string, HttpHandler>();
  for (const signal of Object.keys(paths) as Signal[]) {
    const edge = edgeOf(next, signal);
    if (edge !== undefined) routes.set(paths[signal], exportHandler(edge, signal, environment));
  }
  return { ...server, authenticate, refuse: respondUnauthenticated, routes };
}

function exportHandler(edge: Edge, signal: Signal, environment: Environment): HttpHandler {
  return async (exchange) => {
    if (exchange.method !== "POST") {
      return exchange.respond(
        405,
        { ...textHeaders, allow: "POST" },
        "405 method not allowed, supported: [POST]",
      );
    }
    const encoding = encodingOf(exchange);
    if (encoding === undefined) {
      return exchange.respond(
        415,
        textHeaders,
        "415 unsupported media type, supported: [application/json, application/x-protobuf]",
      );
    }
    const decoded = new Reservation(environment.budget);
    let taken: Promise<void>;
    try {
      const bytes = await requestBytes(exchange, encoding, signal, environment, decoded);
      const context = contextOf(exchange, environment.includeMetadata);
      taken = exportRequest(edge, signal, bytes, context, () => {
        decoded.release();
        exchange.releaseBody();
      });
    } catch (error) {
      const { code, status } = asTelemetryError(error);
      const isTooLarge = code === "TOO_LARGE" && status === undefined;
      return respondError(exchange, encoding, statusOf(asTelemetryError(error)), isTooLarge);
    } finally {
      decoded.release();
    }
    try {
      await taken;
    } catch (error) {
      return respondError(exchange, encoding, pipelineStatus(asTelemetryError(error)));
    }
    exchange.respond(200, { "content-type": contentTypes[encoding] }, successBodies[encoding]);
  };
}

/** The request as protobuf; what JSON becomes is bounded and reserved as the body itself. */
async function requestBytes(
  exchange: HttpExchange,
  encoding: Encoding,
  signal: Signal,
  { maxBodyBytes }: Environment,
  decoded: Reservation,
): Promise<Uint8Array> {
  const body = await exchange.body();
  if (encoding === "protobuf") return body;
  const bytes = await decodeJson(signal, body, loopSlicer, (wanted) => {
    if (wanted > Math.max(maxBodyBytes, smallestLimitBytes))
      throw new TelemetryError("TOO_LARGE", "http: request body too large");
    if (!decoded.tryAdd(wanted - decoded.bytes)) throw budgetFull();
  });
  // The check of a large request takes milliseconds: a slice of its own.
  if (bytes.length > largeBytes) await loopSlicer.pause();
  return bytes;
}

const largeBytes = 1024 * 1024;

/** Below it the decoder's own sizes (it doubles) would decide instead of the request's. */
const smallestLimitBytes = 1024 * 1024;

function encodingOf(exchange: HttpExchange): Encoding | undefined {
  const header = exchange.headers.get("content-type")?.[0] ?? "";
  const type = header.split(";", 1)[0]!.trim().toLowerCase();
  if (type === contentTypes.protobuf) return "protobuf";
  return type === contentTypes.json ? "json" : undefined;
}

const contextOf = (exchange: HttpExchange, includeMetadata: boolean): Context => ({
  transport: "http",
  receivedMs: exchange.receivedMs,
  metadata: includeMetadata ? exchange.headers : undefined,
});

/** What the pipeline refuses for good is no fault of the request's form. */
function pipelineStatus(error: TelemetryError): RpcStatus {
  const isOurs = error.status === undefined && !error.retryable;
  return isOurs ? { code: grpcCode.INTERNAL, message: error.message } : statusOf(error);
}

function respondUnauthenticated(exchange: HttpExchange, error: TelemetryError): void {
  const encoding = encodingOf(exchange);
  if (encoding === undefined) exchange.respond(401, textHeaders, error.message);
  else respondError(exchange, encoding, statusOf(error));
}

function respondError(
  exchange: HttpExchange,
  encoding: Encoding,
  status: RpcStatus,
  isTooLarge = false,
): void {
  const http = isTooLarge ? 413 : httpStatusOf(status.code);
  const delayMs = status.details === undefined ? undefined : retryDelayOf(status.details);
  const isPause = (http === 429 || http === 503) && delayMs !== undefined;
  const headers = {
    "content-type": contentTypes[encoding],
    ...(isPause ? { "retry-after": String(Math.ceil(delayMs / 1000)) } : {}),
  };
  exchange.respond(
    http,
    headers,
    encoding === "json" ? statusJson(status, delayMs) : (status.details ?? encodeStatus(status)),
  );
}

/** A backend's details may be anything; only a readable RetryInfo becomes a header. */
function retryDelayOf(details: Uint8Array): number | undefined {
  try {
    return decodeStatus(details).retryAfterMs;
  } catch {
    return undefined;
  }
}

/** Of the details only RetryInfo has a JSON form that is known here. */
function statusJson({ code, message }: RpcStatus, delayMs: number | undefined): string {
  if (delayMs === undefined) return JSON.stringify({ code, message });
  const retryInfo = {
    "@type": "type.googleapis.com/google.rpc.RetryInfo",
    retryDelay: `${delayMs / 1000}s`,
  };
  return JSON.stringify({ code, message, details: [retryInfo] });
}
