/** What is counted of requests that ended, whenever it is asked for. */
import { afterEach, describe, expect, test } from "@jest/globals";
import { context, TraceFlags, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  durationBounds,
  httpInstruments,
  limitedInstruments,
} from "../../../../src/instrument/http/series.ts";
import { active, counted, durations, linesOf, named } from "../../../support/http-traffic.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

const latencies = (points: Point[]) => named(points, "repomind.api.request.latency");

interface Ended {
  readonly route?: string;
  readonly status?: number;
}

function end(bench: Bench, times: number, { route = "/a", status = 200 }: Ended = {}): void {
  const series = httpInstruments(bench.meter).of("GET", false);
  for (let i = 0; i < times; i++) {
    series.active++;
    series.end(0.005 * (1 + (i % 3)), route, status, undefined);
  }
}

test.each([false, true])("every collection has all that ended before it (delta: %p)", (isDelta) => {
  const bench = new Bench({ isDelta });
  let total = 0;
  for (const times of [1, 31, 32, 33, 100, 0, 7]) {
    end(bench, times);
    total += times;
    const points = bench.collect();
    const expected = isDelta ? times : total;
    expect(counted(durations(points))).toBe(expected);
    expect(counted(latencies(points))).toBe(expected);
    expect(active(points)).toBe(0);
  }
});

test("the buckets and sums are those of each duration by itself", () => {
  const bench = new Bench();
  end(bench, 1);
  bench.collect();
  end(bench, 50);
  const [duration] = durations(bench.collect());
  // 0.005, 0.01 and 0.015 in turns.
  expect(duration!.buckets!.slice(0, 4)).toEqual([18, 17, 16, 0]);
  expect(duration!.sum).toBeCloseTo(18 * 0.005 + 17 * 0.01 + 16 * 0.015, 9);
  expect([duration!.min, duration!.max]).toEqual([0.005, 0.015]);
});

test("statuses of one route in turns", () => {
  const bench = new Bench();
  for (let i = 0; i < 3; i++) {
    for (const status of [200, 304, 503, 200]) end(bench, 10, { status });
    bench.collect();
  }
  expect(linesOf(bench.collect())).toEqual({
    "GET /a 200 -": 60,
    "GET /a 304 -": 30,
    "GET /a 503 503": 30,
  });
});

test("more series than are remembered", () => {
  const bench = new Bench({ maxSeries: 10_000 });
  limitedInstruments(bench.meter, 1500);
  for (let round = 1; round <= 3; round++) {
    for (let i = 0; i < 1500; i++) end(bench, 1, { route: `/r${i}` });
    const points = durations(bench.collect());
    expect(points).toHaveLength(1500);
    expect(points.every(({ count }) => count === round)).toBe(true);
  }
});

test("measured anew, the bound of routes holds for all together", () => {
  const bench = new Bench();
  limitedInstruments(bench.meter, 3);
  for (const route of ["/a", "/b"]) end(bench, 1, { route });
  limitedInstruments(bench.meter, 3);
  for (const route of ["/c", "/d", "/e"]) end(bench, 1, { route });
  expect(linesOf(bench.collect())).toEqual({
    "GET /a 200 -": 1,
    "GET /b 200 -": 1,
    "GET /c 200 -": 1,
    "GET _OTHER 200 -": 2,
  });
});

describe("the application's own instruments of these names", () => {
  test("a histogram that it made first", () => {
    const bench = new Bench();
    const { meter } = bench;
    meter.histogram("http.server.request.duration", { unit: "s", boundaries: durationBounds });
    end(bench, 5);
    expect(counted(durations(bench.collect()))).toBe(5);
    end(bench, 5);
    expect(counted(durations(bench.collect()))).toBe(10);
  });

  test("an instrument in the place of the active requests, so that nobody asks for them", () => {
    const bench = new Bench();
    bench.meter.counter("http.server.active_requests");
    end(bench, 5);
    expect(counted(durations(bench.collect()))).toBe(5);
    end(bench, 5);
    expect(counted(durations(bench.collect()))).toBe(10);
    expect(bench.codes).toEqual(["instrument_conflict"]);
  });
});

describe("with tracing", () => {
  afterEach(() => context.disable());

  test("an exemplar has the span in which the request ended", () => {
    const bench = new Bench();
    end(bench, 1);
    bench.collect();
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    bench.collect();
    const span = {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      traceFlags: TraceFlags.SAMPLED,
    };
    context.with(trace.setSpanContext(context.active(), span), () => end(bench, 1));
    const points = bench.collect();
    for (const [point] of [durations(points), latencies(points)]) {
      const [exemplar] = point!.fields["exemplars"] as { readonly spanId: string }[];
      expect(Buffer.from(exemplar!.spanId, "base64").toString("hex")).toBe(span.spanId);
    }
  });
});
