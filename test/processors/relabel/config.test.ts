import { describe, expect, test } from "@jest/globals";
import { config } from "../../../processors/relabel/config.ts";
import { errorText, load, plain } from "../../src/config/support.ts";
import { decodeConfig } from "../../support/decode-config.ts";

const problems = (yaml: string) => decodeConfig(config, yaml).problems.join("\n");
const rule = (text: string) => `relabel_configs: [${text}]`;

describe("what cannot be", () => {
  test.each([
    ["{ action: sort }", 'unknown relabel action "sort"'],
    ["{ action: hashmod, target_label: a }", "hashmod requires non-zero modulus"],
    ["{ action: keepequal }", "for keepequal action requires 'target_label' value"],
    ["{ source_labels: [a] }", "for replace action requires 'target_label' value"],
    ["{ action: uppercase, target_label: a, replacement: b }", "'replacement' can not be set"],
    ['{ action: labelmap, replacement: "" }', "\"\" is invalid 'replacement' for labelmap action"],
    [
      "{ action: dropequal, source_labels: [a], target_label: b, regex: c }",
      "dropequal action requires only 'source_labels' and `target_label`, and no other fields",
    ],
    [
      "{ action: labeldrop, regex: a, source_labels: [b] }",
      "labeldrop action requires only 'regex', and no other fields",
    ],
    ["{ action: keep, regex: '(' }", "error parsing regexp: missing closing )"],
    ["{ action: keep, regex: '(?<=a)b' }", "error parsing regexp: invalid"],
    ["{ action: keep, source_labels: [''] }", '"" is not a valid label name'],
    // Prometheus reads the regex before it looks at the rule.
    ["{ action: hashmod, regex: '(' }", "error parsing regexp: missing closing )"],
    ['{ action: "a\u2028" }', String.raw`unknown relabel action "a\u2028"`],
  ])("%s", (text, message) => {
    expect(problems(rule(text))).toContain(message);
  });

  test("no rule at all", () => {
    expect(problems("relabel_configs: []")).toContain("requires at least one relabel config");
  });
});

test("actions may be written in capitals", () => {
  const { value, problems: found } = decodeConfig(
    config,
    rule('{ action: Keep, source_labels: [code], regex: "200" }'),
  );
  expect(found).toEqual([]);
  expect(value).toMatchObject({ relabel_configs: [{ action: "keep", regex: "200" }] });
});

describe("dollar signs", () => {
  const yaml = (replacement: string) => `
processors:
  relabel:
    relabel_configs:
      - { source_labels: [a], target_label: b, replacement: '${replacement}' }
`;

  test("$1 stands as it is, and $${1} becomes ${1}", () => {
    for (const [written, seen] of [
      ["$1", "$1"],
      ["$${1}", "${1}"],
    ]) {
      const loaded = load(yaml(written!));
      expect(errorText(loaded)).toBe("");
      expect(JSON.stringify(plain(loaded))).toContain(seen);
    }
  });

  test("${1} is an error that says what to write", () => {
    const text = errorText(load(yaml("x-${1}")));
    expect(text).toContain('environment variable "1" has invalid name');
    expect(text).toContain("write $${1} for a group of a regex");
  });
});
