/**
 * What only the application knows: its own instruments, a queue, a rate limit, and what users ask.
 *
 *     node examples/apps/own-metrics.ts
 *     curl "http://127.0.0.1:3000/search?q=monad"
 */
import { createServer } from "node:http";
import { queryInterface, queue, rateLimit, setRoute, start } from "repomind-telemetry/instrument";

const { meter } = start({ serviceName: "own-metrics-example" });

// Channels that are not listed become "_OTHER": what users send never makes new series.
const searches = meter.counter("shop.searches", {
  unit: "{search}",
  attributes: { channel: ["web", "app"] },
});
const fromWeb = searches.bind({ channel: "web" }); // one series, looked up once: the fastest way
const lengths = meter.histogram("shop.search.length", { boundaries: [4, 8, 16, 32] });
const indexed = new Map([["monad", "burritos"]]);
meter.observe("shop.documents", "gauge", {}, (observe) => observe(indexed.size));

const jobs: string[] = [];
queue("index", () => jobs.length, 100);
const limit = rateLimit("per_minute", 5);
const queries = queryInterface(["search"]);

let used = 0;
setInterval(() => {
  used = 0;
}, 60_000);

const server = createServer((request, response) => {
  setRoute(request, "/search");
  limit.usage(Math.min(++used, 5));
  if (used > 5) {
    limit.limited();
    response.writeHead(429, { "retry-after": "60" }).end();
    return;
  }
  limit.allowed();
  const query = queries.begin("search");
  const term = new URL(request.url ?? "", "http://localhost").searchParams.get("q") ?? "";
  const channel = request.headers["x-channel"];
  if (channel === undefined) fromWeb.add(1);
  else searches.add(1, { channel: String(channel) });
  lengths.record(term.length);
  const found = indexed.get(term);
  if (found === undefined) jobs.push(term);
  query.end(found === undefined ? "empty" : "answered");
  response.end(found);
});

const { PORT = "3000" } = process.env;
server.listen(Number(PORT), "127.0.0.1", () => console.log("listening on", server.address()));
