import { expect, test } from "@jest/globals";
import { Bench, decodeRequest, pointsOf, resourceOf } from "../../../support/instrument-points.ts";

function filled(series: number): Bench {
  const bench = new Bench({ maxSeries: series });
  const counter = bench.meter.counter("c", { unit: "1" });
  for (let i = 0; i < series; i++) counter.add(i, { i });
  bench.meter.gauge("never recorded").bind({ a: 1 });
  bench.meter.gauge("never.recorded").bind({ a: 1 });
  bench.meter.histogram("h", { boundaries: [1] }).record(1);
  return bench;
}

test("requests end at their size; each is whole and together they have every point once", () => {
  const bench = filled(5000);
  const requests = [...bench.steps({ maxRequestBytes: 10_000 })].filter((r) => r !== undefined);
  expect(requests.length).toBeGreaterThan(10);
  const points = requests.flatMap(({ body, points: count }) => {
    const found = pointsOf(body);
    expect(found).toHaveLength(count);
    expect(body.length).toBeLessThan(10_200);
    expect(resourceOf(body)).toEqual({ "service.name": "test" });
    return found;
  });
  const values = points.filter((p) => p.metric === "c").map((p) => p.value);
  expect(values).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  expect(new Set(points.map((p) => p.timeNanos)).size).toBe(1);
  expect(points.at(-1)).toMatchObject({ metric: "h", count: 1 });
});

test("pauses come between points, and what is recorded meanwhile is not lost", () => {
  const bench = filled(1000);
  const counter = bench.meter.counter("c", { unit: "1" });
  let pauses = 0;
  let values: (number | undefined)[] = [];
  for (const step of bench.steps({ sliceMs: -1 })) {
    if (step === undefined) {
      pauses++;
      counter.add(1, { i: 999 });
    } else {
      values = pointsOf(step.body).map((p) => p.value);
    }
  }
  expect(pauses).toBeGreaterThan(10);
  expect(values[999]).toBeGreaterThan(999 + 10);
});

test("nothing recorded: no request; a metric without a point is not mentioned", () => {
  const empty = new Bench();
  empty.meter.gauge("g").bind({});
  expect([...empty.steps()]).toEqual([]);
  const [request] = [...filled(1).steps()];
  const text = JSON.stringify(decodeRequest(request!.body));
  expect(text).toContain('"c"');
  expect(text).not.toContain("never");
  expect(text).toContain("repomind-telemetry/instrument");
});
