import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { costOf, Prices, pricesOf, standardPrices } from "../../../../src/instrument/llm/cost.ts";
import { instrumentLlm } from "../../../../src/instrument/llm/instrument-llm.ts";
import { listPrices } from "../../../../src/instrument/llm/prices.ts";
import type { LlmOptions } from "../../../../src/instrument/llm/types.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { named } from "../../../support/fake-llm-readings.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => setRuntime(undefined));

const prices = listPrices.usdPerMillion;

describe("the list", () => {
  test("has the date of its making", () =>
    expect(listPrices.version).toMatch(/^\d{4}-\d\d-\d\d$/u));

  test.each(Object.entries(prices))("%s is plausible", (_, price) => {
    expect(price.input).toBeGreaterThan(0);
    expect(price.output === 0 || price.output >= price.input).toBe(true);
    expect(price.cacheRead ?? 0).toBeLessThan(price.input);
    expect(price.cacheWrite ?? price.input).toBeGreaterThanOrEqual(price.input);
    expect(price.cacheWriteLong ?? Infinity).toBeGreaterThan(price.cacheWrite ?? 0);
  });
});

describe("a snapshot is priced as its family", () => {
  test.each([
    ["gpt-4o-2024-08-06", "gpt-4o"],
    ["gpt-4o-mini-2024-07-18", "gpt-4o-mini"],
    ["claude-sonnet-4-5-20250929", "claude-sonnet-4-5"],
    ["claude-sonnet-4-20250514", "claude-sonnet-4"],
    ["claude-sonnet-4-5@20250929", "claude-sonnet-4-5"],
    ["claude-3-5-haiku-latest", "claude-3-5-haiku"],
    ["gpt-4-0613", "gpt-4"],
    ["gpt-6.2-sol", "gpt-6.2-sol"],
  ])("%s as %s", (model, family) => {
    expect(standardPrices.of(model)).toBe(prices[family]);
  });

  test("one that has a price of its own keeps it", () => {
    expect(standardPrices.of("gpt-4o-2024-05-13")).toMatchObject({ input: 5 });
    expect(standardPrices.of("gpt-3.5-turbo-0613")).toMatchObject({ input: 1.5 });
  });

  test.each([
    "gpt-4o-audio-preview-2024-12-17",
    "gpt-4o-custom",
    "gpt-4o2024-08-06",
    "ft:gpt-4o-2024-08-06:org::id",
    "claude-opus-4-9",
    "toString",
    "__proto__",
    "",
  ])("%s has no price", (model) => expect(standardPrices.of(model)).toBeUndefined());
});

describe("the cost", () => {
  const price = { input: 2, output: 10, cacheRead: 0.2, cacheWrite: 2.5, cacheWriteLong: 4 };

  test("each part at its price", () => {
    const usage = { input: 100, output: 7, cacheRead: 30, cacheWrite: 20, cacheWriteLong: 5 };
    const expected = (50 * 2 + 30 * 0.2 + 15 * 2.5 + 5 * 4 + 7 * 10) / 1e6;
    expect(costOf(price, usage)).toBeCloseTo(expected, 15);
  });

  test("a cache without prices of its own costs as input", () => {
    const usage = { input: 10, output: 0, cacheRead: 4, cacheWrite: 3 };
    expect(costOf({ input: 2, output: 10 }, usage)).toBeCloseTo(20 / 1e6, 15);
  });

  test("a long context makes all of the request dearer", () => {
    const long = { ...price, longContext: { above: 1000, inputFactor: 2, outputFactor: 1.5 } };
    expect(costOf(long, { input: 1000, output: 10 })).toBeCloseTo((2000 + 100) / 1e6, 15);
    expect(costOf(long, { input: 1001, output: 10 })).toBeCloseTo((4004 + 150) / 1e6, 15);
  });

  test("models with a context of a million tokens are dearer from 272,000 on", () => {
    const usage = { input: 300_000, output: 10_000 };
    expect(costOf(prices["gpt-5.5"]!, usage)).toBeCloseTo(0.3 * 10 + 0.01 * 45, 12);
    expect(costOf(prices["gpt-6-sol"]!, usage)).toBeCloseTo(0.3 * 4 + 0.01 * 15, 12);
    expect(costOf(prices["gpt-5-mini"]!, usage)).toBeCloseTo(0.3 * 0.25 + 0.01 * 2, 12);
  });

  test("is never below zero and grows with what is used", () => {
    const tokens = fc.nat(1_000_000);
    const usage = fc.record({
      input: tokens,
      output: tokens,
      cacheRead: tokens,
      cacheWrite: tokens,
    });
    fc.assert(
      fc.property(usage, fc.nat(1000), (used, more) => {
        const cost = costOf(price, used);
        expect(cost).toBeGreaterThanOrEqual(0);
        expect(costOf(price, { ...used, output: used.output + more })).toBeGreaterThanOrEqual(cost);
      }),
    );
  });
});

describe("an application's own table", () => {
  const table = {
    version: "mine",
    usdPerMillion: { "gpt-4o": { input: 1, output: 2 }, mine: { input: 3, output: 4 } },
  };

  test("replaces model by model; the others keep the list's", () => {
    const own = pricesOf(table, bench.problems)!;
    expect(own.of("gpt-4o-2024-08-06")).toEqual({ input: 1, output: 2 });
    expect(own.of("mine")).toEqual({ input: 3, output: 4 });
    expect(own.of("o3")).toBe(prices["o3"]);
    // What the answer names, then what was asked for; one's own prices before the list's.
    expect(own.of("o3", "gpt-4o")).toEqual({ input: 1, output: 2 });
    expect(own.of("o3", "a-deployment")).toBe(prices["o3"]);
  });

  test("what is wrong in it is told and left out", () => {
    const wrong = {
      version: "x",
      usdPerMillion: { "gpt-4o": { input: -1, output: 2 }, ok: { input: 1, output: 1 } },
    };
    const own = pricesOf(wrong, bench.problems)!;
    expect(own.of("gpt-4o")).toBe(prices["gpt-4o"]);
    expect(own.of("ok")).toBeDefined();
    expect(bench.codes).toEqual(["invalid_option"]);
    expect(pricesOf({ usdPerMillion: null }, bench.problems)).toBeInstanceOf(Prices);
  });

  const ask = async (options: LlmOptions) => {
    const usage = { prompt_tokens: 1_000_000, completion_tokens: 1_000_000 };
    const create = async () => ({ model: "gpt-4o", usage });
    await instrumentLlm({ responses: { create } }, options).responses.create();
    const points = bench.collect();
    return [named(points, "repomind.llm.cost"), named(points, "repomind.llm.unpriced")].map((all) =>
      all.map((p) => p.value),
    );
  };

  test("counts", async () => expect(await ask({ prices: table })).toEqual([[3], []]));
  test("false: nothing is priced, nor counted as unpriced", async () =>
    expect(await ask({ prices: false })).toEqual([[], []]));
});
