/**
 * Nothing is sent: Prometheus scrapes the application itself.
 *
 *     node examples/apps/prometheus-scrape.ts
 *     curl http://127.0.0.1:3000/metrics
 */
import { createServer } from "node:http";
import { setRoute, start } from "repomind-telemetry/instrument";

const telemetry = start({
  serviceName: "prometheus-scrape-example",
  export: false,
  http: { ignore: ({ url }) => url === "/metrics" },
});
const orders = telemetry.meter.counter("shop.orders", { unit: "{order}" });

const server = createServer((request, response) => {
  if (request.url === "/metrics") {
    response.setHeader("content-type", "text/plain; version=0.0.4");
    response.end(telemetry.toPrometheusText());
    return;
  }
  setRoute(request, "/orders");
  orders.add(1);
  response.end("ordered");
});

const { PORT = "3000" } = process.env;
server.listen(Number(PORT), "127.0.0.1", () => console.log("listening on", server.address()));
