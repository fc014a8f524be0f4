/** The OTLP exporters of the SDK, from the keys of a `periodic` reader. */
import { readFile } from "node:fs/promises";
import type { PushMetricExporter } from "@opentelemetry/sdk-metrics";
import { Secret } from "../config/fields.ts";
import { TelemetryError } from "../errors.ts";
import { causeText } from "./cause.ts";
import type { OtlpReaderConfig } from "./config.ts";

export interface TlsFiles {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Throws START_FAILED naming the file that cannot be read. */
export async function loadTlsFiles(config: OtlpReaderConfig): Promise<TlsFiles> {
  const [ca, cert, key] = await Promise.all([
    readPem(config.certificate),
    readPem(config.client_certificate),
    readPem(config.client_key),
  ]);
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
}

async function readPem(path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined || path === "") return undefined;
  try {
    return await readFile(path);
  } catch (error) {
    throw new TelemetryError("START_FAILED", `cannot read TLS file: ${causeText(error)}`, {
      cause: error,
    });
  }
}

/** OTLP/gRPC through @opentelemetry/exporter-metrics-otlp-grpc. */
export async function otlpGrpcExporter(
  config: OtlpReaderConfig,
  files: TlsFiles,
): Promise<PushMetricExporter> {
  const [{ OTLPMetricExporter }, { credentials, Metadata }] = await Promise.all([
    import("@opentelemetry/exporter-metrics-otlp-grpc"),
    import("@grpc/grpc-js"),
  ]);
  const metadata = new Metadata();
  for (const [name, value] of headerEntries(config)) metadata.set(name, value);
  return new OTLPMetricExporter({
    url: config.endpoint,
    metadata,
    credentials: isClearText(config)
      ? credentials.createInsecure()
      : credentials.createSsl(files.ca, files.key, files.cert),
    ...sharedOptions(config),
  });
}

/**
 * OTLP over HTTP with protobuf. The package is not one that the service names itself: it comes with
 * @opentelemetry/sdk-node, and its absence is an error of its own.
 */
export async function otlpHttpExporter(
  config: OtlpReaderConfig,
  files: TlsFiles,
): Promise<PushMetricExporter> {
  const { OTLPMetricExporter } = await importHttpExporter();
  return new OTLPMetricExporter({
    url: httpUrl(config.endpoint),
    headers: Object.fromEntries(headerEntries(config)),
    httpAgentOptions: { keepAlive: true, ...files },
    ...sharedOptions(config),
  });
}

async function importHttpExporter() {
  try {
    return await import("@opentelemetry/exporter-metrics-otlp-proto");
  } catch (error) {
    throw new TelemetryError(
      "START_FAILED",
      "cannot push own metrics with protocol http/protobuf: package @opentelemetry/exporter-metrics-otlp-proto is not installed; use protocol: grpc",
      { cause: error },
    );
  }
}

/**
 * The values of `compression` are those of the packages' CompressionAlgorithm; the enum itself lives in a package
 * that is not ours to import, hence the narrower type.
 */
function sharedOptions({ compression, timeout }: OtlpReaderConfig): { timeoutMillis?: number } {
  const options = {
    ...(compression !== undefined && { compression }),
    ...(timeout !== undefined && { timeoutMillis: timeout }),
  };
  return options;
}

function headerEntries(config: OtlpReaderConfig): [string, string][] {
  return config.headers.map(({ name, value }) => [
    name,
    value instanceof Secret ? value.reveal() : value,
  ]);
}

/** http:// is clear text, https:// is not; without a scheme `insecure` decides, as in the Collector. */
function isClearText({ endpoint, insecure }: OtlpReaderConfig): boolean {
  if (endpoint.startsWith("http://")) return true;
  return !endpoint.startsWith("https://") && insecure === true;
}

/** An endpoint without a path gets OTLP's default one. */
function httpUrl(endpoint: string): string {
  const url = new URL(endpoint.includes("://") ? endpoint : `http://${endpoint}`);
  if (url.pathname === "/") url.pathname = "/v1/metrics";
  return url.href;
}
