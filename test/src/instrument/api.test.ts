/** The API as the compiler sees it: `npm run typecheck` fails where a line here does not hold. */
import { describe, expect, test } from "@jest/globals";
import {
  type HttpOptions,
  type InstrumentOptions,
  type LlmUsage,
  llmCall,
  type PriceTable,
  queryInterface,
  rateLimit,
  type StartOptions,
  start,
} from "../../../src/instrument/index.ts";
import { Bench } from "../../support/instrument-points.ts";

test("options are put together step by step", () => {
  const http: HttpOptions = {};
  http.maxRoutes = 10;
  const options: StartOptions = { http };
  options.export = false;
  options.system = false;
  const instrument: InstrumentOptions<"a"> = { attributes: ["a"] };
  instrument.unit = "s";
  const usage: LlmUsage = {};
  usage.input = 3;
  const prices: PriceTable = { version: "1", usdPerMillion: {} };
  prices.usdPerMillion["m"] = { input: 1, output: 2 };
  expect([usage, prices.version]).toEqual([{ input: 3 }, "1"]);
  const telemetry = start(options);
  telemetry.meter.histogram("h", instrument).record(1, { a: 1 });
  expect(telemetry.stats().series).toBe(1);
  return telemetry.shutdown();
});

describe("declared attributes", () => {
  const bench = new Bench();
  const { meter } = bench;
  const recorded = () => bench.collect().map(({ attributes }) => attributes);

  test("a key that is not declared is an error, recorded or bound", () => {
    const counter = meter.counter("c", { attributes: ["route"] });
    counter.add(1, { route: "/" });
    // @ts-expect-error Not declared.
    counter.add(1, { rout: "/" });
    // @ts-expect-error Not declared.
    counter.bind({ rout: "/" });
    const histogram = meter.histogram("h", { attributes: { method: ["GET"], route: "any" } });
    histogram.record(1, { method: "GET", route: 1 });
    // @ts-expect-error Not declared.
    histogram.record(1, { path: "/" });
    meter.observe("o", "gauge", { attributes: ["a"] }, (observe) => {
      // @ts-expect-error Not declared.
      observe(1, { b: 1 });
    });
    expect(recorded()).toEqual([{ route: "/" }, {}, { method: "GET", route: 1 }, {}, {}]);
  });

  test("without a declaration every key is right, an absent value too", () => {
    meter.counter("any").add(1, { whatever: 1, absent: undefined });
    expect(recorded()).toContainEqual({ whatever: 1 });
  });
});

test("handles may be taken apart", async () => {
  const telemetry = start({ export: false, http: false, system: false, onProblem: () => {} });
  const { allowed, usage } = rateLimit("search", 10);
  allowed();
  usage(5);
  const { begin, feedback } = queryInterface(["search"]);
  const { end } = begin("search");
  end("answered");
  feedback("search", "up");
  const { chunk, end: endCall } = llmCall({ operation: "chat", provider: "p", model: "m" });
  chunk();
  endCall();
  // @ts-expect-error No rating; it is counted as another one.
  feedback("search", "sideways");
  const page = telemetry.toPrometheusText();
  expect(page).toContain('rating="up",repomind_query_type="search"} 1\n');
  expect(page).toContain('rating="_OTHER",repomind_query_type="search"} 1\n');
  expect(page).toContain('repomind_rate_limit_utilization_ratio{rate_limit_policy="search"} 0.5\n');
  expect(page).toContain("gen_ai_client_operation_duration_seconds_count{");
  const { stats, flush, metricProducer, shutdown } = telemetry;
  expect([stats().failures, (await metricProducer().collect()).errors]).toEqual([0, []]);
  // As by process.on("SIGTERM", shutdown).
  const signal = "SIGTERM" as unknown as number;
  expect([await flush(signal), await shutdown(signal)]).toMatchObject([{ ok: true }, { ok: true }]);
});
