import { describe, expect, test } from "@jest/globals";
import {
  accepted,
  durationWithDefault,
  int,
  optionalSection,
  refused,
  secret,
  section,
  z,
} from "../../../src/config/fields.ts";
import { sendingQueue } from "../../../src/config/fragments/delivery.ts";
import { jsonSchema } from "../../../src/config/json-schema.ts";
import { stubFactory } from "../../support/nop-registry.ts";
import { validates } from "./json-schema-check.ts";

const config = section({
  endpoint: z.string().min(1).describe("Where to."),
  timeout: durationWithDefault("5s").describe("Deadline."),
  level: int().default(3).describe("How much."),
  on: z.boolean().default(true).describe("Whether."),
  mode: z.enum(["a", "b"]).default("a").describe("How."),
  token: secret().optional().describe("Who."),
  names: z.array(z.string()).default([]).describe("Which."),
  headers: z.record(z.string(), z.string()).default({}).describe("With."),
  idle: accepted(z.string(), "no pool").describe("Idle."),
  gone: refused("no hardware").describe("Gone."),
  queue: optionalSection("some", sendingQueue).describe("Waiting."),
});
const schema = jsonSchema([
  stubFactory("receiver"),
  stubFactory("exporter", { type: "otlp_http", aliases: ["otlphttp"], config }),
]);

const document = (body: unknown, more: object = {}) => ({
  receivers: { nop: null },
  exporters: { "otlp_http/a": body },
  service: { pipelines: { traces: { receivers: ["nop"], exporters: "otlp_http/a" } } },
  ...more,
});

describe("accepts what the service accepts", () => {
  test.each([
    null,
    {},
    "${file:body.yaml}",
    { endpoint: "x", timeout: "1m30s", level: 5, on: false, mode: "b", token: "t", names: ["a"] },
    { endpoint: "${E}", timeout: "${T}", level: "${L}", on: "${O}", mode: "${M}", names: "${N}" },
    {
      endpoint: null,
      timeout: null,
      level: null,
      on: null,
      mode: null,
      names: null,
      headers: null,
    },
    { timeout: 0, names: "a,b", headers: { a: "b" }, idle: "x" },
    { queue: null },
    { queue: { enabled: false, batch: null } },
    { queue: { enabled: "${E}", batch: { enabled: true, min_size: 5, partition: null } } },
  ])("%j", (body) => {
    expect(validates(schema, document(body))).toBe(true);
  });

  test.each([
    { receivers: "${file:receivers.yaml}" },
    { exporters: "${env:EXPORTERS}" },
    { service: "${file:service.yaml}" },
    { service: { pipelines: "${file:pipelines.yaml}" } },
    { service: { pipelines: { traces: "${file:traces.yaml}" } } },
  ])("a section from elsewhere: %j", (more) => {
    expect(validates(schema, document(null, more))).toBe(true);
  });

  test("aliases, telemetry and extensions", () => {
    const service = {
      extensions: [],
      pipelines: { "logs/x": { receivers: ["nop"], exporters: ["otlphttp"] } },
      telemetry: { logs: { level: "debug" }, resource: { a: "b", c: null } },
    };
    const more = { exporters: { otlphttp: {} }, service, connectors: null };
    expect(validates(schema, document({}, more))).toBe(true);
  });
});

describe("refuses what the service refuses", () => {
  test.each([
    [{ endpont: "x" }],
    [{ timeout: "5 minutes" }],
    [{ level: "5" }],
    [{ on: "yes" }],
    [{ mode: "c" }],
    [{ names: [5] }],
    [{ headers: { a: 5 } }],
    [{ gone: {} }],
    [{ queue: { enabled: 5 } }],
    [{ queue: { sizer: "meters" } }],
    [[]],
    ["text"],
  ])("%j", (body) => {
    expect(validates(schema, document(body))).toBe(false);
  });

  test.each([
    [{ receivers: { unknown: null } }],
    [{ recievers: {} }],
    [{ service: {} }],
    [{ service: { pipelines: { metric: { receivers: ["nop"], exporters: ["a"] } } } }],
    [{ service: { pipelines: { traces: { receivers: ["nop"] } } } }],
  ])("%j", (more) => {
    expect(validates(schema, document({}, more))).toBe(false);
  });
});

test("carries descriptions, defaults and reasons, and nothing of our own metadata", () => {
  const text = JSON.stringify(schema);
  expect(text).toContain('"description":"Deadline.","default":"5s"');
  expect(text).toContain("Gone. Not supported: no hardware.");
  expect(text).toContain("Idle. Has no effect: no pool.");
  expect(text).toContain("Older spelling of otlp_http.");
  expect(text).not.toMatch(
    /"(section|effect|reason|secret|duration)":(true|"(some|default|none|accepted|refused))/u,
  );
});
