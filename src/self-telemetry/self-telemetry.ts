/** Offers the service's own metrics to whoever `service::telemetry::metrics` names. */
import type { Clock } from "../clock.ts";
import type { Component } from "../component.ts";
import { TelemetryError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { HttpServerSpec, Listener } from "../transport.ts";
import {
  defaultReader,
  type MetricsConfig,
  type ReaderConfig,
  type ResourceConfig,
} from "./config.ts";
import type { MeterRegistry } from "./meter.ts";
import { MetricsServer } from "./metrics-server.ts";
import type { ProducerOptions } from "./producer.ts";
import { PushReader, type PushReaderConfig } from "./push-reader.ts";
import { resourceAttributes, type ServiceIdentity } from "./resource.ts";

export interface SelfTelemetryOptions {
  readonly metrics: MetricsConfig;
  readonly resource: ResourceConfig;
  readonly identity: ServiceIdentity;
  readonly registry: MeterRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly listen: (spec: HttpServerSpec) => Promise<Listener>;
}

/**
 * One component over all readers. Start rejects when a reader cannot listen or lacks a file; nothing of the
 * SDK is loaded before the first scrape or push. Level none: no readers at all.
 */
export function createSelfTelemetry(options: SelfTelemetryOptions): Required<Component> {
  const readers = options.metrics.level === "none" ? [] : createReaders(options);
  return {
    async start() {
      for (const reader of readers) await reader.start();
    },
    async shutdown(abort) {
      await Promise.all(readers.map((reader) => reader.shutdown(abort)));
    },
  };
}

function createReaders(options: SelfTelemetryOptions): Required<Component>[] {
  const { metrics, registry, clock, identity, log, listen } = options;
  const source: Omit<ProducerOptions, "temporality"> = {
    collect: (onError) => registry.snapshot(metrics.level, onError),
    clock,
    startedMs: clock.now(),
    scope: identity,
  };
  const resource = resourceAttributes(identity, options.resource);
  return (metrics.readers ?? [defaultReader]).map((reader, index) =>
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

function pushConfig({ periodic }: ReaderConfig, index: number): PushReaderConfig {
  const otlp = periodic?.exporter.otlp;
  if (periodic === undefined || otlp === undefined) {
    throw new TelemetryError(
      "CONFIG_INVALID",
      `service::telemetry::metrics::readers::${index}: must specify exporter`,
    );
  }
  return { ...periodic, exporter: { otlp } };
}
