/**
 * Beside the OpenTelemetry SDK: its reader collects these metrics with its own, and its exporter sends all of them.
 *
 *     node examples/apps/opentelemetry-sdk.ts
 *     curl http://127.0.0.1:3000/orders
 */
import { createServer } from "node:http";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { setRoute, start } from "repomind-telemetry/instrument";

const telemetry = start({ export: false });

const provider = new MeterProvider({
  resource: resourceFromAttributes({ "service.name": "opentelemetry-sdk-example" }),
  readers: [
    new PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter(),
      exportIntervalMillis: 10_000,
      metricProducers: [telemetry.metricProducer()],
    }),
  ],
});
const orders = provider.getMeter("shop").createCounter("shop.orders");

const server = createServer((request, response) => {
  setRoute(request, "/orders");
  orders.add(1);
  response.end("ordered");
});
const { PORT = "3000" } = process.env;
server.listen(Number(PORT), "127.0.0.1", () => console.log("listening on", server.address()));

// The SDK sends nothing at the end by itself.
async function stop(): Promise<void> {
  await new Promise((resolve) => server.close(resolve));
  await provider.shutdown();
}
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void stop());
