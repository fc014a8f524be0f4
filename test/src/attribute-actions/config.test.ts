import { describe, expect, test } from "@jest/globals";
import {
  type ActionConfig,
  actionFields,
  actionProblem,
} from "../../../src/attribute-actions/config.ts";

const problemOf = (action: Partial<ActionConfig>) => actionProblem(actionFields.parse(action), 3);
const without = "error creating AttrProc";
const prefix = `error with key "a" (3-th action): ${without}`;

describe("what is wrong with an action, in the Collector's words", () => {
  test.each<[Partial<ActionConfig>, string]>([
    [
      { action: "insert", value: 1 },
      `${without} due to missing required field "key" at the 3-th action`,
    ],
    [
      { action: "delete" },
      `${without} due to missing required field (at least one of "key" and "pattern" have to be used) at the 3-th action`,
    ],
    [{ action: "Invent", key: "a" }, `${prefix} due to unsupported action "invent"`],
    [
      { action: "upsert", key: "a" },
      `${prefix}. Either field "value", "from_attribute", "from_context", or "default_value" must be specified`,
    ],
    [
      { action: "update", key: "a", value: 1, from_attribute: "b" },
      `${prefix} due to multiple value sources being set`,
    ],
    [
      { action: "INSERT", key: "a", value: 1, pattern: "b" },
      `${prefix}. Action "insert" does not use the "pattern" field. This must not be specified`,
    ],
    [
      { action: "insert", key: "a", value: 1, converted_type: "int" },
      `${prefix}. Action "insert" does not use the "converted_type" field. This must not be specified`,
    ],
    [
      { action: "hash", key: "a", value: false },
      `${prefix}. Action "hash" does not use "value" or "from_attribute" field. These must not be specified`,
    ],
    [
      { action: "delete", key: "a", converted_type: "int" },
      `${prefix}. Action "delete" does not use the "converted_type" field. This must not be specified`,
    ],
    [
      { action: "delete", pattern: "(" },
      `error with key "" (3-th action): ${without}. Field "pattern" has invalid pattern: "("`,
    ],
    [
      { action: "extract", key: "a", from_context: "b" },
      `${prefix}. Action "extract" does not use a value source field. These must not be specified`,
    ],
    [
      { action: "extract", key: "a" },
      `${prefix} due to missing required field "pattern" for action "extract"`,
    ],
    [
      { action: "extract", key: "a", pattern: "abc" },
      `${prefix}. Field "pattern" contains no named matcher groups`,
    ],
    [
      { action: "extract", key: "a", pattern: "(?P<b>b)(c)" },
      `${prefix}. Field "pattern" contains at least one unnamed matcher group`,
    ],
    [
      { action: "convert", key: "a", pattern: "b", converted_type: "int" },
      `${prefix}. Action "convert" does not use value sources or "pattern" field. These must not be specified`,
    ],
    [
      { action: "convert", key: "a" },
      `${prefix} due to missing required field "converted_type" for action "convert"`,
    ],
    [
      { action: "convert", key: "a", converted_type: "bool" },
      `${prefix} due to invalid value "bool" in field "converted_type" for action "convert"`,
    ],
  ])("%p", (action, message) => {
    expect(problemOf(action)?.startsWith(message)).toBe(true);
  });

  test.each<[Partial<ActionConfig>]>([
    [{ action: "insert", key: "a", value: false }],
    [{ action: "Upsert", key: "a", from_context: "metadata.x" }],
    [{ action: "update", key: "a", default_value: false }],
    [{ action: "insert", key: "a", value: 1, default_value: 2 }],
    [{ action: "delete", pattern: "^a" }],
    [{ action: "hash", key: "a", pattern: "^a" }],
    [{ action: "extract", key: "a", pattern: "(?P<b>.*)" }],
    [{ action: "convert", key: "a", converted_type: "double" }],
  ])("%p is right", (action) => {
    expect(problemOf(action)).toBeUndefined();
  });

  test("a regular expression that would not fit is a clear error", () => {
    const problem = problemOf({ action: "delete", pattern: "(a{1000}){1000}".repeat(1000) });
    expect(problem).toContain("expression too large");
    expect(problem!.length).toBeLessThan(1000);
  });
});
