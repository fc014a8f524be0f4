import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { errorText, load } from "../../src/config/support.ts";
import {
  numberPoint as at,
  histogramOf,
  histogramPoint as hp,
  pointsOf,
  sumOf,
} from "../../support/temporality.ts";
import { toCumulative } from "../delta_to_cumulative/support.ts";
import { serviceStart, toDelta } from "./support.ts";

test.each(["cumulative_to_delta", "delta_to_cumulative"])("the example of %s loads", (type) => {
  const readme = readFileSync(join(__dirname, `../../../processors/${type}/README.md`), "utf8");
  expect(errorText(load(/```yaml\n(.*?)```/su.exec(readme)![1]!))).toBe("");
});

/** Minutes after ten, in seconds; the service starts at 09:59. */
const minute = (n: number) => serviceStart + 60 + n * 60;
const span = (start: number, end: number) => [minute(start), minute(end)] as const;

test("the worked examples of cumulative_to_delta", async () => {
  const tested = toDelta();
  const deltas = [];
  for (const [i, [first, second]] of [
    [100n, 5n],
    [130n, 5n],
    [20n, 9n],
    [25n, 9n],
  ].entries()) {
    const points = [at(span(-2, i + 1), first!), at(span(0, i + 1), second!)];
    deltas.push(pointsOf(await tested.run([sumOf(2, points)])));
  }
  expect(deltas).toEqual([
    [at(span(0, 1), 5n)],
    [at(span(1, 2), 30n), at(span(1, 2), 0n)],
    [at(span(2, 3), 4n)],
    [at(span(3, 4), 5n), at(span(3, 4), 0n)],
  ]);
  const points = [hp(span(0, 1), [3, 2, 1], { sum: 12 }), hp(span(0, 2), [5, 3, 1], { sum: 15 })];
  expect(pointsOf(await tested.run([histogramOf(2, points)]))[1]).toEqual(
    hp(span(1, 2), [2, 1, 0], { sum: 3 }),
  );
});

test("the worked examples of delta_to_cumulative", async () => {
  const tested = toCumulative();
  const points = [at(span(0, 1), 5n), at(span(1, 2), 2n), at(span(5, 6), 4n), at(span(3, 4), 1n)];
  expect(pointsOf(await tested.run([sumOf(1, points)]))).toEqual([
    at(span(0, 1), 5n),
    at(span(0, 2), 7n),
    at(span(0, 6), 11n),
  ]);
  const histograms = [
    hp(span(0, 1), [2, 1, 0], { sum: 3 }),
    hp(span(1, 2), [3, 2, 1], { sum: 12 }),
  ];
  expect(pointsOf(await tested.run([histogramOf(1, histograms)]))[1]).toEqual(
    hp(span(0, 2), [5, 3, 1], { sum: 15 }),
  );
});
