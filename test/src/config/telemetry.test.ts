import { describe, expect, test } from "@jest/globals";
import { Secret } from "../../../src/config/fields.ts";
import { formatNotice } from "../../../src/config/problems.ts";
import type { TelemetryConfig } from "../../../src/config/telemetry.ts";
import { nopRegistry } from "../../support/nop-registry.ts";
import { rejection, resolve } from "./support.ts";

const document = (telemetry: string) => `
receivers: {nop: }
exporters: {nop: }
service:
  telemetry: ${telemetry}
  pipelines: {traces: {receivers: [nop], exporters: [nop]}}`;

const read = async (telemetry: string, env = {}): Promise<TelemetryConfig> => {
  const { config, problems } = await resolve(document(telemetry), nopRegistry, env);
  expect(problems).toEqual([]);
  return config!.telemetry;
};

test("defaults are the Collector's; absent readers leave the default one to the service", async () => {
  expect(await read("")).toEqual({
    logs: {
      level: "info",
      encoding: "console",
      output_paths: ["stderr"],
      error_output_paths: ["stderr"],
      sampling: { enabled: true, tick: 10_000, initial: 10, thereafter: 100 },
      initial_fields: {},
    },
    metrics: { level: "normal" },
    resource: {},
  });
});

test("a written Prometheus reader loses the three without_* defaults", async () => {
  const { metrics } = await read(
    "{metrics: {readers: [{pull: {exporter: {prometheus: {port: 8888}}}}]}}",
  );
  expect(metrics.readers).toEqual([
    {
      pull: {
        exporter: {
          prometheus: {
            host: "localhost",
            port: 8888,
            without_type_suffix: false,
            without_units: false,
            without_scope_info: false,
          },
        },
      },
    },
  ]);
});

const otlp = async (exporter: string) => {
  const { metrics } = await read(
    `{metrics: {readers: [{periodic: {interval: 10000, timeout: 5000, exporter: ${exporter}}}]}}`,
  );
  return metrics.readers![0]!.periodic!;
};

describe("push readers", () => {
  test("periods are milliseconds, headers a list or a map and secret", async () => {
    for (const headers of ["[{name: a, value: hunter2}]", "{a: hunter2}"]) {
      const reader = await otlp(`{otlp: {protocol: grpc, endpoint: x, headers: ${headers}}}`);
      expect(reader).toMatchObject({
        interval: 10_000,
        timeout: 5000,
        exporter: { otlp: { protocol: "grpc", endpoint: "x" } },
      });
      const { exporter } = reader;
      if (!("otlp" in exporter)) throw new Error("no otlp exporter");
      const [header] = exporter.otlp.headers;
      expect(header!.value).toBeInstanceOf(Secret);
      expect(header!.value.reveal()).toBe("hunter2");
    }
  });
  test.each([
    ["{otlp_grpc: {endpoint: x, tls: {ca_file: c}}}", { protocol: "grpc", certificate: "c" }],
    [
      "{otlp_http: {endpoint: x, certificate_file: c}}",
      { protocol: "http/protobuf", certificate: "c" },
    ],
    ["{otlp: {client_key: k}}", { protocol: "http/protobuf", client_key: "k" }],
  ])("%s", async (exporter, expected) => {
    expect((await otlp(exporter)).exporter).toMatchObject({ otlp: expected });
  });
  test("console", async () => {
    expect((await otlp("{console: }")).exporter).toEqual({ console: {} });
  });
});

describe("resource", () => {
  test.each([
    [
      "{service.name: a, service.version: ~, n: 5}",
      { "service.name": "a", "service.version": null, n: 5 },
    ],
    ["{attributes: [{name: a, value: b}, {name: c, value: '${V}'}]}", { a: "b", c: "v" }],
    ["{a: '${UNSET}'}", { a: null }],
    ["", {}],
  ])("%s", async (resource, expected) => {
    expect((await read(`{resource: ${resource}}`, { V: "v" })).resource).toEqual(expected);
  });
});

test.each([
  ["{logs: {level: DEBUG}}", { logs: { level: "debug" } }],
  ["{logs: {level: '${UNSET}'}}", { logs: { level: "info" } }],
  ["{metrics: {level: Detailed}}", { metrics: { level: "detailed" } }],
  ["{metrics: {level: none, readers: []}}", { metrics: { level: "none" } }],
  ["{logs: {output_paths: a}}", { logs: { output_paths: ["a"] } }],
])("%s", async (telemetry, expected) => {
  expect(await read(telemetry)).toMatchObject(expected);
});

test("keys without effect are noticed with their reason", async () => {
  const { config } = await resolve(
    document(
      "{metrics: {address: a}, traces: {level: none, processors: [{batch: {}}]}, logs: {development: true}}",
    ),
    nopRegistry,
  );
  expect(config!.notices.map(formatNotice)).toEqual([
    expect.stringContaining("service::telemetry::logs::development: development has no effect"),
    expect.stringContaining("address has no effect: the Collector ignores it since 0.123"),
    expect.stringContaining("service::telemetry::traces::level: level has no effect"),
    expect.stringContaining("service::telemetry::traces::processors: processors has no effect"),
  ]);
});

test.each([
  ["{metrics: {views: [{}]}}", "'telemetry.metrics.views' is not supported"],
  ["{metrics: {level: lots}}", 'unknown metrics level "lots"'],
  ["{logs: {level: loud}}", 'service::telemetry::logs::level: unrecognized level: "loud"'],
  [
    "{metrics: {readers: []}}",
    "collector telemetry metrics reader should exist when metric level is not none",
  ],
  ["{metrics: {readers: [{}]}}", "must have exactly one of pull and periodic"],
  ["{metrics: {readers: [{periodic: {exporter: {}}}]}}", "must have exactly one exporter"],
  ["{metrics: {readers: [{periodic: {}}]}}", "exporter: must be specified"],
  ["{foo: 1}", "'telemetry' has invalid keys: foo"],
  ["5", `'telemetry' expected a map or struct, got "int"`],
])("%s is a mistake", async (telemetry, message) => {
  expect(await rejection(document(telemetry), nopRegistry)).toContain(message);
});
