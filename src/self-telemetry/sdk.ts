/**
 * The OpenTelemetry SDK, loaded when a scrape or a push first needs it: it costs about 0.3 s and 35-40 MB,
 * which neither start-up nor a service that nobody scrapes has to pay.
 */
import { setImmediate } from "node:timers/promises";
import type * as Resources from "@opentelemetry/resources";
import type * as SdkMetrics from "@opentelemetry/sdk-metrics";
import type { MetricProducer, MetricReader } from "@opentelemetry/sdk-metrics";
import { TelemetryError } from "../errors.ts";

/** The modules of the SDK that readers and sources need, handed around because they are loaded late. */
export interface SdkModules {
  readonly metrics: typeof SdkMetrics;
  readonly resources: typeof Resources;
}

export type ResourceAttributes = Readonly<Record<string, string | number | boolean>>;

/** A reader bound to the SDK. */
export interface RunningReader<R extends MetricReader> {
  readonly reader: R;
  readonly sdk: SdkModules;
  /** A push reader sends once more. */
  shutdown(): Promise<void>;
}

export interface ReaderPlan<R extends MetricReader> {
  readonly resource: ResourceAttributes;
  readonly producer: (sdk: SdkModules) => MetricProducer;
  /** Builds the reader over its source. */
  readonly reader: (sdk: SdkModules, producer: MetricProducer) => Promise<R>;
}

/**
 * Loads the SDK and starts it with one reader.
 * Throws START_FAILED when the environment switches the SDK off: silence would look like an idle service.
 */
export async function startReader<R extends MetricReader>(
  plan: ReaderPlan<R>,
): Promise<RunningReader<R>> {
  if (process.env["OTEL_SDK_DISABLED"]?.trim().toLowerCase() === "true") {
    throw new TelemetryError(
      "START_FAILED",
      "cannot read the service's own metrics: OTEL_SDK_DISABLED is set to true",
    );
  }
  const { NodeSDK, metrics, resources } = await loadSdk();
  const sdk = { metrics, resources };
  const reader = await plan.reader(sdk, plan.producer(sdk));
  // Metrics only: without these empty lists the SDK would start trace and log exporters from the environment.
  const node = new NodeSDK({
    autoDetectResources: false,
    resource: resources.resourceFromAttributes(plan.resource),
    metricReaders: [reader],
    spanProcessors: [],
    logRecordProcessors: [],
    instrumentations: [],
    textMapPropagator: null,
  });
  node.start();
  return { reader, sdk, shutdown: () => node.shutdown() };
}

/**
 * One package after the other, dependencies first, with room for other work between them: loaded as one graph
 * it would stop the event loop for 0.2-0.3 s, so the longest stall is 0.04-0.06 s.
 */
async function loadSdk() {
  const resources = await import("@opentelemetry/resources");
  await setImmediate();
  const metrics = await import("@opentelemetry/sdk-metrics");
  await setImmediate();
  await import("@grpc/grpc-js");
  await setImmediate();
  await import("@opentelemetry/exporter-metrics-otlp-grpc");
  await setImmediate();
  const { NodeSDK } = await import("@opentelemetry/sdk-node");
  return { NodeSDK, metrics, resources };
}
