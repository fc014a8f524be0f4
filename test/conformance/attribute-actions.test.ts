/**
 * Cases of the Collector's attribute actions, run by the attributes processor on each signal and by the resource
 * processor; and the processors' own configs.
 * testdata/collector/attribute-actions, component-config/{attributesprocessor,resourceprocessor}:
 * open-telemetry/opentelemetry-collector-contrib@0796f50 (v0.124), Apache-2.0
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { factory as attributesFactory } from "../../processors/attributes/factory.ts";
import { factory as resourceFactory } from "../../processors/resource/factory.ts";
import type { Context, Payload, ProcessorFactory, Signal } from "../../src/component.ts";
import { parseYaml } from "../../src/config/yaml.ts";
import { decodeConfig } from "../support/decode-config.ts";
import { objectOf, payloadOf } from "../support/otlp-objects.ts";
import { testSettings } from "../support/settings.ts";

const testdata = join(__dirname, "..", "testdata", "collector");
const context: Context = { receivedMs: 0 };

interface Attribute {
  readonly key: string;
  readonly value: unknown;
}
interface Case {
  readonly name: string;
  readonly actions: unknown[];
  readonly input: Attribute[];
  readonly expected: Attribute[];
}
const { cases } = JSON.parse(
  readFileSync(join(testdata, "attribute-actions", "cases-a.json"), "utf8"),
) as { cases: Case[] };

const byKey = (attributes: readonly Attribute[] = []) =>
  attributes.toSorted((a, b) => (a.key < b.key ? -1 : 1));

/** A request whose only attributes are these; "resource": of the resource. */
const requests: Record<Signal | "resource", (attributes: unknown) => [Signal, unknown]> = {
  traces: (attributes) => [
    "traces",
    { resourceSpans: [{ scopeSpans: [{ spans: [{ name: "a", attributes }] }] }] },
  ],
  logs: (attributes) => [
    "logs",
    { resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityText: "a", attributes }] }] }] },
  ],
  metrics: (attributes) => [
    "metrics",
    {
      resourceMetrics: [
        { scopeMetrics: [{ metrics: [{ name: "a", sum: { dataPoints: [{ attributes }] } }] }] },
      ],
    },
  ],
  resource: (attributes) => [
    "logs",
    {
      resourceLogs: [
        { resource: { attributes }, scopeLogs: [{ logRecords: [{ severityText: "a" }] }] },
      ],
    },
  ],
};

/** The attributes of a request made by one of the above. */
function attributesOf(payload: Payload | undefined): Attribute[] {
  const text = JSON.stringify(objectOf(payload));
  const found = /"attributes":(\[.*?\}\])/u.exec(text)?.[1];
  return found === undefined ? [] : (JSON.parse(found) as Attribute[]);
}

function run(factory: ProcessorFactory, body: unknown, [signal, request]: [Signal, unknown]) {
  const config = factory.config.parse(body) as never;
  const instance = factory.create({ config, signal, settings: testSettings() });
  if (!("transform" in instance)) throw new Error("not a transform");
  return instance.transform(payloadOf(signal, request), context);
}

describe.each(["traces", "logs", "metrics", "resource"] as const)("%s", (place) => {
  test.each(cases.map((entry) => [entry.name, entry] as const))("%s", (_name, entry) => {
    const result =
      place === "resource"
        ? run(resourceFactory, { attributes: entry.actions }, requests[place](entry.input))
        : run(attributesFactory, { actions: entry.actions }, requests[place](entry.input));
    expect(byKey(attributesOf(result))).toEqual(byKey(entry.expected));
  });
});

describe("configs", () => {
  const fileOf = (folder: string) =>
    readFileSync(join(testdata, "component-config", folder, "config.yaml"), "utf8");
  const keysOf = (yaml: string) => {
    const { node } = parseYaml(yaml, "config.yaml");
    return node?.kind === "map" ? [...node.entries.keys()] : [];
  };
  const attributesYaml = fileOf("attributesprocessor");

  /** Refused by the Collector, too, when it makes the processor; its test only reads the config. */
  const refusedKeys: Record<string, string> = {
    "attributes/regex_insert": `error creating AttrProc. Field "pattern" contains at least one unnamed matcher group`,
  };

  test.each(keysOf(attributesYaml))("%s loads", (key) => {
    const { problems } = decodeConfig(attributesFactory.config, attributesYaml, key);
    const refusal = refusedKeys[key];
    expect(problems).toEqual(refusal === undefined ? [] : [expect.stringContaining(refusal)]);
  });

  test("resource: one loads, the empty one is refused", () => {
    const yaml = fileOf("resourceprocessor");
    expect(decodeConfig(resourceFactory.config, yaml, "resource").problems).toEqual([]);
    expect(decodeConfig(resourceFactory.config, yaml, "resource/empty").problems.join()).toContain(
      `missing required field "attributes"`,
    );
  });
});
