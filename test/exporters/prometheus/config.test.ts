import { describe, expect, test } from "@jest/globals";
import { config, strategyOf } from "../../../exporters/prometheus/config.ts";

const endpoint = "127.0.0.1:9464";
const problems = (keys: object) => {
  const result = config.safeParse(keys);
  return (result.error?.issues ?? []).map(({ path, message }) => `${path.join("::")}: ${message}`);
};

describe("mistakes", () => {
  test.each([
    [{}, "endpoint: expecting a non-blank address to run the Prometheus metrics handler"],
    [
      { endpoint, metric_expiration: "-1s" },
      "metric_expiration: metric_expiration must not be negative",
    ],
    [
      { endpoint, translation_strategy: "Whatever" },
      "translation_strategy: invalid translation_strategy: Whatever",
    ],
    [
      { endpoint, resource_constant_labels: { excluded: ["a"] } },
      "resource_constant_labels::excluded: has no effect without `included`",
    ],
  ])("%j", (keys, expected) => {
    expect(problems(keys)).toEqual([expected]);
  });

  test.each(["", "__name__"])("a constant label called %j", (name) => {
    expect(problems({ endpoint, const_labels: { [name]: "x" } })).toEqual([
      `const_labels::${name}: ${JSON.stringify(name)} is not a valid label name`,
    ]);
  });

  test("an endpoint without a port", () => {
    expect(problems({ endpoint: "localhost" })).toHaveLength(1);
  });
});

test("defaults are the Collector's", () => {
  expect(config.parse({ endpoint })).toMatchObject({
    namespace: "",
    const_labels: {},
    send_timestamps: false,
    metric_expiration: 300_000,
    resource_to_telemetry_conversion: { enabled: false, exclude_service_attributes: false },
    resource_constant_labels: { included: [], excluded: [] },
    enable_open_metrics: false,
    add_metric_suffixes: true,
    translation_strategy: "",
    without_scope_info: false,
  });
});

test.each([
  [{}, "UnderscoreEscapingWithSuffixes"],
  [{ add_metric_suffixes: false }, "UnderscoreEscapingWithoutSuffixes"],
  [{ add_metric_suffixes: false, translation_strategy: "NoTranslation" }, "NoTranslation"],
])("strategy of %j", (keys, strategy) => {
  expect(strategyOf(config.parse({ endpoint, ...keys }))).toBe(strategy);
});

test("sending_queue is accepted, whatever it says", () => {
  expect(problems({ endpoint, sending_queue: { enabled: true, queue_size: 5 } })).toEqual([]);
});
