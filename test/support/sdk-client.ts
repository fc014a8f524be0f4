/**
 * An application with the OpenTelemetry SDK, as a process of its own: `sdk-client.ts PROTOCOL HOST:PORT` sends
 * three counters, a histogram, two spans (one with an event and a link) and a log record, and ends. The SDK's
 * exporters load parts of themselves by import(), which Jest's CommonJS mode does not allow.
 */
import { SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import type * as Logs from "@opentelemetry/exporter-logs-otlp-http";
import type * as Metrics from "@opentelemetry/exporter-metrics-otlp-http";
import type * as Traces from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  LoggerProvider,
  type LogRecordExporter,
  SimpleLogRecordProcessor,
} from "@opentelemetry/sdk-logs";
import {
  MeterProvider,
  PeriodicExportingMetricReader,
  type PushMetricExporter,
} from "@opentelemetry/sdk-metrics";
import { SimpleSpanProcessor, type SpanExporter, TracerProvider } from "@opentelemetry/sdk-trace";

interface Exporters {
  readonly metrics: PushMetricExporter;
  readonly traces: SpanExporter;
  readonly logs: LogRecordExporter;
}

async function exportersFor(protocol: string, address: string): Promise<Exporters> {
  const base = `http://${address}`;
  const urls = {
    metrics: `${base}/v1/metrics`,
    traces: `${base}/v1/traces`,
    logs: `${base}/v1/logs`,
  };
  if (protocol === "grpc") {
    const metrics = await import("@opentelemetry/exporter-metrics-otlp-grpc");
    const traces = await import("@opentelemetry/exporter-trace-otlp-grpc");
    const logs = await import("@opentelemetry/exporter-logs-otlp-grpc");
    return {
      metrics: new metrics.OTLPMetricExporter({ url: base }),
      traces: new traces.OTLPTraceExporter({ url: base }),
      logs: new logs.OTLPLogExporter({ url: base }),
    };
  }
  const kind = protocol === "http/json" ? "http" : "proto";
  const metrics = (await import(`@opentelemetry/exporter-metrics-otlp-${kind}`)) as typeof Metrics;
  const traces = (await import(`@opentelemetry/exporter-trace-otlp-${kind}`)) as typeof Traces;
  const logs = (await import(`@opentelemetry/exporter-logs-otlp-${kind}`)) as typeof Logs;
  return {
    metrics: new metrics.OTLPMetricExporter({ url: urls.metrics }),
    traces: new traces.OTLPTraceExporter({ url: urls.traces }),
    logs: new logs.OTLPLogExporter({ url: urls.logs }),
  };
}

const [protocol = "grpc", address = "localhost:4317"] = process.argv.slice(2);
const exporters = await exportersFor(protocol, address);
const resource = resourceFromAttributes({
  "service.name": "checkout",
  "service.instance.id": "1",
  "host.name": "büro",
});

const meters = new MeterProvider({
  resource,
  readers: [
    new PeriodicExportingMetricReader({
      exporter: exporters.metrics,
      exportIntervalMillis: 3_600_000,
    }),
  ],
});
const meter = meters.getMeter("shop");
for (const name of ["a", "b", "c"]) meter.createCounter(`orders.${name}`).add(5, { region: "eu" });
meter.createHistogram("latency", { unit: "s" }).record(0.25, { region: "eu" });

const tracers = new TracerProvider({
  resource,
  spanProcessors: [new SimpleSpanProcessor({ exporter: exporters.traces })],
});
const tracer: Tracer = tracers.getTracer("shop");
const parent = tracer.startSpan("checkout", { kind: SpanKind.SERVER });
parent.addEvent("paid", { amount: 12.5 });
const child = tracer.startSpan("charge", { links: [{ context: parent.spanContext() }] });
child.setStatus({ code: SpanStatusCode.ERROR, message: "declined" });
child.end();
parent.end();

const logs = new LoggerProvider({
  resource,
  processors: [new SimpleLogRecordProcessor({ exporter: exporters.logs })],
});
logs
  .getLogger("shop")
  .emit({ body: { order: 7 }, severityText: "WARN", attributes: { a: [1, 2] } });

for (const provider of [meters, tracers, logs]) {
  await provider.forceFlush();
  await provider.shutdown();
}
