/**
 * The part of `service::telemetry` that this folder acts on, with the names of the YAML. The schema that checks
 * it and classes every upstream key is in `src/config`.
 */
import type { Secret } from "../config/fields.ts";
import type { CollectionLevel } from "./meter.ts";

export type LogLevelName = "debug" | "info" | "warn" | "error" | "dpanic" | "panic" | "fatal";

export interface LogsConfig {
  readonly level: LogLevelName;
  readonly encoding: "console" | "json";
  /** `stderr`, `stdout`, or files (also as file:// URLs). */
  readonly output_paths: readonly string[];
  /** Where failures of the log itself are told. */
  readonly error_output_paths: readonly string[];
  readonly sampling: LogSampling;
  readonly initial_fields: Readonly<Record<string, unknown>>;
}

export interface LogSampling {
  readonly enabled: boolean;
  /** Milliseconds. */
  readonly tick: number;
  /** Equal lines let through in each tick. */
  readonly initial: number;
  /** After those, every n-th; 0: none. */
  readonly thereafter: number;
}

export interface PrometheusReaderConfig {
  readonly host: string;
  readonly port: number;
  readonly without_type_suffix: boolean;
  readonly without_units: boolean;
  readonly without_scope_info: boolean;
  readonly with_resource_constant_labels?: IncludeExclude | undefined;
}

/** Lists of names; `*` and `?` are wildcards. Absent `included`: all. */
export interface IncludeExclude {
  readonly included?: readonly string[] | undefined;
  readonly excluded?: readonly string[] | undefined;
}

export type TemporalityPreference = "cumulative" | "delta" | "low_memory" | "lowmemory";

export interface OtlpReaderConfig {
  readonly protocol: "grpc" | "http/protobuf";
  readonly endpoint: string;
  readonly headers: readonly { readonly name: string; readonly value: string | Secret }[];
  readonly compression?: "gzip" | "none" | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  readonly temporality_preference?: TemporalityPreference | undefined;
  /** gRPC without a scheme in the endpoint: clear text. */
  readonly insecure?: boolean | undefined;
  /** Files, in PEM. */
  readonly certificate?: string | undefined;
  readonly client_certificate?: string | undefined;
  readonly client_key?: string | undefined;
}

export interface PeriodicReaderConfig {
  /** Milliseconds. */
  readonly interval: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly exporter: { readonly otlp?: OtlpReaderConfig; readonly console?: object };
}

export interface ReaderConfig {
  readonly pull?:
    | { readonly exporter: { readonly prometheus: PrometheusReaderConfig } }
    | undefined;
  readonly periodic?: PeriodicReaderConfig | undefined;
}

export interface MetricsConfig {
  readonly level: CollectionLevel;
  /** Absent: the default reader on localhost:8888. */
  readonly readers?: readonly ReaderConfig[] | undefined;
}

/** Resource attributes; null takes a default attribute away. */
export type ResourceConfig = Readonly<Record<string, string | number | boolean | null>>;

export interface TelemetryConfig {
  readonly logs: LogsConfig;
  readonly metrics: MetricsConfig;
  readonly resource: ResourceConfig;
}

/** What the Collector listens on when no reader is configured; its names carry neither units nor `_total`. */
export const defaultReader: ReaderConfig = {
  pull: {
    exporter: {
      prometheus: {
        host: "localhost",
        port: 8888,
        without_type_suffix: true,
        without_units: true,
        without_scope_info: true,
      },
    },
  },
};
