import { describe, expect, test } from "@jest/globals";
import { estimateText, markdownOf, merged } from "../../../bench/overhead/section.ts";
import { controlledVerdict, isControlGood, verdictOf } from "../../../bench/overhead/verdict.ts";

const estimate = (low: number, high: number) => ({ value: (low + high) / 2, low, high });
const full = { isQuick: false };
const quick = { isQuick: true };

describe("the control", () => {
  test.each([
    ["holds 0 and is narrow", -0.4, 0.5, true],
    ["is as wide as may be", -0.25, 0.75, true],
    ["begins at 0", 0, 0.5, true],
    ["is above 0", 0.01, 0.2, false],
    ["is below 0", -1.74, -1.08, false],
    ["is too wide", -0.6, 0.6, false],
  ])("%s: [%d, %d] is good: %s", (_what, low, high, isGood) => {
    expect(isControlGood(estimate(low, high))).toBe(isGood);
  });
});

test("verdicts: by the goal, unless the run was quick", () => {
  expect(verdictOf(full, true)).toBe("met");
  expect(verdictOf(full, false)).toBe("**missed**");
  expect(verdictOf(full, undefined)).toBe("-");
  expect(verdictOf(quick, true)).toBe("no verdict");
});

test("without a good control a figure is void, whether it is within its goal or not", () => {
  const [good, bad] = [estimate(-0.2, 0.2), estimate(0.1, 0.3)];
  expect(controlledVerdict(full, good, true)).toBe("met");
  expect(controlledVerdict(full, good, false)).toBe("**missed**");
  expect(controlledVerdict(full, good, undefined)).toBe("-");
  expect(controlledVerdict(full, bad, true)).toBe("void");
  expect(controlledVerdict(full, bad, undefined)).toBe("void");
  expect(controlledVerdict(quick, bad, true)).toBe("no verdict");
});

test("tables are Markdown", () => {
  const table = {
    title: "Title",
    head: ["what", "µs"],
    rows: [
      ["a", "1"],
      ["b", "2"],
    ],
  };
  expect(markdownOf(table)).toBe("Title\n\n| what | µs |\n| --- | --- |\n| a | 1 |\n| b | 2 |\n");
  const other = { ...table, title: "Other" };
  expect(merged([table, other, { ...table, rows: [["c", "3"]] }])).toEqual([
    { ...table, rows: [...table.rows, ["c", "3"]] },
    other,
  ]);
  expect(estimateText({ value: 0.123, low: -0.05, high: 0.3 }, 1)).toBe("0.1 [-0.1, 0.3]");
});
