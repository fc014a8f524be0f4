/** The Collector's own memory_limiter configs (internal/memorylimiter/testdata, config_test.go) and their texts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { config } from "../../processors/memory_limiter/config.ts";
import { decodeConfig } from "../support/decode-config.ts";

const folder = join(__dirname, "../testdata/collector/memory-limiter-config");
const read = (name: string) => decodeConfig(config, readFileSync(join(folder, name), "utf8"));

test("config.yaml is read as the Collector reads it", () => {
  const { value, problems } = read("config.yaml");
  expect(problems).toEqual([]);
  expect(value).toMatchObject({ check_interval: 5000, limit_mib: 4000, spike_limit_mib: 500 });
});

test("negative_unsigned_limits_config.yaml is refused for both keys", () => {
  const { problems } = read("negative_unsigned_limits_config.yaml");
  const all = problems.join("\n");
  expect(all).toContain("'limit_mib' cannot parse value as 'uint32': -2000 overflows uint");
  expect(all).toContain("'spike_limit_mib' cannot parse value as 'uint32': -2300 overflows uint");
});

test("the defaults are the Collector's", () => {
  expect(decodeConfig(config, "{check_interval: 1s, limit_mib: 1}").value).toMatchObject({
    spike_limit_mib: 0,
    limit_percentage: 0,
    spike_limit_percentage: 0,
    min_gc_interval_when_soft_limited: 10_000,
    min_gc_interval_when_hard_limited: 0,
    max_gc_interval_when_soft_limited: 30_000,
    max_gc_interval_when_hard_limited: 30_000,
  });
});

const limits = "limit_mib: 5722, spike_limit_mib: 1907";
const min = "min_gc_interval_when";
const max = "max_gc_interval_when";

// The Collector stops at the first mistake; here every one is reported, so its text is the first.
test.each([
  [`check_interval: 100ms, ${limits}`, undefined],
  ["check_interval: 0s", "'check_interval' must be greater than zero"],
  [limits, "'check_interval' must be greater than zero"],
  ["check_interval: 1s", "'limit_mib' or 'limit_percentage' must be greater than zero"],
  [
    "check_interval: 1s, limit_mib: 10, spike_limit_mib: 10",
    "'spike_limit_mib' must be smaller than 'limit_mib'",
  ],
  [
    "check_interval: 1s, limit_percentage: 101",
    "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less than or equal to hundred",
  ],
  [
    "check_interval: 1s, limit_percentage: 50, spike_limit_percentage: 60",
    "'spike_limit_percentage' must be smaller than 'limit_percentage'",
  ],
  [
    `check_interval: 100ms, ${min}_soft_limited: 50ms, ${min}_hard_limited: 100ms, ${limits}`,
    "'min_gc_interval_when_soft_limited' should be larger than 'min_gc_interval_when_hard_limited'",
  ],
  [
    `check_interval: 100ms, ${max}_soft_limited: -1s, ${limits}`,
    "'max_gc_interval_when_soft_limited' must be non-negative",
  ],
  [
    `check_interval: 100ms, ${max}_hard_limited: -1s, ${limits}`,
    "'max_gc_interval_when_hard_limited' must be non-negative",
  ],
  [
    `check_interval: 100ms, ${min}_soft_limited: 10s, ${max}_soft_limited: 5s, ${max}_hard_limited: 5s, ${limits}`,
    "'max_gc_interval_when_soft_limited' must be greater than or equal to 'min_gc_interval_when_soft_limited' (or 0 to disable)",
  ],
  [
    `check_interval: 100ms, ${min}_hard_limited: 20s, ${min}_soft_limited: 20s, ${max}_hard_limited: 5s, ${limits}`,
    "'max_gc_interval_when_hard_limited' must be greater than or equal to 'min_gc_interval_when_hard_limited' (or 0 to disable)",
  ],
  [
    `check_interval: 100ms, ${max}_soft_limited: 10s, ${max}_hard_limited: 30s, ${limits}`,
    "'max_gc_interval_when_soft_limited' should be larger than or equal to 'max_gc_interval_when_hard_limited' (when both are set)",
  ],
  [`check_interval: 100ms, ${max}_soft_limited: 0s, ${max}_hard_limited: 0s, ${limits}`, undefined],
  [`check_interval: 100ms, ${max}_hard_limited: 0s, ${limits}`, undefined],
])("{%s}", (text, expected) => {
  const { problems } = decodeConfig(config, `{${text}}`);
  if (expected === undefined) expect(problems).toEqual([]);
  else expect(problems).toContain(`exporters::test: ${expected}`);
});
