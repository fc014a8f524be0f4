import { describe, expect, test } from "@jest/globals";
import { factory } from "../../../processors/metrics_transform/factory.ts";
import { decodeConfig } from "../../support/decode-config.ts";

const problemsOf = (transform: string) =>
  decodeConfig(factory.config, `transforms: [${transform}]`).problems.join("\n");

// What the Collector's own invalid files cover stands in test/conformance/metricstransform.test.ts.
describe("config", () => {
  test.each([
    [
      "{include: a, action: combine}",
      `missing required field "new_name" while "action" is combine`,
    ],
    [
      "{include: a, action: update, operations: [{action: add_label, new_label: l}]}",
      `operation 1: missing required field "new_value" while "action" is add_label`,
    ],
    [
      "{include: a, action: update, operations: [{action: add_label, new_value: l}]}",
      `operation 1: missing required field "new_label" while "action" is add_label`,
    ],
    [
      "{include: a, match_type: regexp, action: update, experimental_match_labels: {b: '['}}",
      "error parsing regexp: missing closing ]: `[`",
    ],
    [
      "{include: a, action: update, operations: [{action: add_label, new_label: l, new_value: 'v{{version}}'}]}",
      `operation 1: "new_value": {{version}} is not replaced here, write the version`,
    ],
    ["{include: a, metric_name: b, action: update}", "it was replaced by `include`"],
  ])("%s", (transform, message) => {
    expect(problemsOf(transform)).toContain(message);
  });

  test("a regular expression bomb is refused quickly and shortly", () => {
    const problems = problemsOf(
      `{include: '${"(a{1000})".repeat(2000)}', match_type: regexp, action: update}`,
    );
    expect(problems).toContain("expression too large");
    expect(problems.length).toBeLessThan(1000);
  });

  test("the old type name is an alias", () => {
    expect(factory.aliases).toEqual(["metricstransform"]);
  });
});
