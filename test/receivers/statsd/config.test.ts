import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { resolveEndpoint } from "../../../receivers/statsd/addresses.ts";
import { config, type StatsdConfig } from "../../../receivers/statsd/config.ts";
import { factory } from "../../../receivers/statsd/factory.ts";
import { observations, unmappedTypes } from "../../../receivers/statsd/observers.ts";
import { senderNameOf } from "../../../receivers/statsd/sender.ts";
import { decodeConfig } from "../../support/decode-config.ts";

const problems = (yaml: string) => decodeConfig(factory.config, yaml).problems;
const parsed = (yaml: string) => {
  const decoded = decodeConfig(factory.config, yaml);
  expect(decoded.problems).toEqual([]);
  return decoded.value as StatsdConfig;
};

test("defaults", () => {
  expect(parsed("{}")).toEqual({
    endpoint: "localhost:8125",
    transport: "udp",
    aggregation_interval: 60_000,
    enable_metric_type: false,
    enable_simple_tags: false,
    enable_ip_only_aggregation: false,
    is_monotonic_counter: true,
    counter_type: "int",
    socket_buffer_size: 0,
    max_series: 100_000,
  });
});

test("the Collector's own test configuration", () => {
  // open-telemetry/opentelemetry-collector-contrib, receiver/statsdreceiver/testdata/config.yaml
  const path = "../../testdata/collector/component-config/statsdreceiver/config.yaml";
  const yaml = readFileSync(join(__dirname, path), "utf8");
  expect(decodeConfig(factory.config, yaml, "statsd").problems).toEqual([]);
  const { value, problems: found } = decodeConfig(factory.config, yaml, "statsd/receiver_settings");
  expect(found).toEqual([]);
  const settings = value as StatsdConfig;
  expect([settings.endpoint, settings.transport, settings.aggregation_interval]).toEqual([
    "localhost:12345",
    "udp6",
    70_000,
  ]);
  expect(observations(settings).map(({ observer }) => observer)).toEqual([
    { kind: "counter" },
    { kind: "gauge" },
    { kind: "histogram", shape: { scale: 20, maxSize: 170 }, explicit: [] },
    { kind: "points" },
    { kind: "summary", percentiles: [0, 10, 50, 90, 95, 100] },
    { kind: "set" },
  ]);
});

test("an empty endpoint is the default one, an empty counter_type is int, as in the Collector", async () => {
  const { endpoint, transport } = parsed('{ endpoint: "", counter_type: "" }');
  expect(await resolveEndpoint(endpoint, transport)).toMatchObject({
    port: 8125,
    addresses: [{ host: "127.0.0.1" }, { host: "::1" }],
  });
});

describe("mistakes, in the Collector's words", () => {
  test.each([
    ["transport: foo", 'unsupported transport type "foo"'],
    ["aggregation_interval: 0s", "aggregation_interval must be a positive duration"],
    ["counter_type: abc", "invalid counter_type: abc, must be one of: int, float, stochastic_int"],
  ])("%s", (yaml, text) => {
    expect(problems(yaml).join()).toContain(text);
  });

  const missing = "must specify object id for all TimerHistogramMappings";
  test.each([
    ["{ statsd_type: timer }", missing],
    ["{ observer_type: gauge }", missing],
    [
      "{ statsd_type: counter, observer_type: gauge }",
      "statsd_type is not a supported mapping for histogram and timing metrics: counter",
    ],
    [
      "{ statsd_type: timer, observer_type: disabled }",
      "observer_type is not supported for histogram and timing metrics: disabled",
    ],
    [
      "{ statsd_type: timer, observer_type: histogram, histogram: { max_size: 1 } }",
      "histogram max_size out of range: 1",
    ],
    [
      "{ statsd_type: timer, observer_type: histogram, histogram: { max_size: 20000 } }",
      "histogram max_size out of range: 20000",
    ],
    [
      "{ statsd_type: timer, observer_type: summary, histogram: { max_size: 10 } }",
      "histogram configuration requires observer_type: histogram",
    ],
    [
      "{ statsd_type: timer, observer_type: gauge, summary: { percentiles: [20] } }",
      "summary configuration requires observer_type: summary",
    ],
    [
      "{ statsd_type: timer, observer_type: summary, summary: { percentiles: [200] } }",
      "summary percentiles out of [0, 100] range: 200",
    ],
    [
      "{ statsd_type: timer, observer_type: histogram, histogram: { explicit_buckets: [{ buckets: [1] }] } }",
      "explicit bucket [0] matcher_pattern must not be empty",
    ],
    [
      '{ statsd_type: timer, observer_type: histogram, histogram: { explicit_buckets: [{ matcher_pattern: "(", buckets: [1] }] } }',
      "explicit bucket [0] matcher_pattern is not a valid regular expression: error parsing regexp: missing closing ): `(`",
    ],
    [
      "{ statsd_type: timer, observer_type: histogram, histogram: { explicit_buckets: [{ matcher_pattern: a, buckets: [] }] } }",
      "explicit bucket [0] buckets must not be empty",
    ],
    [
      "{ statsd_type: timer, observer_type: histogram, histogram: { explicit_buckets: [{ matcher_pattern: a, buckets: [2, 1] }] } }",
      "explicit bucket [0] buckets are not unique or not ascendingly sorted [2 1]",
    ],
  ])("timer_histogram_mapping: [%s]", (mapping, text) => {
    expect(problems(`timer_histogram_mapping: [${mapping}]`).join()).toContain(text);
  });

  test.each(["unixgram", "unix"])(
    "transport %s is refused with the reason and a way out",
    (transport) => {
      expect(problems(`transport: ${transport}`).join()).toContain(
        `transport ${transport} is not supported: Node.js has no unix datagram sockets; send over udp`,
      );
    },
  );

  test("socket_permissions is accepted and said to have no effect", () => {
    const { problems: found, notices } = decodeConfig(factory.config, "socket_permissions: 0o622");
    expect(found).toEqual([]);
    expect(notices.join()).toContain("it is for transport unixgram only");
  });
});

describe("which types are observed how", () => {
  const kindsOf = (yaml: string) =>
    observations(parsed(yaml)).map(({ observer }) => observer?.kind ?? "dropped");

  test("without a mapping: histograms of scale 5, one series for all three types", () => {
    const all = observations(parsed("{}"));
    expect(all.map(({ group }) => group)).toEqual([0, 1, 2, 2, 2, 5]);
    expect(all[3]!.observer).toEqual({
      kind: "histogram",
      shape: { scale: 5, maxSize: 1280 },
      explicit: [],
    });
  });

  test("a distribution is observed as a histogram unless it is listed", () => {
    const histogram = "{ statsd_type: histogram, observer_type: summary }";
    expect(kindsOf(`timer_histogram_mapping: [${histogram}]`)).toEqual([
      "counter",
      "gauge",
      "dropped",
      "summary",
      "summary",
      "set",
    ]);
    const distribution = "{ statsd_type: distribution, observer_type: gauge }";
    expect(kindsOf(`timer_histogram_mapping: [${histogram}, ${distribution}]`)).toEqual([
      "counter",
      "gauge",
      "dropped",
      "summary",
      "points",
      "set",
    ]);
  });

  test("types that a written mapping leaves out", () => {
    const yaml = "timer_histogram_mapping: [{ statsd_type: timer, observer_type: gauge }]";
    expect(unmappedTypes(parsed(yaml))).toEqual(["histogram", "distribution"]);
    expect(unmappedTypes(parsed("{}"))).toEqual([]);
  });

  test("a histogram without max_size has 160 buckets", () => {
    const yaml = "timer_histogram_mapping: [{ statsd_type: timer, observer_type: histogram }]";
    expect(observations(parsed(yaml))[2]!.observer).toMatchObject({
      shape: { scale: 20, maxSize: 160 },
    });
  });
});

test.each([
  [{}, ["", ""]],
  [{ ignore_host: true, enable_ip_only_aggregation: true }, ["", ""]],
  [{ ignore_host: false }, ["1.2.3.4 5", "1.2.3.4 6"]],
  [{ enable_ip_only_aggregation: true }, ["1.2.3.4", "1.2.3.4"]],
  [{ ignore_host: false, enable_ip_only_aggregation: true }, ["1.2.3.4", "1.2.3.4"]],
])("senders are told apart by %j", (keys, names) => {
  const name = senderNameOf(config.parse(keys));
  expect([name("1.2.3.4", 5), name("1.2.3.4", 6)]).toEqual(names);
});
