/** Component bodies of the Collector's own tests (testdata/collector/component-config) against our schemas. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { decode } from "../../src/config/decode.ts";
import type { Kind } from "../../src/config/registry-contract.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { registry } from "../../src/registry.ts";
import { knownFailures, updateKnownFailures } from "../support/known-failures.ts";

const root = join(__dirname, "../testdata/collector/component-config");

/** Which component a folder is about; its files hold `type[/name]: body`. */
const components: Readonly<Record<string, readonly [Kind, string]>> = {
  attributesprocessor: ["processor", "attributes"],
  basicauthextension: ["extension", "basic_auth"],
  bearertokenauthextension: ["extension", "bearer_token_auth"],
  fileexporter: ["exporter", "file"],
  filter: ["processor", "filter"],
  healthcheckextension: ["extension", "health_check"],
  hostmetricsreceiver: ["receiver", "host_metrics"],
  kafkaexporter: ["exporter", "kafka"],
  loadbalancing: ["exporter", "load_balancing"],
  metricstransform: ["processor", "metrics_transform"],
  probabilisticsamplerprocessor: ["processor", "probabilistic_sampler"],
  prometheusexporter: ["exporter", "prometheus"],
  resourceprocessor: ["processor", "resource"],
  statsdreceiver: ["receiver", "statsd"],
  zipkinexporter: ["exporter", "zipkin"],
  zipkinreceiver: ["receiver", "zipkin"],
};

/** Bodies that the Collector's tests expect to be refused: `folder/file id`, by pattern. */
const invalid: readonly RegExp[] = [
  // Refused when the processor is created, which is part of a check here.
  /^attributesprocessor\S* attributes\/regex_insert$/u,
  /^resourceprocessor\S* resource\/empty$/u,
  /^basicauthextension\S* basicauth(\/both)?$/u,
  /^bearertokenauthextension\S* bearertokenauth(\/tokensandtoken)?$/u,
  /^fileexporter\S* (file|file\/(format_error|compression_error|flush_interval_negative_value|group_by_invalid_path2?|group_by_empty_resource_attribute))$/u,
  /^healthcheckextension\S* health_check\/(missingendpoint|invalidthreshold|invalidpath)$/u,
  /^metricstransform\/config_invalid/u,
  /^prometheusexporter\S* prometheus$/u,
];

const isThere = ([kind, type]: readonly [Kind, string]) =>
  registry.types(kind).some((row) => row.type === type);

const here = Object.keys(components).filter((folder) => isThere(components[folder]!));

test("every folder of the cases has its component, or stands in known-failures.md", () => {
  expect(readdirSync(root).toSorted()).toEqual(Object.keys(components));
  const missing = Object.entries(components)
    .filter(([folder]) => !here.includes(folder))
    .map(([folder, [kind, type]]) => [folder, `${kind}:${type}`] as const);
  updateKnownFailures("component-config", new Map(missing));
  expect(Object.fromEntries(missing)).toEqual(
    Object.fromEntries(knownFailures("component-config")),
  );
});

const bodies = here.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith(".yaml"))
    .flatMap((file) => bodiesOf(folder, file)),
);

function bodiesOf(folder: string, file: string) {
  const path = join(root, folder, file);
  expect(existsSync(path)).toBe(true);
  const { node } = parseYaml(readFileSync(path, "utf8"), file);
  if (node?.kind !== "map") throw new Error(`${path} is no map`);
  return Array.from(node.entries, ([id, { value, keyAt }]) => ({
    name: `${folder}/${file} ${id}`,
    component: components[folder]!,
    id,
    value,
    keyAt,
  }));
}

test.each(bodies.map((body) => [body.name, body] as const))("%s", async (name, body) => {
  const [kind, type] = body.component;
  const factory = (await registry.find(kind, type))!;
  const { issues } = decode(factory.config, body.value, [`${kind}s`, body.id], body.keyAt);
  const messages = issues.map(({ message }) => message);
  if (invalid.some((pattern) => pattern.test(name))) expect(messages).not.toEqual([]);
  else expect(messages).toEqual([]);
});
