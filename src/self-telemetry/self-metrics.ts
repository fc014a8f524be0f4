/** Offers the service's own metrics to whoever `service::telemetry::metrics` names. */
import type { Clock } from "../clock.ts";
import type { Component, ComponentId } from "../component.ts";
import { TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { HttpServerSpec, Listener } from "../transport.ts";
import {
  defaultReader,
  type PeriodicReaderConfig,
  type ReaderConfig,
  type TelemetryConfig,
} from "./config.ts";
import type { MeterRegistry } from "./meter.ts";
import { MetricsServer } from "./metrics-server.ts";
import { addProcessMetrics } from "./process-metrics.ts";
import type { ProducerOptions } from "./producer.ts";
import { PushReader } from "./push-reader.ts";
import { resourceAttributes } from "./resource.ts";

export interface SelfMetricsOptions {
  readonly config: Pick<TelemetryConfig, "metrics" | "resource">;
  readonly meters: MeterRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  /** service.version, and the version of the instrumentation scope. */
  readonly version: string;
  readonly listen: (owner: ComponentId, spec: HttpServerSpec) => Promise<Listener>;
}

const serviceName = "repomind-telemetry";

/** Owner of the listeners, for error texts. */
const owner: ComponentId = {
  kind: "extension",
  type: "telemetry",
  text: "service::telemetry::metrics",
};

/**
 * All readers of the service's own metrics. `start` rejects when one cannot listen or lacks a file; nothing of
 * the SDK is loaded before the first scrape or push. Level none: no readers, and nothing of the process is
 * measured.
 */
export class SelfMetrics implements Required<Component> {
  readonly #options: SelfMetricsOptions;
  readonly #readers: readonly Required<Component>[];
  #process: { stop(): void } | undefined;

  constructor(options: SelfMetricsOptions) {
    this.#options = options;
    this.#readers = options.config.metrics.level === "none" ? [] : createReaders(options);
  }

  async start(): Promise<void> {
    if (this.#readers.length === 0) return;
    const { meters, clock } = this.#options;
    this.#process = addProcessMetrics(meters, clock);
    for (const reader of this.#readers) await reader.start();
  }

  async shutdown(abort: AbortSignal): Promise<void> {
    await Promise.all(this.#readers.map((reader) => reader.shutdown(abort)));
    this.#process?.stop();
    this.#process = undefined;
  }
}

function createReaders(options: SelfMetricsOptions): Required<Component>[] {
  const { config, meters, clock, log, version } = options;
  const source: Omit<ProducerOptions, "temporality"> = {
    collect: (onError) => meters.snapshot(config.metrics.level, onError),
    clock,
    startedMs: clock.now(),
    scope: { name: serviceName, version },
  };
  const resource = resourceAttributes({ name: serviceName, version }, config.resource);
  const listen = (spec: HttpServerSpec) =>
    options.listen(owner, spec).catch((error: unknown) => {
      throw listenError(error, spec.endpoint);
    });
  return (config.metrics.readers ?? [defaultReader]).map((reader, index) =>
    reader.pull === undefined
      ? new PushReader({ config: pushConfig(reader, index), resource, source, clock, log })
      : new MetricsServer({
          config: reader.pull.exporter.prometheus,
          resource,
          source,
          log,
          listen,
        }),
  );
}

/** Its port is the first that two services on one machine share, and no component's `endpoint` moves it. */
function listenError(error: unknown, endpoint: string): unknown {
  if (!(error instanceof TelemetryError) || error.code !== "ADDRESS_IN_USE") return error;
  return new TelemetryError(
    "ADDRESS_IN_USE",
    `cannot listen on ${endpoint} for the service's own metrics: the address is already in use, often by another instance. Move them with service::telemetry::metrics::readers, or switch them off with --set service.telemetry.metrics.level=none.`,
    { cause: error },
  );
}

function pushConfig({ periodic }: ReaderConfig, index: number): PeriodicReaderConfig {
  if (periodic !== undefined) return periodic;
  throw new TelemetryError(
    "CONFIG_INVALID",
    `service::telemetry::metrics::readers::${index}: must have exactly one of pull and periodic`,
  );
}
