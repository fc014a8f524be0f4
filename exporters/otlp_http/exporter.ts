/** OTLP over HTTP: a payload is one POST, its bytes as they are or as JSON. */
import type {
  Context,
  Exporter,
  Labels,
  Payload,
  PushResult,
  Settings,
  Signal,
} from "../../src/component.ts";
import type { NamesDestination } from "../../src/delivery/destination.ts";
import { TelemetryError } from "../../src/errors.ts";
import { createHttpClient, type HttpClient, type HttpResponse } from "../../src/net/http-client.ts";
import { decodePartialSuccess, parsePartialSuccess } from "../../src/net/otlp-response.ts";
import { encodeJsonBytes } from "../../src/pdata/json/encode.ts";
import type { OtlpHttpConfig } from "./config.ts";
import { jsonType, protobufType, pushErrorOf } from "./push-error.ts";

export class OtlpHttpExporter implements Exporter, NamesDestination {
  readonly #client: HttpClient;
  readonly #config: OtlpHttpConfig;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #urls: Readonly<Record<Signal, string>>;

  /** Throws CONFIG_INVALID, with the Collector's text, for a signal of its pipelines that has no endpoint. */
  constructor(config: OtlpHttpConfig, signals: readonly Signal[], settings: Settings) {
    this.#config = config;
    this.#metadata = { "content-type": config.encoding === "json" ? jsonType : protobufType };
    this.#urls = {
      traces: signalUrl(config.traces_endpoint, config.endpoint, "traces"),
      metrics: signalUrl(config.metrics_endpoint, config.endpoint, "metrics"),
      logs: signalUrl(config.logs_endpoint, config.endpoint, "logs"),
    };
    for (const signal of signals) if (this.#urls[signal] === "") throw noEndpoint(signal);
    this.#client = createHttpClient(config, settings);
  }

  async start(): Promise<void> {
    for (const url of Object.values(this.#urls)) if (url !== "") this.#client.prepare(url);
  }

  async push(payload: Payload, _context: Context, abort: AbortSignal): Promise<PushResult> {
    const url = this.#urls[payload.signal];
    const parts = await this.#encode(payload);
    const response = await this.#client.call({
      path: url,
      metadata: this.#metadata,
      parts,
      byteLength: parts === payload.parts ? payload.byteLength : parts[0]!.byteLength,
      timeoutMs: this.#config.timeout,
      abort,
    });
    if (response.code < 200 || response.code > 299) throw pushErrorOf(response, url);
    return partialSuccessOf(response);
  }

  destination(signal: Signal): Labels {
    return destinationLabels(this.#urls[signal]);
  }

  shutdown(abort: AbortSignal): Promise<void> {
    return this.#client.close(abort);
  }

  async #encode(payload: Payload): Promise<readonly Uint8Array[]> {
    if (this.#config.encoding === "proto") return payload.parts;
    return [await encodeJsonBytes(payload.signal, payload.parts)];
  }
}

const noEndpoint = (signal: Signal) =>
  new TelemetryError("CONFIG_INVALID", `either endpoint or ${signal}_endpoint must be specified`);

/** As endpointAttributes of otlphttpexporter: only what the URL names itself. */
function destinationLabels(text: string): Labels {
  const { hostname, port, pathname } = new URL(text);
  const hasPath = pathname !== "/" || text.endsWith("/");
  return {
    "server.address": hostname,
    ...(hasPath ? { "url.path": pathname } : {}),
    ...(port === "" ? {} : { "server.port": port }),
  };
}

/** Empty where neither is configured. */
function signalUrl(own: string, base: string, signal: Signal): string {
  if (own !== "" || base === "") return own;
  return `${base}${base.endsWith("/") ? "" : "/"}v1/${signal}`;
}

/** The backend took the request whatever its body says: one that cannot be read says nothing. */
function partialSuccessOf(response: HttpResponse): PushResult {
  if (response.body.byteLength === 0 || response.truncated) return {};
  if (response.contentType === protobufType) return decodePartialSuccess(response.body);
  if (response.contentType === jsonType) return parsePartialSuccess(response.body);
  return {};
}
