/** The Collector's own service configs and their exact error texts (testdata/collector/config-core). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { loadConfig, readConfigFile } from "../../src/config/load.ts";
import { formatProblems } from "../../src/config/problems.ts";
import { resolveConfig } from "../../src/config/service-config.ts";
import { nopRegistry } from "../support/nop-registry.ts";

const folder = join(__dirname, "../testdata/collector/config-core");
const { results } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
  results: Record<string, string>;
};

const introduced = (text: string) =>
  text.startsWith("failed to build pipelines: ") ? text : `invalid configuration: ${text}`;

const check = async (name: string) => {
  const loaded = loadConfig({
    configs: [join(folder, name)],
    sets: [],
    env: {},
    readFile: readConfigFile,
  });
  expect(loaded.errors).toEqual([]);
  return await resolveConfig(loaded.root, nopRegistry);
};

test.each(Object.entries(results))("%s: %s", async (name, expected) => {
  const { config, problems } = await check(name);
  if (expected === "ok") {
    expect(formatProblems(problems)).toBe("");
    expect(config).toBeDefined();
    return;
  }
  expect(config).toBeUndefined();
  expect(formatProblems(problems).split("\n")[0]).toBe(introduced(expected));
});

test("otelcol-invalid-receiver-type.yaml: the unknown type and what is valid", async () => {
  const { problems } = await check("otelcol-invalid-receiver-type.yaml");
  expect(problems.map(({ message }) => message)).toEqual([
    `'receivers' unknown type: "nop_logs" for id: "nop_logs" (valid values: [nop])`,
  ]);
});
