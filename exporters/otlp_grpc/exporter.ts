/** OTLP over gRPC: a payload is one unary Export call, its bytes as they are. */
import type {
  Context,
  Exporter,
  Labels,
  Payload,
  PushResult,
  Settings,
  Signal,
} from "../../src/component.ts";
import { parseGrpcEndpoint } from "../../src/config/fragments/grpc-endpoint.ts";
import type { NamesDestination } from "../../src/delivery/destination.ts";
import { createGrpcClient, type GrpcUnaryClient } from "../../src/net/grpc-client.ts";
import { decodePartialSuccess } from "../../src/net/otlp-response.ts";
import { proxyFor } from "../../src/net/proxy.ts";
import type { OtlpGrpcConfig } from "./config.ts";
import { pushErrorOf } from "./push-error.ts";

const methods: Readonly<Record<Signal, string>> = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
};

const noMetadata = {};

export class OtlpGrpcExporter implements Exporter, NamesDestination {
  readonly #client: GrpcUnaryClient;
  readonly #config: OtlpGrpcConfig;
  readonly #settings: Settings;

  constructor(config: OtlpGrpcConfig, settings: Settings) {
    this.#config = config;
    this.#settings = settings;
    this.#client = createGrpcClient(config, settings);
  }

  async start(): Promise<void> {
    this.#client.prepare();
    const { endpoint } = this.#config;
    const proxy = proxyNeeded(endpoint);
    if (proxy !== undefined) {
      this.#settings.log.warn(
        "otlp_grpc connects directly: it does not use the proxy of the environment; use otlp_http for a backend behind a proxy, or name the host in NO_PROXY",
        { endpoint, proxy },
      );
    }
  }

  destination(): Labels {
    const endpoint = parseGrpcEndpoint(this.#config.endpoint);
    if (typeof endpoint === "string" || endpoint.kind === "unix")
      return { "server.address": this.#config.endpoint };
    return { "server.address": endpoint.host, "server.port": String(endpoint.port) };
  }

  async push(payload: Payload, _context: Context, abort: AbortSignal): Promise<PushResult> {
    const response = await this.#client.call({
      path: methods[payload.signal],
      metadata: noMetadata,
      parts: payload.parts,
      byteLength: payload.byteLength,
      timeoutMs: this.#config.timeout,
      abort,
    });
    if (response.code !== 0) throw pushErrorOf(response);
    if (response.body.byteLength === 0) return {};
    return decodePartialSuccess(response.body);
  }

  shutdown(abort: AbortSignal): Promise<void> {
    return this.#client.close(abort);
  }
}

/** The proxy that the environment names for this endpoint (gRPC counts as https), without credentials. */
function proxyNeeded(endpoint: string): string | undefined {
  const parsed = parseGrpcEndpoint(endpoint);
  if (typeof parsed === "string" || parsed.kind === "unix") return undefined;
  try {
    return proxyFor(new URL(`https://${parsed.authority}`), "")?.host;
  } catch {
    // A proxy variable that is no URL concerns only those who use it.
    return undefined;
  }
}
