import { expect, test } from "@jest/globals";
import { Collisions } from "../../../processors/relabel/collisions.ts";
import type { RelabelMemos, RelabelSeries } from "../../../processors/relabel/verdict.ts";
import { SeriesInterner } from "../../../src/pdata/series/interner.ts";
import { gauge, metricsOf, metricsPayload } from "../../support/metrics-json.ts";

const labels = new Map([["__name__", "m"]]);

/** What rules made of the series: the point's attributes changed so. */
const changedBy = (series: RelabelSeries, ...changes: [string, string | undefined][]) => ({
  attributes: series.attributes(),
  labels,
  pointChanges: new Map(changes),
  resourceChanges: new Map(),
});

/** The series of a payload. */
function seriesOf(...points: Record<string, string | number>[]): RelabelSeries[] {
  const found: RelabelSeries[] = [];
  new SeriesInterner<RelabelMemos>().forEachPoint(
    metricsPayload(metricsOf({}, gauge("m", ...points))),
    ({ series }) => found.push(series),
  );
  return found;
}

test("what is remembered is bounded, and the oldest is forgotten", () => {
  const collisions = new Collisions(10);
  const meets = (series: RelabelSeries, ...changes: [string, string | undefined][]) =>
    collisions.meets(series, changedBy(series, ...changes));
  const dropPod: [string, undefined] = ["pod", undefined];
  const [a, b] = seriesOf({ pod: "1", a: "x" }, { pod: "2", a: "x" });
  expect(meets(a!, dropPod)).toBe(false);
  expect(meets(b!, dropPod)).toBe(true);
  // Judged again, as a series is that was forgotten by the interner: it was told of.
  expect(meets(a!, dropPod)).toBe(false);
  expect(meets(b!, dropPod)).toBe(false);
  for (let i = 0; i < 50; i++) {
    const [other] = seriesOf({ n: String(i) });
    expect(meets(other!)).toBe(false);
    expect(collisions.size).toBeLessThanOrEqual(20);
  }
  expect(meets(b!, dropPod)).toBe(false);
});

test("the same attributes are one series, whatever made them; other types and bounds of texts are not", () => {
  const collisions = new Collisions();
  const [two, one, shifted] = seriesOf({ a: "1", b: "2" }, { a: "1" }, { a: "1b", b: "2" });
  expect(collisions.meets(two!, changedBy(two!))).toBe(false);
  expect(collisions.meets(shifted!, changedBy(shifted!))).toBe(false);
  expect(collisions.meets(one!, changedBy(one!, ["b", "2"]))).toBe(true);
  const [number] = seriesOf({ a: 1, b: "2" });
  expect(collisions.meets(number!, changedBy(number!))).toBe(false);
});

test("values that are no UTF-8 are told apart by their bytes", () => {
  const payload = metricsPayload(metricsOf({}, gauge("m", { a: "caf~" }, { a: "caf^" })));
  const [bytes] = payload.parts;
  bytes![bytes!.indexOf("~".charCodeAt(0))] = 0xe9;
  bytes![bytes!.indexOf("^".charCodeAt(0))] = 0xe8;
  const found: RelabelSeries[] = [];
  new SeriesInterner<RelabelMemos>().forEachPoint(payload, ({ series }) => found.push(series));
  const [one, two] = found as [RelabelSeries, RelabelSeries];
  const collisions = new Collisions();
  expect(collisions.meets(one, changedBy(one, ["a", undefined]))).toBe(false);
  expect(collisions.meets(two, changedBy(two, ["a", undefined]))).toBe(true);
});

test("ten thousand series of a grid are all different", () => {
  const collisions = new Collisions();
  const points = Array.from({ length: 10_000 }, (_, i) => ({
    a: String(i % 100),
    b: String(Math.floor(i / 100)),
  }));
  const collided = seriesOf(...points).filter((one) => collisions.meets(one, changedBy(one)));
  expect(collided).toEqual([]);
});
