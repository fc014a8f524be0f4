/**
 * A `pull` reader: answers `GET /metrics` from the start, and loads the SDK at the first scrape.
 *
 * Only the text format 0.0.4, as the Collector's own endpoint: the default names are counters without `_total`,
 * which OpenMetrics does not allow.
 */
import type { PrometheusExporter } from "@opentelemetry/exporter-prometheus";
import type { Component } from "../component.ts";
import type { Logger } from "../log.ts";
import { contentTypeOf, defaultFormat } from "../prometheus/negotiate.ts";
import { renderFamilies } from "../prometheus/text-writer.ts";
import type { HttpExchange, HttpServerSpec, Listener } from "../transport.ts";
import { causeText } from "./cause.ts";
import type { PrometheusReaderConfig } from "./config.ts";
import { familiesOf } from "./families.ts";
import { createProducer, type ProducerOptions } from "./producer.ts";
import { type ResourceAttributes, type RunningReader, startReader } from "./sdk.ts";

export interface MetricsServerOptions {
  readonly config: PrometheusReaderConfig;
  readonly resource: ResourceAttributes;
  readonly source: Omit<ProducerOptions, "temporality">;
  readonly log: Logger;
  readonly listen: (spec: HttpServerSpec) => Promise<Listener>;
}

export class MetricsServer implements Required<Component> {
  readonly #options: MetricsServerOptions;
  #listener: Listener | undefined;
  #running: Promise<RunningReader<PrometheusExporter>> | undefined;
  /** Scrapes in which a series could not be read, or that failed as a whole. */
  #gatheringErrors = 0;

  constructor(options: MetricsServerOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { host, port } = this.#options.config;
    const authority = host.includes(":") ? `[${host}]` : host;
    this.#listener = await this.#options.listen({
      kind: "http",
      endpoint: `${authority}:${port}`,
      transport: "tcp",
      maxBodyBytes: 1024,
      compressionAlgorithms: [""],
      readTimeoutMs: 10_000,
      readHeaderTimeoutMs: 10_000,
      writeTimeoutMs: 30_000,
      idleTimeoutMs: 120_000,
      keepAlivesEnabled: true,
      responseHeaders: new Map(),
      routes: new Map([["/metrics", (exchange) => this.#answer(exchange)]]),
    });
  }

  /** `host:port` as bound. */
  get addresses(): readonly string[] {
    return this.#listener?.addresses ?? [];
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    const listener = this.#listener;
    const running = this.#running;
    this.#listener = undefined;
    this.#running = undefined;
    await listener?.close(abort);
    if (running === undefined) return;
    // A start that failed was told to the scraper; there is nothing to stop then.
    const started = await running.catch(() => undefined);
    await started?.shutdown();
  }

  async #answer(exchange: HttpExchange): Promise<void> {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") {
      exchange.respond(405, { allow: "GET, HEAD", "content-type": "text/plain" });
      return;
    }
    try {
      const text = await this.#scrape();
      exchange.respond(200, { "content-type": contentTypeOf(defaultFormat) }, text);
    } catch (error) {
      this.#gatheringErrors += 1;
      const message = `cannot read the service's own metrics: ${causeText(error)}`;
      this.#options.log.error(message);
      exchange.respond(500, { "content-type": "text/plain; charset=utf-8" }, `${message}\n`);
    }
  }

  async #scrape(): Promise<string> {
    const { reader, sdk } = await this.#reader();
    const { resourceMetrics, errors } = await reader.collect();
    for (const error of errors) {
      this.#gatheringErrors += 1;
      this.#options.log.warn("cannot read a metric of the service", { error: causeText(error) });
    }
    const { config } = this.#options;
    const families = familiesOf(resourceMetrics, config, this.#gatheringErrors, sdk);
    return renderFamilies(families, defaultFormat);
  }

  /** Concurrent first scrapes share one load; a failed load is tried again by the next scrape. */
  #reader(): Promise<RunningReader<PrometheusExporter>> {
    this.#running ??= startReader({
      resource: this.#options.resource,
      producer: (sdk) =>
        createProducer(sdk, { ...this.#options.source, temporality: "cumulative" }),
      reader: async (_sdk, producer) => {
        const { PrometheusExporter } = await import("@opentelemetry/exporter-prometheus");
        return new PrometheusExporter({ preventServerStart: true, metricProducers: [producer] });
      },
    }).catch((error: unknown) => {
      this.#running = undefined;
      throw error;
    });
    return this.#running;
  }
}
