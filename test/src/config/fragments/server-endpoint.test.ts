/** What `validate` says of a server's endpoint: Go's net.Listen texts, at the key. */
import { describe, expect, test } from "@jest/globals";
import { section } from "../../../../src/config/fields.ts";
import { grpcServer } from "../../../../src/config/fragments/grpc-server.ts";
import { httpServer } from "../../../../src/config/fragments/http-server.ts";
import { formatProblems } from "../../../../src/config/problems.ts";
import { resolveLoaded } from "../../../../src/config/service-config.ts";
import { parseEndpoint } from "../../../../src/net/listeners.ts";
import { registry } from "../../../../src/registry.ts";
import { decodeConfig } from "../../../support/decode-config.ts";
import { load } from "../support.ts";

const servers = { grpc: grpcServer("localhost:4317"), http: httpServer("localhost:4318") };
const names = ["grpc", "http"] as const;

const wrong: readonly (readonly [endpoint: string, problem: string])[] = [
  ["localhost", "address localhost: missing port in address"],
  ["http://localhost:4318", "address http://localhost:4318: too many colons in address"],
  ["https://collector", "lookup tcp///collector: unknown port"],
  ["::1:4318", "address ::1:4318: too many colons in address"],
  ["[::1]", "address [::1]: missing port in address"],
  ["localhost:70000", "address 70000: invalid port"],
  ["localhost:otlp", "lookup tcp/otlp: unknown port"],
  ["", "missing address"],
];

describe.each(names)("%s server", (name) => {
  test.each(wrong)("%j is refused", (endpoint, problem) => {
    const yaml = JSON.stringify({ endpoint });
    expect(decodeConfig(servers[name], yaml).problems).toEqual([
      `exporters::test: listen tcp: ${problem}`,
    ]);
    // The start would refuse it too.
    expect(() => parseEndpoint(endpoint)).toThrow("cannot listen on");
  });

  test.each(["localhost:0", "0.0.0.0:4318", "[::1]:4318", ":4318", "collector.test:65535"])(
    "%j is taken",
    (endpoint) => {
      expect(decodeConfig(servers[name], JSON.stringify({ endpoint })).problems).toEqual([]);
      expect(() => parseEndpoint(endpoint)).not.toThrow();
    },
  );

  test("of transport unix is any path", () => {
    const problemsOf = (endpoint: string) =>
      decodeConfig(servers[name], JSON.stringify({ endpoint, transport: "unix" })).problems;
    expect(problemsOf("/run/otlp.sock")).toEqual([]);
    expect(problemsOf("")).toEqual(["exporters::test: listen unix: missing address"]);
  });

  test("keeps its check in a section that adds keys", () => {
    const more = servers[name].extend({ other: section({}).optional() });
    expect(decodeConfig(more, "endpoint: localhost").problems).toHaveLength(1);
  });
});

test.each([
  ["receiver", "receivers: { otlp: { protocols: { grpc: { endpoint: localhost } } } }"],
  ["receiver", "receivers: { otlp: { protocols: { http: { endpoint: localhost } } } }"],
  ["exporter", "exporters: { prometheus: { endpoint: localhost } }"],
  ["extension", "extensions: { health_check: { endpoint: localhost } }"],
  ["extension", "extensions: { zpages: { endpoint: localhost } }"],
  ["extension", "extensions: { pprof: { endpoint: localhost } }"],
])("every %s that listens: %s", async (_kind, yaml) => {
  const rest = {
    receivers: "receivers: { nop: }",
    exporters: "exporters: { nop: }",
    extensions: "extensions: { pprof: }",
  };
  const key = yaml.slice(0, yaml.indexOf(":")) as keyof typeof rest;
  const id = /\{ (\w+):/u.exec(yaml)![1];
  const used = (one: string, otherwise: string) => (key === one ? id : otherwise);
  const text = [
    ...Object.values({ ...rest, [key]: yaml }),
    `service: { extensions: [${used("extensions", "pprof")}], pipelines: { metrics: { receivers: [${used("receivers", "nop")}], exporters: [${used("exporters", "nop")}] } } }`,
  ].join("\n");
  const { problems } = await resolveLoaded(load(text), registry);
  const said = formatProblems(problems);
  const line = text.split("\n").findIndex((one) => one === yaml) + 1;
  const column = yaml.indexOf("endpoint") + 1;
  expect(said).toContain("listen tcp: address localhost: missing port in address");
  expect(said).toContain("an endpoint is host:port, without a scheme");
  expect(said).toContain(`config-0.yaml:${line}:${column}`);
});
