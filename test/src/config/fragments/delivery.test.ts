/** Texts and defaults of the Collector (exporterhelper/internal/queuebatch/config_test.go, configretry, v0.159). */
import { describe, expect, test } from "@jest/globals";
import { section } from "../../../../src/config/fields.ts";
import {
  batchSizerOf,
  type DeliveryConfig,
  deliveryKeys,
} from "../../../../src/config/fragments/delivery.ts";
import { decodeConfig } from "../../../support/decode-config.ts";

const schema = section(deliveryKeys("5s"));
const problemsOf = (yaml: string) => decodeConfig(schema, yaml).problems.join("\n");
const queueOf = (yaml: string) => {
  const { value, problems } = decodeConfig(schema, `sending_queue: ${yaml}`);
  expect(problems).toEqual([]);
  return (value as DeliveryConfig).sending_queue;
};

describe("defaults", () => {
  test("of all keys", () => {
    expect(decodeConfig(schema, "{}")).toEqual({
      problems: [],
      notices: [],
      value: {
        timeout: 5000,
        retry_on_failure: {
          enabled: true,
          initial_interval: 5000,
          randomization_factor: 0.5,
          multiplier: 1.5,
          max_interval: 30_000,
          max_elapsed_time: 300_000,
        },
        sending_queue: {
          num_consumers: 10,
          queue_size: 1000,
          sizer: "requests",
          block_on_overflow: false,
          wait_for_result: false,
        },
      },
    });
  });

  test("of batch, which is off unless it is named", () => {
    expect(queueOf("{}")?.batch).toBeUndefined();
    expect(queueOf("{ batch: }")?.batch).toEqual({
      flush_timeout: 200,
      min_size: 8192,
      max_size: 0,
      partition: { metadata_keys: [] },
    });
    expect(queueOf("{ batch: { enabled: false } }")?.batch).toBeUndefined();
  });

  test.each([
    ["{ batch: }", "items"],
    ["{ batch: { min_size: 100 } }", "items"],
    ["{ sizer: items, batch: { min_size: 100 } }", "items"],
    ["{ sizer: bytes, queue_size: 2000, batch: { min_size: 100 } }", "bytes"],
    ["{ sizer: bytes, queue_size: 2000, batch: { min_size: 100, sizer: items } }", "items"],
  ])("%s counts %s", (yaml, sizer) => {
    expect(batchSizerOf(queueOf(yaml)!)).toBe(sizer);
  });

  test("sending_queue.enabled: false is none", () => {
    expect(decodeConfig(schema, "sending_queue: { enabled: false }").value).not.toHaveProperty(
      "sending_queue.num_consumers",
    );
  });
});

describe("mistakes", () => {
  test.each([
    ["{ num_consumers: 0 }", "`num_consumers` must be positive"],
    ["{ queue_size: 0 }", "`queue_size` must be positive"],
    [
      "{ sizer: items, queue_size: 9, batch: { min_size: 10 } }",
      "`min_size` must be less than or equal to `queue_size`",
    ],
    ["{ batch: { flush_timeout: 0 } }", "`flush_timeout` must be positive, found 0"],
    ["{ batch: { flush_timeout: -1ms } }", "`flush_timeout` must be positive, found -1000000"],
    ["{ batch: { min_size: -1 } }", "`min_size` must be non-negative, found -1"],
    ["{ batch: { max_size: -1, min_size: -2 } }", "`max_size` must be non-negative, found -1"],
    [
      "{ batch: { min_size: 2048, max_size: 1024 } }",
      "`max_size` (1024) must be greater or equal to `min_size` (2048)",
    ],
    [
      "{ batch: { partition: { metadata_keys: [Key1, kEy1, key2] } } }",
      'duplicate entry in metadata_keys: "key1" (case-insensitive)',
    ],
    [
      "{ batch: { sizer: requests } }",
      '`batch` supports only `items` or `bytes` sizer, found "requests"',
    ],
    ["{ storage: file_storage }", "this version keeps no queue on disk"],
  ])("sending_queue %s: %s", (yaml, text) => {
    expect(problemsOf(`sending_queue: ${yaml}`)).toContain(text);
  });

  test.each([
    ["{ sizer: bytes, queue_size: 9, batch: { min_size: 10, sizer: items } }"],
    ["{ batch: { min_size: 5000 } }"],
    ["{ batch: { partition: { metadata_keys: [] } } }"],
  ])("sending_queue %s is none", (yaml) => {
    expect(problemsOf(`sending_queue: ${yaml}`)).toBe("");
  });

  test.each([
    ["initial_interval: -1s", "initial_interval value must be greater than or equal to 0"],
    ["max_interval: -1s", "max_interval value must be greater than or equal to 0"],
    ["max_elapsed_time: -1s", "max_elapsed_time value must be greater than or equal to 0"],
    ["multiplier: -1", "multiplier value must be greater than or equal to 0"],
    ["randomization_factor: -5", "randomization_factor value must be greater than or equal to 0"],
    ["randomization_factor: 1.1", "randomization_factor value must be less than or equal to 1"],
    ["max_elapsed_time: 1s", "'max_elapsed_time' must not be less than 'initial_interval'"],
    ["max_elapsed_time: 6s", "'max_elapsed_time' must not be less than 'max_interval'"],
  ])("retry_on_failure %s: %s", (yaml, text) => {
    expect(problemsOf(`retry_on_failure: { ${yaml} }`)).toContain(text);
  });
});
