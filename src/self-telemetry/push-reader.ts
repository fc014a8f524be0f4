/**
 * A `periodic` reader: pushes the service's metrics over OTLP, or prints them (`console`). The interval runs on the service's clock, so that
 * the SDK and the exporter are loaded only when the first push is due.
 */
import type { MetricReader, PushMetricExporter, ResourceMetrics } from "@opentelemetry/sdk-metrics";
import type { Clock, Timer } from "../clock.ts";
import type { Component } from "../component.ts";
import type { Logger } from "../log.ts";
import { causeText } from "./cause.ts";
import type { PeriodicReaderConfig } from "./config.ts";
import {
  loadTlsFiles,
  otlpGrpcExporter,
  otlpHttpExporter,
  type TlsFiles,
} from "./otlp-exporter.ts";
import { createProducer, type ProducerOptions } from "./producer.ts";
import {
  type ResourceAttributes,
  type RunningReader,
  type SdkModules,
  startReader,
} from "./sdk.ts";

export interface PushReaderOptions {
  readonly config: PeriodicReaderConfig;
  readonly resource: ResourceAttributes;
  readonly source: Omit<ProducerOptions, "temporality">;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What 0 means, as in the Collector's SDK. */
const defaultIntervalMs = 60_000;
const defaultTimeoutMs = 30_000;

/** The reader's own timer must never fire: pushes are timed by the service's clock. */
const neverMs = 2 ** 31 - 1;

export class PushReader implements Required<Component> {
  readonly #options: PushReaderOptions;
  readonly #log: Logger;
  #files: TlsFiles | undefined;
  #timer: Timer | undefined;
  #running: Promise<RunningReader<MetricReader>> | undefined;
  #pushing: Promise<void> | undefined;

  constructor(options: PushReaderOptions) {
    this.#options = options;
    const { endpoint, protocol } = options.config.exporter.otlp ?? {};
    this.#log = options.log.with({ endpoint, protocol });
  }

  /** Reads the TLS files, so that a wrong path is an error at start and not in an hour. */
  async start(): Promise<void> {
    const { interval, exporter } = this.#options.config;
    if (exporter.otlp !== undefined) this.#files = await loadTlsFiles(exporter.otlp);
    this.#timer = this.#options.clock.every(interval || defaultIntervalMs, () => void this.push());
  }

  /** Pushes once; a push that is still under way is joined. Failures are logged, the next push carries on. */
  push(): Promise<void> {
    this.#pushing ??= this.#pushNow().finally(() => {
      this.#pushing = undefined;
    });
    return this.#pushing;
  }

  /** The last values are pushed too, also when no push was due yet. */
  async shutdown(abort: AbortSignal): Promise<void> {
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    await unlessAborted(this.#finish(), abort);
  }

  async #finish(): Promise<void> {
    await this.#pushing;
    const running = await this.#reader();
    await running?.shutdown();
  }

  async #pushNow(): Promise<void> {
    const running = await this.#reader();
    await running?.reader.forceFlush();
  }

  /** The reader, loaded now if need be; undefined when that failed, which is logged and tried again. */
  async #reader(): Promise<RunningReader<MetricReader> | undefined> {
    this.#running ??= startReader({
      resource: this.#options.resource,
      producer: (sdk) => createProducer(sdk, this.#producerOptions()),
      reader: async (sdk, producer) =>
        new sdk.metrics.PeriodicExportingMetricReader({
          exporter: this.#reporting(await this.#exporter(sdk)),
          exportIntervalMillis: neverMs,
          exportTimeoutMillis: this.#options.config.timeout || defaultTimeoutMs,
          metricProducers: [producer],
        }),
    });
    try {
      return await this.#running;
    } catch (error) {
      this.#running = undefined;
      this.#log.error("cannot push the service's own metrics", {
        error: causeText(error),
      });
      return undefined;
    }
  }

  #producerOptions(): ProducerOptions {
    const { otlp } = this.#options.config.exporter;
    const temporality = otlp?.temporality_preference ?? "cumulative";
    return { ...this.#options.source, temporality };
  }

  async #exporter(sdk: SdkModules): Promise<PushMetricExporter> {
    const { otlp } = this.#options.config.exporter;
    if (otlp === undefined) return new sdk.metrics.ConsoleMetricExporter();
    const build = otlp.protocol === "grpc" ? otlpGrpcExporter : otlpHttpExporter;
    return build(otlp, this.#files ?? {});
  }

  /** The SDK tells failures only to its global error handler, which nobody hears. */
  #reporting(exporter: PushMetricExporter): PushMetricExporter {
    return {
      export: (metrics: ResourceMetrics, done) =>
        exporter.export(metrics, (result) => {
          if (result.error !== undefined) {
            this.#log.warn("cannot push the service's own metrics", {
              error: result.error.message,
            });
          }
          done(result);
        }),
      forceFlush: () => exporter.forceFlush(),
      shutdown: () => exporter.shutdown(),
    };
  }
}

/** Settles with the promise, or when aborted: what is under way is left to itself then. */
function unlessAborted(work: Promise<void>, abort: AbortSignal): Promise<void> {
  if (abort.aborted) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve();
    abort.addEventListener("abort", onAbort, { once: true });
    work.then(resolve, reject).finally(() => abort.removeEventListener("abort", onAbort));
  });
}
