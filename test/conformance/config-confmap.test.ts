/** Expansion and typing of values from the environment, the Collector's cases (testdata/collector/confmap). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { decode } from "../../src/config/decode.ts";
import { int, section, z } from "../../src/config/fields.ts";
import { loadConfig, readConfigFile } from "../../src/config/load.ts";
import { toPlain } from "../../src/config/tree.ts";

const folder = join(__dirname, "../testdata/collector/confmap");

interface Case {
  env_value: string;
  target: keyof typeof targets;
  expected?: unknown;
  unmarshal_error?: string;
}

const targets = {
  int: section({ field: int() }),
  string: section({ field: z.string() }),
  inline_string: section({ field: z.string() }),
  bool: section({ field: z.boolean() }),
  slice: section({ field: z.array(z.string()) }),
};

const { cases } = JSON.parse(readFileSync(join(folder, "strict-types-a.json"), "utf8")) as {
  cases: Case[];
};

const decodeCase = ({ target }: Case, env: Record<string, string>) => {
  const value =
    target === "inline_string" ? '"inline field with ${env:ENV} expansion"' : "${env:ENV}";
  const loaded = loadConfig({
    configs: [`yaml:field: ${value}`],
    sets: [],
    env,
    readFile: readConfigFile,
  });
  expect(loaded.errors).toEqual([]);
  return decode(targets[target], loaded.root, []);
};

const named = (right: boolean) =>
  cases
    .filter((entry) => (entry.unmarshal_error === undefined) === right)
    .map((entry) => [entry.env_value, entry.target, entry] as const);

describe.each([
  ["direct", (value: string) => ({ ENV: value })],
  ["indirect", (value: string) => ({ ENV: "${env:ENV2}", ENV2: value })],
] as const)("strict types, %s", (_name, envOf) => {
  const env = (text: string) => ({ ENV_VALUE: "testreceiver", ...envOf(text) });

  test.each(named(true))("%s into %s", (text, _target, entry) => {
    const { value, issues } = decodeCase(entry, env(text));
    expect(issues).toEqual([]);
    expect(value).toEqual({ field: entry.expected });
  });

  test.each(named(false))("%s into %s is a mistake", (text, _target, entry) => {
    const { issues } = decodeCase(entry, env(text));
    expect(issues.map(({ message }) => message)).toEqual([
      expect.stringContaining(entry.unmarshal_error!),
    ]);
  });
});

const expandEnv = {
  EXTRA: "some string",
  EXTRA_MAP_VALUE_1: "some map value_1",
  EXTRA_MAP_VALUE_2: "some map value_2",
  EXTRA_LIST_MAP_VALUE_1: "some list map value_1",
  EXTRA_LIST_MAP_VALUE_2: "some list map value_2",
  EXTRA_LIST_VALUE_1: "some list value_1",
  EXTRA_LIST_VALUE_2: "some list value_2",
};

const read = (file: string) =>
  loadConfig({
    configs: [join(folder, file)],
    sets: [],
    env: expandEnv,
    readFile: readConfigFile,
  });

test.each(["expand-with-all-env.yaml", "expand-with-partial-env.yaml", "expand-with-no-env.yaml"])(
  "%s expands to the file without references",
  (name) => {
    const loaded = read(name);
    expect(loaded.errors).toEqual([]);
    expect(loaded.warnings).toEqual([]);
    expect(toPlain(loaded.root)).toEqual(toPlain(read("expand-with-no-env.yaml").root));
    expect(JSON.stringify(toPlain(loaded.root))).toContain("some list map value_2");
  },
);
