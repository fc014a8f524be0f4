/** OTLP/HTTP: POST of protobuf or JSON; errors are google.rpc.Status in the request's encoding. */
import type { Context, Edge, ReceiverNext, Signal } from "../../src/component.ts";
import { httpServerSpec as serverSpec } from "../../src/config/fragments/http-server.ts";
import { asTelemetryError, type RpcStatus, type TelemetryError } from "../../src/errors.ts";
import { decodeStatus, encodeStatus, httpStatusOf, statusOf } from "../../src/net/rpc-status.ts";
import { decodeJson } from "../../src/pdata/json/decode.ts";
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

/** A server for the signals that some pipeline takes; other paths are 404. */
export function httpServerSpec(
  config: HttpConfig,
  next: ReceiverNext,
  authenticate: Authenticate | undefined,
): HttpServerSpec {
  const paths: Readonly<Record<Signal, string>> = {
    traces: config.traces_url_path,
    metrics: config.metrics_url_path,
    logs: config.logs_url_path,
  };
  const routes = new Map<string, HttpHandler>();
  for (const signal of Object.keys(paths) as Signal[]) {
    const edge = edgeOf(next, signal);
    if (edge !== undefined)
      routes.set(paths[signal], exportHandler(edge, signal, config.include_metadata));
  }
  return { ...serverSpec(config), authenticate, routes };
}

function exportHandler(edge: Edge, signal: Signal, includeMetadata: boolean): HttpHandler {
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
    try {
      const body = await exchange.body();
      const bytes = encoding === "json" ? await decodeJson(signal, body) : body;
      await exportRequest(edge, signal, bytes, contextOf(exchange, includeMetadata), () =>
        exchange.releaseBody(),
      );
      exchange.respond(
        200,
        { "content-type": contentTypes[encoding] },
        encoding === "json" ? "{}" : "",
      );
    } catch (error) {
      respondError(exchange, encoding, asTelemetryError(error));
    }
  };
}

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

function respondError(exchange: HttpExchange, encoding: Encoding, error: TelemetryError): void {
  const status = statusOf(error);
  const http =
    error.code === "TOO_LARGE" && error.status === undefined ? 413 : httpStatusOf(status.code);
  const delayMs = status.details === undefined ? undefined : retryDelayOf(status.details);
  const isPause = (http === 429 || http === 503) && delayMs !== undefined;
  const headers = {
    "content-type": contentTypes[encoding],
    ...(isPause ? { "retry-after": String(Math.ceil(delayMs / 1000)) } : {}),
  };
  exchange.respond(
    http,
    headers,
    encoding === "json" ? statusJson(status) : (status.details ?? encodeStatus(status)),
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

const statusJson = ({ code, message }: RpcStatus) => JSON.stringify({ code, message });
