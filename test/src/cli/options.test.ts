/** What flags become. */
import { describe, expect, test } from "@jest/globals";
import { type Flag, parseOptions, UsageError } from "../../../src/cli/options.ts";

const flags: Flag[] = [
  "config",
  "set",
  "feature-gates",
  "memory-budget",
  "shutdown-timeout",
  "mode",
  "format",
  "validate",
  "force",
];
const parse = (...args: string[]) => parseOptions(args, { flags, positionals: 1 });

test("defaults", () => {
  expect(parse()).toEqual({
    configs: [],
    sets: [],
    featureGates: [],
    memoryBudgetBytes: undefined,
    shutdownTimeoutMs: 25_000,
    mode: "redacted",
    format: "yaml",
    validate: false,
    force: false,
    help: false,
    version: false,
    positionals: [],
  });
});

test("repeatable flags keep their order, with and without an equals sign", () => {
  const options = parse("--config", "a", "--set", "x=1", "--config=b", "--set=y=2");
  expect(options.configs).toEqual(["a", "b"]);
  expect(options.sets).toEqual(["x=1", "y=2"]);
});

test("feature gates are lists and repeatable", () => {
  const options = parse("--feature-gates", "a, -b", "--feature-gates=+c,");
  expect(options.featureGates).toEqual(["a", "-b", "+c"]);
});

describe("sizes", () => {
  test.each([
    ["1048576", 2 ** 20],
    ["512MiB", 512 * 2 ** 20],
    ["1.5GiB", 1.5 * 2 ** 30],
    ["2048 KiB", 2 ** 21],
    ["100MB", 1e8],
    ["2GB", 2e9],
    ["2000KB", 2e6],
  ])("%s", (text, bytes) => {
    expect(parse("--memory-budget", text).memoryBudgetBytes).toBe(bytes);
  });
});

test("durations", () => {
  expect(parse("--shutdown-timeout", "1m30s").shutdownTimeoutMs).toBe(90_000);
  expect(parse("--shutdown-timeout", "0").shutdownTimeoutMs).toBe(0);
});

test("a flag that a verb does not take is refused", () => {
  const accepts = { flags: ["config"] as const };
  expect(() => parseOptions(["--force"], accepts)).toThrow(UsageError);
  expect(parseOptions(["--config", "a", "--help"], accepts)).toMatchObject({ help: true });
});
