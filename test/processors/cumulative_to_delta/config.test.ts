import { describe, expect, test } from "@jest/globals";
import { config } from "../../../processors/cumulative_to_delta/config.ts";
import { decodeConfig } from "../../support/decode-config.ts";
import { numberPoint as at, sumOf } from "../../support/temporality.ts";
import { toDelta } from "./support.ts";

const problemsOf = (yaml: string) => decodeConfig(config, yaml).problems.join("\n");

test("an empty configuration converts everything and forgets after an hour", () => {
  expect(decodeConfig(config, "{}").value).toMatchObject({
    include: { metrics: [], metric_types: [] },
    exclude: { metrics: [], metric_types: [] },
    max_staleness: 3_600_000,
    initial_value: "auto",
  });
});

// Ids and texts of the Collector's config_test.go.
test.each([
  [
    "invalid_include_metric_type_filter",
    "include: { metric_types: [gauge] }",
    "found invalid metric type in include.metric_types: gauge. Valid values are [exponentialhistogram histogram sum]",
  ],
  [
    "invalid_exclude_metric_type_filter",
    "exclude: { metric_types: [Invalid] }",
    "found invalid metric type in exclude.metric_types: Invalid. Valid values are [exponentialhistogram histogram sum]",
  ],
  [
    "missing_match_type",
    "include: { metrics: [a] }",
    "match_type must be set if metrics are supplied",
  ],
  [
    "missing_name",
    "exclude: { match_type: strict }",
    "metrics must be supplied if match_type is set",
  ],
  [
    "other match_type",
    "include: { metrics: [a], match_type: glob }",
    "unrecognized match_type: 'glob', valid types are: [regexp strict]",
  ],
  [
    "bad pattern",
    'include: { metrics: ["a["], match_type: regexp }',
    "error parsing regexp: missing closing ]: `[`",
  ],
  ["initial_value", "initial_value: zero", "unknown initial_value: zero"],
  ["limit", "max_series: 0", "max_series"],
])("%s is refused", (_id, yaml, text) => {
  expect(problemsOf(yaml)).toContain(text);
});

test("options of match_type regexp are accepted without effect", () => {
  const yaml =
    "include: { metrics: [a], match_type: regexp, regexp: { cacheenabled: true, cachemaxnumentries: 5 } }";
  const { problems, notices } = decodeConfig(config, yaml);
  expect(problems).toEqual([]);
  expect(notices).toHaveLength(2);
});

describe("which metrics", () => {
  const sum = (name: string) => sumOf(2, [at([1, 10], 1n)], { name });
  const histogram = (name: string) => ({
    name,
    histogram: { aggregationTemporality: 2, dataPoints: [{ timeUnixNano: "1", count: "1" }] },
  });

  test.each([
    [{ include: { metrics: ["a"], match_type: "strict" } }, ["a", "a"]],
    [{ include: { metrics: ["^a", "c$"], match_type: "regexp" } }, ["a", "abc", "a", "abc"]],
    [{ include: { metric_types: ["Sum"] } }, ["a", "abc", "b"]],
    [{ exclude: { metric_types: ["sum"] } }, ["a", "abc", "b"]],
    [{ exclude: { metrics: ["b"], match_type: "regexp" } }, ["a", "a"]],
    // By name and by type: each of them excludes.
    [{ exclude: { metrics: ["a"], match_type: "strict", metric_types: ["sum"] } }, ["abc", "b"]],
    [{ include: { metrics: ["a"], match_type: "strict", metric_types: ["histogram"] } }, ["a"]],
  ])("%j", async (body, converted) => {
    const tested = toDelta({ ...body, initial_value: "keep" });
    const names = ["a", "abc", "b"];
    const metrics = await tested.run([...names.map(sum), ...names.map(histogram)]);
    const deltas = metrics.filter((metric) => JSON.stringify(metric).includes('Temporality":1'));
    expect(deltas.map(({ name }) => name)).toEqual(converted);
    expect(metrics).toHaveLength(6);
  });
});
