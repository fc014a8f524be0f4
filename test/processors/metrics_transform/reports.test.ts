import { expect, test } from "@jest/globals";
import { Reports } from "../../../processors/metrics_transform/reports.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { testSettings } from "../../support/settings.ts";

function reports() {
  const said: string[] = [];
  const clock = new FakeClock();
  const { log } = testSettings();
  const settings = testSettings({
    clock,
    log: { ...log, warn: (message, fields) => said.push(`${message} ${JSON.stringify(fields)}`) },
  });
  return { reports: new Reports(settings), said, clock, settings };
}

test("a cause is said once a minute, every point is counted", async () => {
  const { reports: tested, said, clock, settings } = reports();
  for (let i = 0; i < 3; i++) tested.unmerged("m", 2);
  expect(said).toHaveLength(1);
  await clock.advance(60_000);
  tested.unmerged("n", 2);
  expect(said).toHaveLength(2);
  const points = settings.meter.value("rmt_metrics_transform_unmerged_points", {
    processor: "test",
  });
  expect(points).toBe(8);
});

test("long names of senders are cut", () => {
  const { reports: tested, said } = reports();
  tested.unscaled("x".repeat(1_000_000));
  tested.notCombined("y".repeat(1_000_000));
  expect(said.map(({ length }) => length < 1000)).toEqual([true, true]);
});

test("deleted points are dropped items, once a payload", () => {
  const { reports: tested, settings } = reports();
  tested.deleted(2);
  tested.deleted(3);
  expect([...settings.dropped]).toEqual([]);
  tested.finish();
  tested.finish();
  expect([...settings.dropped]).toEqual([["delete_label_value", 5]]);
});
