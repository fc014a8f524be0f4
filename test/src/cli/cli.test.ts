/** The command line itself: verbs, flags, help. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { cli, folderWith, smallConfig } from "./support.ts";

const { version } = JSON.parse(readFileSync(join(__dirname, "../../../package.json"), "utf8")) as {
  version: string;
};

test.each([[["--help"]], [["-h"]], [["help"]], [["validate", "--help"]]])(
  "%j prints the help",
  async (args) => {
    const { code, stdout, stderr } = await cli(args);
    expect([code, stderr]).toEqual([0, ""]);
    for (const word of ["run", "validate", "components", "print-config", "schema", "init"])
      expect(stdout).toMatch(new RegExp(`^  ${word} `, "mu"));
    for (const flag of ["--config", "--set", "--feature-gates", "--memory-budget", "--version"])
      expect(stdout).toContain(flag);
  },
);

test.each([[["--version"]], [["-v"]], [["version"]], [["run", "--version"]]])(
  "%j prints the version",
  async (args) => {
    const { code, stdout } = await cli(args);
    expect([code, stdout]).toEqual([0, `repomind-telemetry version ${version}\n`]);
  },
);

test.each([
  [["validat"], `unknown verb "validat"; did you mean validate?`],
  [["toString"], `unknown verb "toString" (valid verbs: run, validate`],
  [["--confg", "x"], "unknown flag --confg; did you mean --config?"],
  [["-x"], "unknown flag -x"],
  [["components", "--format", "json"], "--format is a flag of other verbs"],
  [["validate", "my.yaml"], `unexpected argument "my.yaml"; did you mean --config my.yaml?`],
  [["init", "a", "b"], `unexpected argument "b"`],
  [["validate", "--config"], "'--config <value>' argument missing"],
  [["validate", "--config="], "--config must not be empty"],
  [["--memory-budget", "5"], `--memory-budget must be a size of at least 1MiB`],
  [["--memory-budget", "2XB"], `such as 512MiB, not "2XB"`],
  [["--shutdown-timeout", "5"], `--shutdown-timeout must be a duration such as 25s, not "5"`],
  [["--shutdown-timeout", "-5s"], `must be a duration such as 25s, not "-5s"`],
  [["print-config", "--mode", "all"], `--mode must be one of redacted, unredacted, not "all"`],
  [["print-config", "--format", "xml"], `--format must be one of yaml, json, not "xml"`],
  [["validate", "--feature-gates", "no.such"], `no such feature gate "no.such"`],
])("%j is a mistake that says what to do", async (args, text) => {
  const { code, stdout, stderr } = await cli(args, { cwd: folderWith() });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain(`Error: `);
  expect(stderr).toContain(text);
  expect(stderr).toMatch(/See repomind-telemetry --help\.\n$/u);
});

test("without a configuration the error says how to get one", async () => {
  const { code, stderr } = await cli(["validate"], { cwd: folderWith() });
  expect(code).toBe(1);
  expect(stderr).toContain("there is no pipelines.yaml here");
  expect(stderr).toContain("repomind-telemetry init");
});

test("pipelines.yaml is the default configuration", async () => {
  const cwd = folderWith({ "pipelines.yaml": smallConfig });
  expect(await cli(["validate"], { cwd })).toEqual({ code: 0, stdout: "", stderr: "" });
});
