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

const accepted = Object.keys(results).filter((name) => results[name] === "ok");
const refused = Object.keys(results).filter((name) => results[name] !== "ok");

test.each(accepted)("%s is right", async (name) => {
  const { config, problems } = await check(name);
  expect(formatProblems(problems)).toBe("");
  expect(config).toBeDefined();
});

test.each(refused)("%s has the Collector's text", async (name) => {
  const { config, problems } = await check(name);
  const text = results[name]!;
  const introduction = text.startsWith("failed to build pipelines: ")
    ? ""
    : "invalid configuration: ";
  expect(config).toBeUndefined();
  expect(formatProblems(problems).split("\n")[0]).toBe(introduction + text);
});

test("otelcol-invalid-receiver-type.yaml: the unknown type and what is valid", async () => {
  const { problems } = await check("otelcol-invalid-receiver-type.yaml");
  expect(problems.map(({ message }) => message)).toEqual([
    `'receivers' unknown type: "nop_logs" for id: "nop_logs" (valid values: [nop])`,
  ]);
});
