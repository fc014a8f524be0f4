/**
 * Cases of the Collector's metricstransform processor, and its own invalid configs.
 * testdata/collector/metricstransform, component-config/metricstransform:
 * open-telemetry/opentelemetry-collector-contrib@0796f50 (v0.124), cases-0.165.json: v0.165.0, Apache-2.0
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config, fields } from "../../processors/metrics_transform/config.ts";
import { MetricsTransform } from "../../processors/metrics_transform/metrics-transform.ts";
import { decodeConfig } from "../support/decode-config.ts";
import { metricsOf, metricsRequest, payloadOf } from "../support/otlp-objects.ts";
import { testSettings } from "../support/settings.ts";

const testdata = join(__dirname, "..", "testdata", "collector");

interface Case {
  readonly name: string;
  readonly config: unknown;
  readonly input: unknown;
  readonly expected: unknown;
}
const casesOf = (file: string) =>
  (
    JSON.parse(readFileSync(join(testdata, "metricstransform", file), "utf8")) as {
      cases: Case[];
    }
  ).cases;

/** Without zero values, numbers rounded, points in an order of their own: what the cases compare. */
function normal(value: unknown): unknown {
  if (typeof value === "number") return Number(value.toPrecision(12));
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .map(([key, inner]) => [key, key === "dataPoints" ? sorted(inner as unknown[]) : normal(inner)])
    .filter(([, inner]) => !isZero(inner));
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a! < b! ? -1 : 1))) as unknown;
}
const sorted = (points: unknown[]) =>
  points
    .map(normal)
    .map((point) => JSON.stringify(point))
    .toSorted();
const isZero = (value: unknown) => value === 0 || (Array.isArray(value) && value.length === 0);

/** Zero values of the cases that OTLP/JSON leaves out. */
const withoutZeros = (json: string) =>
  json.replaceAll(/"(?:startTimeUnixNano|timeUnixNano)":\s*"0",?/gu, "");

describe.each(["cases-a.json", "cases-0.165.json"])("%s", (file) => {
  test.each(casesOf(file).map((entry) => [entry.name, entry] as const))("%s", (_name, entry) => {
    // The cases go past the checks of the config, as in their origin.
    const { transforms } = fields.parse(entry.config);
    const processor = new MetricsTransform(transforms, testSettings());
    const input = payloadOf("metrics", metricsRequest(entry.input));
    const result = processor.process(input);
    const expected = JSON.parse(withoutZeros(JSON.stringify(entry.expected))) as unknown[];
    const names = (metric: unknown) => (metric as { name: string }).name;
    const byName = (a: unknown, b: unknown) => (names(a) < names(b) ? -1 : 1);
    expect((normal(metricsOf(result)) as unknown[]).toSorted(byName)).toEqual(
      (normal(expected) as unknown[]).toSorted(byName),
    );
    expect(result?.itemCount ?? 0).toBe(countPoints(metricsOf(result)));
  });
});

const countPoints = (metrics: readonly unknown[]) => metrics.flatMap(pointsOf).length;

function pointsOf(metric: unknown): unknown[] {
  return Object.values(metric as Record<string, { dataPoints?: unknown[] }>).flatMap(
    (data) => data.dataPoints ?? [],
  );
}

describe("configs", () => {
  const folder = join(testdata, "component-config", "metricstransform");
  const texts: Record<string, string> = {
    config_invalid_action: `"action" must be in ["insert" "update" "combine" "group"]`,
    config_invalid_aggregationtype: `"aggregation_type" must be in ["sum" "mean" "min" "max" "median" "count"]`,
    config_invalid_group: `missing required field "group_resource_labels" while "action" is group`,
    config_invalid_include: `missing required field "include"`,
    config_invalid_include_and_metricname: "metric_name",
    config_invalid_label: `operation 1: missing required field "label" while "action" is update_label`,
    config_invalid_matchtype: `"match_type" must be in ["strict" "regexp"]`,
    config_invalid_newname: `missing required field "new_name" while "action" is insert`,
    config_invalid_operation_action: `operation 1: "action" must be in ["add_label" "update_label" "delete_label_value" "toggle_scalar_data_type" "experimental_scale_value" "aggregate_labels" "aggregate_label_values"]`,
    config_invalid_operation_aggregationtype: `operation 1: "aggregation_type" must be in ["sum" "mean" "min" "max" "median" "count"]`,
    config_invalid_regexp: `"include", error parsing regexp: missing closing ]: \`[\\da\``,
    config_invalid_scale: `operation 1: missing required field "experimental_scale" while "action" is experimental_scale_value`,
    config_invalid_submatchcase: `"submatch_case" must be in ["lower" "upper"]`,
  };
  const files = readdirSync(folder).filter((name) => name.startsWith("config_invalid"));

  test.each(files)("%s is refused with the Collector's text", (file) => {
    const yaml = readFileSync(join(folder, file), "utf8");
    const { problems } = decodeConfig(config, yaml, "metricstransform");
    expect(problems.join("\n")).toContain(texts[file.replace(".yaml", "")]);
  });

  test.each(["metricstransform", "metricstransform/multiple"])("config_full: %s loads", (key) => {
    const yaml = readFileSync(join(folder, "config_full.yaml"), "utf8");
    expect(decodeConfig(config, yaml, key).problems).toEqual([]);
  });
});
