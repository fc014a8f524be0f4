import { describe, expect, test } from "@jest/globals";
import { config, percentText } from "../../../processors/percentiles/config.ts";
import { factory } from "../../../processors/percentiles/factory.ts";
import { decodeConfig } from "../../support/decode-config.ts";

test("defaults are the documented ones", () => {
  expect(config.parse({})).toEqual({
    quantiles: [0.5, 0.95, 0.99],
    window: 60_000,
    slide: 0,
    types: ["histogram", "exponential_histogram"],
    include: { match_type: "strict", metric_names: [], attributes: [] },
    exclude: { match_type: "strict", metric_names: [], attributes: [] },
    group_by: null,
    output: "gauge",
    naming: "suffix",
    bounds: false,
    drop_source: false,
    max_series: 10_000,
  });
});

test("metrics only: traces and logs are no signals of it", () => {
  expect(Object.keys(factory.stability)).toEqual(["metrics"]);
});

describe("mistakes", () => {
  const twentyOne = Array.from({ length: 21 }, (_, i) => i / 100).join(", ");
  test.each([
    ["quantiles: [1.5]", "must be at most 1"],
    ["quantiles: [-0.1]", "must be non-negative"],
    ["quantiles: []", "must not be empty"],
    [`quantiles: [${twentyOne}]`, "at most 20"],
    ["quantiles: [0.5, 0.50]", "quantiles must be unique"],
    ["window: 999ms", "window must be at least 1s"],
    ["window: 1500us", "window must be at least 1s"],
    ["window: 1000500us", "window must be whole milliseconds"],
    ["slide: 7s", "slide must divide window"],
    ["slide: -1s", "slide must be whole milliseconds, or 0"],
    ["slide: 500us", "slide must be whole milliseconds, or 0"],
    ["slide: 500ms", "window / slide must be at most 60"],
    ["types: [summary]", "unsupported value"],
    ["types: [gauge, gauge]", "types must be unique"],
    ["group_by: [a, a]", "keys must be unique"],
    ["{ output: summary, bounds: true }", "bounds needs output: gauge"],
    ["max_series: 0", "must be positive"],
    ["include: { match_type: glob }", "unsupported value"],
    ["include: { match_type: regexp, metric_names: ['('] }", "missing closing )"],
    ["exclude: { match_type: regexp, attributes: [{ key: k, value: '[' }] }", "missing closing ]"],
    ["unknown: 1", "unknown"],
  ])("%s", (yaml, problem) => {
    const { problems } = decodeConfig(config, yaml);
    expect(problems.join("\n")).toContain(problem);
  });

  test.each([
    "window: 1s",
    "{ window: 60s, slide: 1s }",
    "{ window: 60s, slide: 60s }",
    "group_by:",
    "group_by: []",
    "exclude: {}",
    "quantiles: [0, 1]",
  ])("%s is none", (yaml) => {
    expect(decodeConfig(config, yaml).problems).toEqual([]);
  });
});

test.each([
  [0.5, "50"],
  [0.999, "99.9"],
  [0.57, "57"],
  [0.07, "7"],
  [0, "0"],
  [1, "100"],
  [0.123456, "12.3456"],
])("%d in percent is %s", (q, expected) => {
  expect(percentText(q)).toBe(expected);
});
