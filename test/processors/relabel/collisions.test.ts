import { expect, test } from "@jest/globals";
import { Collisions } from "../../../processors/relabel/collisions.ts";
import type { RelabelMemos, RelabelSeries } from "../../../processors/relabel/verdict.ts";
import { SeriesInterner } from "../../../src/pdata/series/interner.ts";
import { gauge, metricsOf, metricsPayload } from "../../support/metrics-json.ts";

const noChanges = { pointChanges: new Map(), resourceChanges: new Map() };

/** The series of a payload, and its labels as no rule changed them. */
function seriesOf(...points: Record<string, string>[]): RelabelSeries[] {
  const found: RelabelSeries[] = [];
  new SeriesInterner<RelabelMemos>().forEachPoint(
    metricsPayload(metricsOf({}, gauge("m", ...points))),
    ({ series }) => found.push(series),
  );
  return found;
}

test("what is remembered is bounded, and the oldest is forgotten", () => {
  const collisions = new Collisions(10);
  const labels = new Map([["__name__", "m"]]);
  const dropPod = { ...noChanges, labels, pointChanges: new Map([["pod", undefined]]) };
  const [a, b] = seriesOf({ pod: "1", a: "x" }, { pod: "2", a: "x" });
  expect(collisions.meets(a!, dropPod)).toBe(false);
  expect(collisions.meets(b!, dropPod)).toBe(true);
  // Judged again, as a series is that was forgotten by the interner: it was told of.
  expect(collisions.meets(a!, dropPod)).toBe(false);
  expect(collisions.meets(b!, dropPod)).toBe(false);
  for (let i = 0; i < 50; i++) {
    const [other] = seriesOf({ n: String(i) });
    expect(collisions.meets(other!, { ...noChanges, labels })).toBe(false);
    expect(collisions.size).toBeLessThanOrEqual(20);
  }
  expect(collisions.meets(b!, dropPod)).toBe(false);
});
