/**
 * Real configurations, first with stubs that take any body, so this is about YAML, references, connectors and
 * service::telemetry; then with the components of this version and their schemas.
 */
import { describe, expect, test } from "@jest/globals";
import { isCollectorType } from "../../src/config/known-types.ts";
import type { Kind } from "../../src/config/registry-contract.ts";
import { registry } from "../../src/registry.ts";
import { knownFailures, updateKnownFailures } from "../support/known-failures.ts";
import { anything, nopRegistry, registryOf, stubFactory } from "../support/nop-registry.ts";
import { type Classified, classifyRealConfigs, typesNamed } from "../support/real-configs.ts";

const stubs = (types: readonly string[]) =>
  registryOf(
    types.map((text) => {
      const [kind, type] = text.split(":") as [Kind, string];
      return stubFactory(kind, { type, config: anything });
    }),
  );

/** What is wrong with pieces that are meant to be merged with others, and with the deliberately invalid. */
const fragment =
  /references \w+ ".*" which is not configured|must have at least one (receiver|exporter)|no (receiver|exporter) configuration specified/u;

/** Configurations with mistakes that no merging mends, and the first of them. */
const invalid: Record<string, string> = {
  "docker-otel-lgtm-otelcol-config-7330ce.yaml": `'pipelines' pipeline "profiles": profiling signal support is at alpha level, not in this version`,
  "telemetry-shippers-values-ebpf-profiler-dbdb43.yaml": `'pipelines' pipeline "profiles": profiling signal support is at alpha level, not in this version`,
  "splunk-otel-collector-vault_config-fb75de.yaml": `scheme "vault" is not supported for uri "vault:data.k0"`,
  "sumologic-otel-collector-config-file-exporter-invalid-85213e.yaml": `'' has invalid keys: exporterss`,
  "opentelemetry-collector-configs-config-cf279e.yaml": `'' expected a map, got 'slice'`,
};

/** Vendors' own components, and one that the Collector never had. */
const vendorTypes = [
  "exporter:jaeger_storage_exporter",
  "processor:dynamic_sampler",
  "receiver:prometheus_exec",
  "receiver:smartagent",
  "receiver:varnish",
];

describe.each([
  ["covered", 103, 57],
  ["other", 47, 38],
] as const)("%s", (folder, count, loading) => {
  test(`${loading} of ${count} load, the others are fragments or known to be invalid`, async () => {
    const classified = await classifyRealConfigs(folder, stubs(typesNamed(folder)));
    expect(classified).toHaveLength(count);
    const failing = classified.filter(({ outcome }) => outcome !== "loads");
    expect(classified.length - failing.length).toBe(loading);
    for (const { file, errors } of failing) {
      const real = errors.filter(({ message }) => !fragment.test(message));
      expect([file, real[0]?.message]).toEqual([file, invalid[file]]);
    }
  });

  test("every component type is known, so what is missing is told from typing errors", () => {
    const unknown = typesNamed(folder).filter((text) => {
      const [kind, type] = text.split(":") as [Kind, string];
      return !isCollectorType(kind, type);
    });
    expect(unknown).toEqual(folder === "covered" ? [] : vendorTypes);
  });
});

test("what a registry lacks is listed", async () => {
  const classified = await classifyRealConfigs("covered", nopRegistry);
  const lgtm = classified.find(({ file }) =>
    file.startsWith("opentelemetry-helm-charts-collector-0f"),
  );
  expect(lgtm!.outcome).toBe("needs");
  expect(lgtm!.needs).toContain("receiver:otlp");
});

describe("with the components of this version", () => {
  /** Bodies that the Collector refuses too, by what is wrong with them. */
  const refused: Record<string, RegExp> = {
    // The templates' placeholders.
    "dynatrace-otel-collector-configmap-8ddbab.yaml": /^'endpoint' expected type 'string'/u,
    "splunk-otel-collector-chart-autopilot_test_values.yaml-1780fe.yaml":
      /^'endpoint' expected type 'string'/u,
    "splunk-otel-collector-set_properties_config-97a07c.yaml":
      /^'protocols' expected a map or struct, got "string"/u,
    // Removed from the Collector since.
    "newrelic-opentelemetry-examples-collector-d199d1.yaml":
      /logging exporter has been deprecated/u,
    "splunk-otel-collector-custom_collector_config_deprecated-455e96.yaml":
      /logging exporter has been deprecated/u,
    "splunk-otel-collector-no_metric_relabel_configs_set-678b0a.yaml": /ballast_size_mib/u,
    "splunk-otel-collector-no_scrape_configs-cdb71b.yaml": /ballast_size_mib/u,
    "splunk-otel-collector-old_v2_metric_relabel_configs_present_input-f3c046.yaml":
      /ballast_size_mib/u,
    // A word to be changed by the reader: refused here, where the Collector would fail with each export.
    "splunk-otel-collector-otel-collector-config-7d7b4f.yaml":
      /metrics_endpoint must be a valid URL/u,
  };

  const notSupported = / is not supported: /u;

  /** What of this version is missing: components, and keys that are refused until their feature exists. */
  const needsOf = ({ needs, errors }: Classified) => [
    ...needs,
    ...errors
      .filter(({ message }) => notSupported.test(message))
      .map(({ path: [section, , ...keys] }) => `${section} ${keys.join(".")}`),
  ];

  test("every covered configuration loads, or stands in known-failures.md with what is missing", async () => {
    const failing = new Map<string, string>();
    for (const one of await classifyRealConfigs("covered", registry)) {
      const needs = needsOf(one);
      if (needs.length > 0) failing.set(one.file, needs.toSorted().join(", "));
      const wrong = one.errors
        .map(({ message }) => message)
        .filter((message) => !fragment.test(message) && !notSupported.test(message));
      const text = invalid[one.file];
      if (text !== undefined) expect([one.file, wrong[0]]).toEqual([one.file, text]);
      else if (refused[one.file] === undefined) expect([one.file, wrong]).toEqual([one.file, []]);
      else
        expect([one.file, wrong[0]]).toEqual([one.file, expect.stringMatching(refused[one.file]!)]);
    }
    updateKnownFailures("real-configs", failing);
    expect(Object.fromEntries(failing)).toEqual(Object.fromEntries(knownFailures("real-configs")));
  });
});
