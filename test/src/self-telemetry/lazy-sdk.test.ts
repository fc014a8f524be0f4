import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "@jest/globals";

/** A real process with native modules: what is loaded before and after the first scrape, and what it weighs. */
const script = `
  import { createRequire } from "node:module";
  import { createServer } from "node:http";
  import { systemClock } from "./src/clock.ts";
  import { silentLogger } from "./src/log.ts";
  import { MeterRegistry } from "./src/self-telemetry/meter.ts";
  import { SelfMetrics } from "./src/self-telemetry/self-metrics.ts";
  const { cache } = createRequire(import.meta.url);
  const state = () => ({
    rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20),
    sdk: Object.keys(cache).some((path) => path.includes("grpc-js")),
  });
  let route;
  const telemetry = new SelfMetrics({
    config: { metrics: { level: "normal" }, resource: {} }, version: "1",
    meters: new MeterRegistry(), clock: systemClock, log: silentLogger,
    listen: async (_owner, spec) => { route = spec.routes.get("/metrics"); return { addresses: [], close: async () => {} }; },
  });
  await telemetry.start();
  const before = state();
  const scrape = () => new Promise((resolve) => route({ method: "GET", respond: (status, _headers, body) => resolve([status, body]) }));
  const startedMs = performance.now();
  const [status, body] = await scrape();
  const firstMs = Math.round(performance.now() - startedMs);
  console.log(JSON.stringify({ before, after: state(), status, firstMs, lines: body.split("\\n").length }));
  await telemetry.shutdown(AbortSignal.timeout(1000));
`;

test("the SDK is loaded by the first scrape and not before, and the process then ends by itself", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    "--input-type=module",
    "--eval",
    script,
  ]);
  const seen: unknown = JSON.parse(stdout);
  if (process.env["SHOW_FIGURES"] !== undefined) process.stderr.write(stdout);
  expect(seen).toMatchObject({ before: { sdk: false }, after: { sdk: true }, status: 200 });
});
