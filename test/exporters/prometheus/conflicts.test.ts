/** Metrics that do not fit beside each other: the first keeps the name, the other is dropped, counted and said. */
import { afterEach, describe, expect, test } from "@jest/globals";
import type { Logger } from "../../../src/log.ts";
import { silentLogger } from "../../../src/log.ts";
import {
  at,
  distribution,
  exporterStarter,
  gauge,
  lines,
  type Running,
  request,
  sum,
  value,
} from "./support.ts";

const startAny = exporterStarter({ enable_open_metrics: true });
const said: string[] = [];
afterEach(() => {
  said.length = 0;
});

function start(keys: Parameters<typeof startAny>[0] = {}): Promise<Running> {
  const say = (message: string) => void said.push(message);
  return startAny(keys, { log: { ...silentLogger, warn: say, info: say } satisfies Logger });
}

const histogram = (name: string) =>
  distribution("histogram", name, [
    { count: 1, sum: 1, bucketCounts: [1, 0], explicitBounds: [1] },
  ]);
const summary = (name: string) => distribution("summary", name, [{ count: 1, sum: 1 }]);
const plain = (name: string) => gauge(name, [value(7)]);

describe("one name, two types", () => {
  test.each([
    ["gauge, counter", plain("x_total"), sum("x", [value(1)]), ["x_total 7"]],
    ["summary, gauge", summary("x"), plain("x"), ["x_sum 1", "x_count 1"]],
    ["histogram, summary", summary("x"), histogram("x"), ["x_sum 1", "x_count 1"]],
  ])("%s", async (_, first, second, expected) => {
    const r = await start();
    await r.push(request([first, second]));
    await r.push(request([second]));
    expect(await lines(r)).toEqual(expected);
    expect(r.settings.dropped).toEqual(new Map([["type_conflict", 2]]));
    expect(said).toEqual(["instrument type conflict, using existing type definition"]);
  });
});

describe("samples of one family named as another family", () => {
  const both = (name: string) => [histogram("x"), plain(name)] as const;
  test.each([
    ["a histogram's count", ...both("x_count")],
    ["a histogram's sum", ...both("x_sum")],
    ["a histogram's buckets", ...both("x_bucket")],
    ["a summary's sum", summary("x"), plain("x_sum")],
    ["the histogram comes second", plain("x_bucket"), histogram("x")],
    ["the summary comes second", plain("x_count"), summary("x")],
  ])("%s", async (_, first, second) => {
    const r = await start();
    await r.push(request([first]));
    const before = (await r.scrape()).text;
    await r.push(request([second]));
    expect((await r.scrape()).text).toBe(before);
    expect(r.settings.dropped).toEqual(new Map([["type_conflict", 1]]));
  });

  test.each([
    ["a summary has no buckets", [summary("x"), plain("x_bucket")]],
    ["a gauge has but itself", [plain("x"), plain("x_count")]],
    ["other endings", [histogram("x"), plain("x_max")]],
  ])("fit: %s", async (_, metrics) => {
    const r = await start();
    await r.push(request(metrics));
    expect(r.settings.dropped.size).toBe(0);
    expect((await r.scrape()).text.match(/^# TYPE/gmu)).toHaveLength(2);
  });

  test("the name is free again when the other family has ended", async () => {
    const r = await start({ metric_expiration: "1m" });
    await r.push(request([histogram("x")]));
    await r.push(request([plain("x_count")]));
    await r.clock.advance(130_000);
    await r.push(request([plain("x_count")]));
    expect(await lines(r)).toEqual(["x_count 7"]);
  });
});

test("another description: the first stays, both are shown, it is said once", async () => {
  const r = await start();
  const described = (description: string, k: string) =>
    request([{ description, ...gauge("x", [value(1, { k })]) }]);
  await r.push(described("first", "a"));
  await r.push(described("second", "b"));
  await r.push(described("second", "b"));
  expect((await r.scrape()).text).toBe('# HELP x first\n# TYPE x gauge\nx{k="a"} 1\nx{k="b"} 1\n');
  expect(said).toEqual(["Instrument description conflict, using existing"]);
});

test("a name whose series ended by marker can get another type after the next sweep", async () => {
  const r = await start({ metric_expiration: "1m" });
  await r.push(request([plain("x")]));
  await r.push(request([gauge("x", [{ timeUnixNano: at(2), flags: 1 }])]));
  await r.push(request([summary("x")]));
  expect(r.settings.dropped).toEqual(new Map([["type_conflict", 1]]));
  await r.clock.advance(61_000);
  await r.push(request([summary("x")]));
  expect(await lines(r)).toEqual(["x_sum 1", "x_count 1"]);
});
