/**
 * Real configurations. Here the components are stubs that take any body, so this is about YAML, references,
 * connectors and service::telemetry; `classifyRealConfigs` takes any registry.
 */
import { describe, expect, test } from "@jest/globals";
import { isCollectorType } from "../../src/config/known-types.ts";
import type { Kind } from "../../src/config/registry-contract.ts";
import { anything, nopRegistry, registryOf, stubFactory } from "../support/nop-registry.ts";
import { classifyRealConfigs, typesNamed } from "../support/real-configs.ts";

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
