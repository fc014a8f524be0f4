/** What an application sees of `repomind-telemetry/instrument`. */
import type { IncomingMessage } from "node:http";
import type { MetricProducer } from "./reading/sdk-types.ts";

export type Value = string | number | boolean;
export type Attributes = { readonly [key: string]: Value | undefined };

export interface Problem {
  readonly code: string;
  readonly message: string;
}

/** Environment variables stand in for options that are not given (docs/instrument.md). */
export interface StartOptions {
  serviceName?: string;
  resource?: Attributes;
  /** OTLP/HTTP with protobuf; `/v1/metrics` is added. Default http://127.0.0.1:4318. */
  endpoint?: string;
  headers?: Record<string, string>;
  /** Default none. */
  compression?: "none" | "gzip";
  /** Time between two collections; default 10,000. */
  intervalMs?: number;
  /** Time one request may take; default 10,000. */
  timeoutMs?: number;
  /** Default cumulative. With delta, up-down counters stay cumulative. */
  temporality?: "cumulative" | "delta";
  /** Further attribute sets are counted in one series with `otel.metric.overflow`; default 2,000. */
  maxSeriesPerMetric?: number;
  /** Encoded requests that wait; default 4 MiB. */
  maxQueueBytes?: number;
  /** The longest that leaving the process may take; default 500. */
  exitFlushMs?: number;
  /** False: nothing is sent; toPrometheusText() and metricProducer() still read. */
  export?: boolean;
  /** Default true: servers and clients are measured. */
  http?: boolean | HttpOptions;
  /** Default true: memory, CPU, event loop, garbage collection, connections. */
  system?: boolean | SystemOptions;
  /** Called once for each kind of problem; default: a process warning. */
  onProblem?: (problem: Problem) => void;
}

export interface FlushResult {
  /** Everything collected so far arrived. */
  readonly ok: boolean;
  readonly points: number;
  readonly dropped: number;
  readonly error?: string;
}

export interface Stats {
  readonly series: number;
  /** Lookups (recordings without a bound handle, and binds) that ended in an overflow series. */
  readonly overflowed: number;
  /** Data points that arrived. */
  readonly exported: number;
  /** Data points that were given up: refused for good, or pushed out of a full queue. */
  readonly dropped: number;
  /** Attempts to send that failed. */
  readonly failures: number;
}

/** Functions that need no `this`: `process.on("SIGTERM", telemetry.shutdown)`. */
export interface Telemetry {
  readonly meter: Meter;
  /** Collects and sends; resolves when everything is sent or after timeoutMs (default: the timeout of one request). */
  flush: (timeoutMs?: number) => Promise<FlushResult>;
  /** Flushes, then takes back every hook and listener. A second call gives the result of the first. */
  shutdown: (timeoutMs?: number) => Promise<FlushResult>;
  /** What a scrape by Prometheus reads: text format 0.0.4, cumulative. */
  toPrometheusText: () => string;
  /** For a metric reader of the OpenTelemetry SDK (`metricProducers`); cumulative. */
  metricProducer: () => MetricProducer;
  stats: () => Stats;
}

export interface InstrumentOptions<K extends string> {
  unit?: string;
  description?: string;
  maxSeries?: number;
  /** Declared keys; with a list of values a miss becomes "_OTHER". */
  attributes?: readonly K[] | { readonly [P in K]: readonly Value[] | "any" };
}
export interface HistogramOptions<K extends string> extends InstrumentOptions<K> {
  /** Explicit buckets; without them exponential, scale 5. */
  boundaries?: readonly number[];
}
export type Of<K extends string> = string extends K
  ? Attributes
  : { readonly [P in K]?: Value | undefined };

export interface Adder {
  add(value: number): void;
}
export interface Recorder {
  record(value: number): void;
}
export interface Counter<K extends string> {
  add(value: number, attributes?: Of<K>): void;
  bind(attributes: Of<K>): Adder;
}
export interface Instrument<K extends string> {
  record(value: number, attributes?: Of<K>): void;
  bind(attributes: Of<K>): Recorder;
}
export type ObservedKind = "counter" | "upDownCounter" | "gauge";
export type Observe<K extends string> = (value: number, attributes?: Of<K>) => void;

export interface Meter {
  counter<const K extends string = string>(
    name: string,
    options?: InstrumentOptions<K>,
  ): Counter<K>;
  upDownCounter<const K extends string = string>(
    name: string,
    options?: InstrumentOptions<K>,
  ): Counter<K>;
  gauge<const K extends string = string>(
    name: string,
    options?: InstrumentOptions<K>,
  ): Instrument<K>;
  /** Values below zero are not counted. */
  histogram<const K extends string = string>(
    name: string,
    options?: HistogramOptions<K>,
  ): Instrument<K>;
  /** `read` is called at every collection and says the current values (of counters: their totals). */
  observe<const K extends string = string>(
    name: string,
    kind: ObservedKind,
    options: InstrumentOptions<K>,
    read: (observe: Observe<K>) => void,
  ): Disposable;
}

export interface HttpOptions {
  /** Default true. */
  server?: boolean;
  /** Default true: requests that fetch, undici and node:http send. */
  client?: boolean;
  /** Default false: the use of rate limits is read from the headers of the responses that servers send. */
  rateLimitHeaders?: boolean;
  /** Further routes become "_OTHER"; default 200. */
  maxRoutes?: number;
  /** True: the request is not measured. Called when its headers are read. */
  ignore?: (request: IncomingMessage) => boolean;
  /** The template of a request's route (`/repos/:id`), asked when the response ends; never the path itself. */
  route?: (request: IncomingMessage) => string | undefined;
}

export interface SystemOptions {
  /** Default true. */
  eventLoop?: boolean;
  /** Default true. */
  gc?: boolean;
}
