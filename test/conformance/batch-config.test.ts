/** The Collector's own batch config (testdata/collector/batch-config) and its validation texts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { config } from "../../processors/batch/config.ts";
import { decodeConfig } from "../support/decode-config.ts";

const folder = join(__dirname, "../testdata/collector/batch-config");

test("config.yaml is read as the Collector reads it", () => {
  const text = readFileSync(join(folder, "config.yaml"), "utf8");
  expect(decodeConfig(config, text)).toEqual({
    value: {
      timeout: 10_000,
      send_batch_size: 10_000,
      send_batch_max_size: 11_000,
      metadata_keys: [],
      metadata_cardinality_limit: 1000,
    },
    problems: [],
    notices: [],
  });
});

test("the defaults are the Collector's", () => {
  expect(decodeConfig(config, "{}").value).toEqual({
    timeout: 200,
    send_batch_size: 8192,
    send_batch_max_size: 0,
    metadata_keys: [],
    metadata_cardinality_limit: 1000,
  });
});

// processor/batchprocessor/config_test.go
test.each([
  ["{send_batch_max_size: 20, send_batch_size: 10}", []],
  ["{send_batch_max_size: 0, send_batch_size: 10}", []],
  [
    "{send_batch_max_size: 10, send_batch_size: 20}",
    ["send_batch_max_size must be greater or equal to send_batch_size"],
  ],
  ["{timeout: -1s}", ["timeout must be greater or equal to 0"]],
  [
    "{metadata_keys: [myTOKEN, mytoken]}",
    ['duplicate entry in metadata_keys: "mytoken" (case-insensitive)'],
  ],
])("%s", (text, problems) => {
  const expected = problems.map((problem) => `exporters::test: ${problem}`);
  expect(decodeConfig(config, text).problems).toEqual(expected);
});
