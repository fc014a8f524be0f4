/** Prometheus' own cases of model/relabel, on label sets and through whole payloads. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config, rule } from "../../processors/relabel/config.ts";
import { Relabeler } from "../../processors/relabel/relabeler.ts";
import { applyRules, compileRules, type LabelMap } from "../../processors/relabel/rules.ts";
import { gauge, metricsOf, metricsPayload, pointsOf } from "../support/metrics-json.ts";
import { testSettings } from "../support/settings.ts";

const load = <T>(name: string) =>
  (
    JSON.parse(
      readFileSync(join(__dirname, "../testdata/promql/relabel", `${name}.json`), "utf8"),
    ) as { cases: T[] }
  ).cases;

type Labels = Record<string, string>;

interface RelabelCase {
  input: Labels;
  relabel_configs: object[];
  drop: boolean;
  output: Labels | null;
}

const name = (c: RelabelCase) => JSON.stringify([c.input, c.relabel_configs]);
const cases = load<RelabelCase>("relabel").map((c) => [name(c), c] as const);

describe("relabel", () => {
  test.each(cases)("label set: %s", (_, c) => {
    const rules = compileRules(c.relabel_configs.map((text) => rule.parse(text)));
    const labels: LabelMap = new Map(Object.entries(c.input));
    const isKept = applyRules(rules, labels);
    expect(isKept).toBe(!c.drop);
    if (isKept) expect(Object.fromEntries(labels)).toEqual(c.output);
  });

  // labelkeep without __name__ takes the metric's name away: see processors/relabel.
  const withName = cases.filter(([text]) => !text.includes("labelkeep"));
  test.each(withName)("payload: %s", (_, c) => {
    const { relabel_configs: configs } = config.parse({ relabel_configs: c.relabel_configs });
    const { __name__: metric = "m", ...labels } = c.input;
    const payload = metricsPayload(metricsOf({}, gauge(metric, labels)));
    const points = pointsOf(new Relabeler(configs, testSettings()).relabel(payload));
    if (c.output === null) return expect(points).toEqual([]);
    const { __name__: renamed = "m", ...expected } = c.output;
    expect(points).toHaveLength(1);
    expect(points[0]!.metric).toBe(renamed);
    const pairs = points[0]!.point.split(",").toSorted();
    // Values with commas: compare as texts.
    const wanted = Object.entries(expected).map(([key, value]) => `${key}=${value}`);
    expect(pairs).toEqual(wanted.join(",").split(",").toSorted());
  });

  interface ValidateCase {
    config: { name_validation_scheme: string; action?: string };
    error_contains: string;
  }
  test.each(load<ValidateCase>("validate"))("validates $config", (c) => {
    const { name_validation_scheme: _, ...fields } = c.config;
    // Upstream's Go value has no defaults: an absent action is an empty one.
    const { error } = rule.safeParse({ action: "", ...fields });
    if (c.error_contains === "") expect(error).toBeUndefined();
    else expect(error?.issues[0]?.message).toContain(c.error_contains);
  });

  interface TargetCase {
    target_label: string;
    valid_legacy: boolean;
  }
  test("names are UTF-8: every target of the legacy cases is valid", () => {
    const targets = load<TargetCase>("target_label_legacy");
    expect(targets).toHaveLength(11);
    for (const { target_label } of targets)
      expect(rule.safeParse({ target_label }).success).toBe(true);
  });
});
