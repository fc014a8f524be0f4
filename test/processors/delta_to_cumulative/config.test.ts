import { expect, test } from "@jest/globals";
import { config, maxSeriesOf } from "../../../processors/delta_to_cumulative/config.ts";
import { decodeConfig } from "../../support/decode-config.ts";

test("an empty configuration forgets after five minutes and is bounded", () => {
  const value = config.parse({});
  expect(value.max_stale).toBe(300_000);
  expect(maxSeriesOf(value)).toBe(500_000);
  expect(maxSeriesOf(config.parse({ max_streams: 0 }))).toBe(500_000);
  expect(maxSeriesOf(config.parse({ max_streams: 7 }))).toBe(7);
});

test.each([
  ["max_stale: 0", "max_stale must be a positive duration (got 0s)"],
  ["max_streams: -1", "max_streams must be a positive number (got -1)"],
  ["storage: file_storage", "the sums are kept in memory only"],
])("%s is refused", (yaml, text) => {
  expect(decodeConfig(config, yaml).problems.join("\n")).toContain(text);
});
