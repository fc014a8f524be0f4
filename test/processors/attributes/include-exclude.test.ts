import { describe, expect, test } from "@jest/globals";
import { factory } from "../../../processors/attributes/factory.ts";
import type { Context, Signal } from "../../../src/component.ts";
import { decodeConfig } from "../../support/decode-config.ts";
import { objectOf, payloadOf } from "../../support/otlp-objects.ts";
import { testSettings } from "../../support/settings.ts";

const context: Context = { receivedMs: 0 };
const attributes = (entries: Record<string, unknown>) =>
  Object.entries(entries).map(([key, value]) => ({
    key,
    value:
      typeof value === "string"
        ? { stringValue: value }
        : typeof value === "boolean"
          ? { boolValue: value }
          : { intValue: String(value) },
  }));

/** What stands around and in one item, as OTLP/JSON. */
interface Item {
  readonly resource?: Record<string, unknown>;
  readonly scope?: { name?: string; version?: string };
  readonly item?: Record<string, unknown>;
  readonly attributes?: Record<string, unknown>;
}

function requestOf(signal: Signal, { resource, scope, item, attributes: own = {} }: Item) {
  const around = resource && { resource: { attributes: attributes(resource) } };
  const inner = { ...item, attributes: attributes(own) };
  if (signal === "traces")
    return { resourceSpans: [{ ...around, scopeSpans: [{ scope, spans: [inner] }] }] };
  if (signal === "logs")
    return { resourceLogs: [{ ...around, scopeLogs: [{ scope, logRecords: [inner] }] }] };
  const metric = {
    name: "metric",
    ...item,
    gauge: { dataPoints: [{ attributes: attributes(own), asInt: "1" }] },
  };
  return { resourceMetrics: [{ ...around, scopeMetrics: [{ scope, metrics: [metric] }] }] };
}

/** Whether the processor with these sections changes the item. */
function changes(signal: Signal, sections: object, item: Item): boolean {
  const body = { ...sections, actions: [{ key: "marked", value: true, action: "upsert" }] };
  const settings = testSettings();
  const instance = factory.create({ config: factory.config.parse(body), signal, settings });
  if (!("transform" in instance)) throw new Error("not a transform");
  const payload = payloadOf(signal, requestOf(signal, item));
  const results = [1, 2].map(() => instance.transform(payload, context));
  const marked = results.map((result) => JSON.stringify(objectOf(result)).includes("marked"));
  expect(marked[0]).toBe(marked[1]);
  if (!marked[0]) expect(results[0]).toBe(payload);
  return marked[0]!;
}

interface MatchCase {
  readonly signals: readonly Signal[];
  readonly match: object;
  readonly yes: Item[];
  readonly no: Item[];
}
const strict = (rest: object) => ({ match_type: "strict", ...rest });
const regexp = (rest: object) => ({ match_type: "regexp", ...rest });
const all: Signal[] = ["traces", "logs", "metrics"];

const cases: Record<string, MatchCase> = {
  services: {
    signals: ["traces", "metrics"],
    match: strict({ services: ["a", "b"] }),
    yes: [{ resource: { "service.name": "b" } }],
    no: [{ resource: { "service.name": "bb" } }, {}],
  },
  "services, the name of none": {
    signals: ["traces"],
    match: regexp({ services: ["^<nil"] }),
    yes: [{}, { resource: { other: "x" } }],
    no: [{ resource: { "service.name": "b" } }],
  },
  "services, regexp is not anchored": {
    signals: ["traces", "metrics"],
    match: regexp({ services: ["auth.*"] }),
    yes: [{ resource: { "service.name": "my-auth-1" } }],
    no: [{ resource: { "service.name": "login" } }],
  },
  resources: {
    signals: all,
    match: strict({ resources: [{ key: "host.type", value: "n1" }, { key: "zone" }] }),
    yes: [{ resource: { "host.type": "n1", zone: 3 } }],
    no: [{ resource: { "host.type": "n1" } }, { resource: { "host.type": "n2", zone: 3 } }, {}],
  },
  libraries: {
    signals: all,
    match: strict({ libraries: [{ name: "lib", version: "1" }, { name: "other" }] }),
    yes: [{ scope: { name: "lib", version: "1" } }, { scope: { name: "other", version: "9" } }],
    no: [{ scope: { name: "lib", version: "2" } }, { scope: { name: "lib" } }, {}],
  },
  "libraries, an empty version": {
    signals: all,
    match: strict({ libraries: [{ name: "lib", version: "" }] }),
    yes: [{ scope: { name: "lib" } }],
    no: [{ scope: { name: "lib", version: "2" } }],
  },
  attributes: {
    signals: all,
    match: strict({ attributes: [{ key: "code", value: 200 }, { key: "here" }] }),
    yes: [{ attributes: { code: 200, here: "x" } }],
    no: [{ attributes: { code: "200", here: "x" } }, { attributes: { code: 200 } }, {}],
  },
  "attributes, booleans": {
    signals: ["traces"],
    match: strict({ attributes: [{ key: "redact", value: false }] }),
    yes: [{ attributes: { redact: false } }],
    no: [{ attributes: { redact: "false" } }, { attributes: { redact: true } }],
  },
  "attributes, regexp also of numbers": {
    signals: all,
    match: regexp({ attributes: [{ key: "code", value: "^[45]\\d\\d$" }] }),
    yes: [{ attributes: { code: 404 } }, { attributes: { code: "500" } }],
    no: [{ attributes: { code: 200 } }, {}],
  },
  span_names: {
    signals: ["traces"],
    match: regexp({ span_names: ["^login"] }),
    yes: [{ item: { name: "login/1" } }],
    no: [{ item: { name: "a login" } }, {}],
  },
  span_kinds: {
    signals: ["traces"],
    match: strict({ span_kinds: ["SPAN_KIND_SERVER"] }),
    yes: [{ item: { kind: 2 } }],
    no: [{ item: { kind: 3 } }, {}],
  },
  log_bodies: {
    signals: ["logs"],
    match: regexp({ log_bodies: ["AUTH.*"] }),
    yes: [
      { item: { body: { stringValue: "x AUTH y" } } },
      { item: { body: { kvlistValue: { values: attributes({ a: "AUTH" }) } } } },
    ],
    no: [{ item: { body: { stringValue: "auth" } } }, {}],
  },
  log_severity_texts: {
    signals: ["logs"],
    match: strict({ log_severity_texts: ["DEBUG"] }),
    yes: [{ item: { severityText: "DEBUG" } }],
    no: [{ item: { severityText: "INFO" } }, {}],
  },
  log_severity_number: {
    signals: ["logs"],
    match: strict({ log_severity_number: { min: 9 } }),
    yes: [{ item: { severityNumber: 9 } }, { item: { severityNumber: 13 } }],
    no: [{ item: { severityNumber: 8 } }, {}],
  },
  "log_severity_number, undefined ones": {
    signals: ["logs"],
    match: strict({ log_severity_number: { min: 9, match_undefined: true } }),
    yes: [{}, { item: { severityNumber: 9 } }],
    no: [{ item: { severityNumber: 8 } }],
  },
  metric_names: {
    signals: ["metrics"],
    match: strict({ metric_names: ["cpu", "memory"] }),
    yes: [{ item: { name: "memory" } }],
    no: [{ item: { name: "disk" } }],
  },
};

const rows = Object.entries(cases).flatMap(([name, entry]) =>
  entry.signals.map((signal) => [name, signal, entry] as const),
);

describe.each(rows)("%s, %s", (_name, signal, { match, yes, no }) => {
  test("include processes what has the property", () => {
    expect(yes.map((item) => changes(signal, { include: match }, item))).toEqual(
      yes.map(() => true),
    );
    expect(no.map((item) => changes(signal, { include: match }, item))).toEqual(
      no.map(() => false),
    );
  });

  test("exclude processes the rest", () => {
    expect(yes.map((item) => changes(signal, { exclude: match }, item))).toEqual(
      yes.map(() => false),
    );
    expect(no.map((item) => changes(signal, { exclude: match }, item))).toEqual(no.map(() => true));
  });
});

test("include first, then exclude; all properties of a section must match", () => {
  const sections = {
    include: strict({ services: ["a"], span_names: ["s"] }),
    exclude: strict({ attributes: [{ key: "redact", value: true }] }),
  };
  const item = (service: string, name: string, redact: boolean): Item => ({
    resource: { "service.name": service },
    item: { name },
    attributes: { redact },
  });
  expect(changes("traces", sections, item("a", "s", false))).toBe(true);
  expect(changes("traces", sections, item("a", "s", true))).toBe(false);
  expect(changes("traces", sections, item("a", "t", false))).toBe(false);
  expect(changes("traces", sections, item("b", "s", false))).toBe(false);
});

test("exclude by attributes counts only where its other properties match", () => {
  const exclude = strict({ span_names: ["s"], attributes: [{ key: "a" }] });
  const marks = (name: string) =>
    changes("traces", { exclude }, { item: { name }, attributes: { a: 1 } });
  expect([marks("s"), marks("t")]).toEqual([false, true]);
});

describe("sections that are wrong for the signal", () => {
  const create = (signal: Signal, include: object) => {
    const body = { include, actions: [{ key: "a", action: "delete" }] };
    factory.create({ config: factory.config.parse(body), signal, settings: testSettings() });
  };

  test.each<[Signal, object, string]>([
    ["traces", strict({ log_bodies: ["a"] }), "log_bodies should not be specified for trace spans"],
    [
      "traces",
      strict({ log_severity_texts: ["a"], services: ["b"] }),
      "log_severity_texts should not be specified for trace spans",
    ],
    [
      "traces",
      strict({ log_severity_number: {} }),
      "log_severity_number should not be specified for trace spans",
    ],
    [
      "traces",
      strict({ metric_names: ["a"], services: ["b"] }),
      "metric_names should not be specified for trace spans",
    ],
    [
      "traces",
      strict({}),
      `at least one of "attributes", "libraries",  or "resources" field must be specified`,
    ],
    [
      "traces",
      strict({ span_kinds: ["server"] }),
      "span_kinds string must match one of the standard span kinds when match_type=strict: [SPAN_KIND_CLIENT SPAN_KIND_CONSUMER SPAN_KIND_INTERNAL SPAN_KIND_PRODUCER SPAN_KIND_SERVER]",
    ],
    [
      "logs",
      strict({ services: ["a"] }),
      "services, span_names, span_kinds and metric_names are not valid for log records",
    ],
    [
      "logs",
      strict({ metric_names: ["a"], log_bodies: ["b"] }),
      "services, span_names, span_kinds and metric_names are not valid for log records",
    ],
    [
      "logs",
      strict({}),
      `at least one of "attributes", "libraries", "span_kinds", "resources", "log_bodies", "log_severity_texts" or "log_severity_number" field must be specified`,
    ],
    ...[
      { span_names: ["a"] },
      { span_kinds: ["a"] },
      { log_bodies: ["a"] },
      { log_severity_texts: ["a"] },
      { log_severity_number: {} },
    ].map((properties): [Signal, object, string] => [
      "metrics",
      strict({ metric_names: ["m"], ...properties }),
      `"span_names", "span_kinds", "log_bodies", "log_severity_texts" and "log_severity_number" are not valid for metrics`,
    ]),
    [
      "metrics",
      strict({}),
      `at least one of "metric_names" or "resources" field must be specified`,
    ],
  ])("%s %p", (signal, include, message) => {
    expect(() => create(signal, include)).toThrow(message);
  });
});

describe("sections that are wrong for every signal", () => {
  test.each<[object, string]>([
    [
      { services: ["a"] },
      "error creating service name filters: unrecognized match_type: '', valid types are: [regexp strict]",
    ],
    [
      { match_type: "glob", span_names: ["a"] },
      "error creating span name filters: unrecognized match_type: 'glob', valid types are: [regexp strict]",
    ],
    [
      regexp({ log_bodies: ["("] }),
      "error creating log record body filters: error parsing regexp: missing closing ): `(`",
    ],
    [
      strict({ attributes: [{ key: "" }] }),
      "error creating attribute filters: can't have empty key in the list of attributes",
    ],
    [
      regexp({ attributes: [{ key: "a", value: 1 }] }),
      `error creating attribute filters: match_type=regexp for "a" only supports Str, but found Int`,
    ],
    [
      { resources: [{ key: "a", value: "b" }] },
      "error creating resource filters: unrecognized match_type: ''",
    ],
    [
      regexp({ libraries: [{ name: "[" }] }),
      "error creating library name filters: error parsing regexp: missing closing ]: `[`",
    ],
  ])("%p", (include, message) => {
    const parsed = factory.config.safeParse({ include, actions: [{ key: "a", action: "delete" }] });
    expect(parsed.error?.issues.map((issue) => issue.message).join()).toContain(message);
  });
});

test("the options of match_type regexp are accepted without effect, and that is said", () => {
  const yaml = `
include: { match_type: regexp, services: [a], regexp: { cacheenabled: true, cachemaxnumentries: 9 } }
actions: [{ key: a, action: delete }]`;
  const { problems, notices } = decodeConfig(factory.config, yaml);
  expect(problems).toEqual([]);
  expect(notices).toHaveLength(2);
});
