/** What the keys of the otlp receiver become; the Collector's own configs are in test/conformance. */
import { describe, expect, test } from "@jest/globals";
import { config } from "../../../receivers/otlp/config.ts";
import { httpServerSpec } from "../../../receivers/otlp/http.ts";
import { urlPathOf } from "../../../receivers/otlp/url-path.ts";
import type { Edge } from "../../../src/component.ts";
import { decodeConfig } from "../../support/decode-config.ts";
import { testBudget } from "../../support/settings.ts";

const mebibyte = 2 ** 20;
const edge: Edge = { assurance: "held", ready: () => undefined, consume: () => Promise.resolve() };

function problemsOf(http: string): string[] {
  return decodeConfig(config, `protocols:\n  http: ${http}`).problems;
}

function specOf(http: Record<string, unknown>) {
  const { protocols } = config.parse({ protocols: { http } });
  const next = { traces: edge, metrics: edge, logs: edge } as never;
  return httpServerSpec(protocols.http!, next, undefined, testBudget());
}

describe("the HTTP server", () => {
  test("without keys: 64 MiB, every coding, the transport's own time limits", () => {
    expect(specOf({})).toMatchObject({
      endpoint: "localhost:4318",
      transport: "tcp",
      maxBodyBytes: 64 * mebibyte,
      compressionAlgorithms: [
        "",
        "gzip",
        "zstd",
        "zlib",
        "snappy",
        "deflate",
        "lz4",
        "x-snappy-framed",
      ],
      readTimeoutMs: 0,
      readHeaderTimeoutMs: 0,
      writeTimeoutMs: 0,
      idleTimeoutMs: 0,
      keepAlivesEnabled: true,
      responseHeaders: new Map(),
    });
  });

  test("every key arrives", () => {
    const spec = specOf({
      endpoint: "127.0.0.1:1",
      transport: "tcp4",
      max_request_body_size: 1000,
      compression_algorithms: ["", "zstd"],
      read_timeout: "1s",
      read_header_timeout: "2s",
      write_timeout: "3s",
      idle_timeout: "5m",
      keep_alives_enabled: false,
      response_headers: [{ name: "x-a", value: "1" }],
      cors: {
        allowed_origins: ["*"],
        allowed_headers: ["x-b"],
        exposed_headers: ["x-c"],
        max_age: 5,
      },
      traces_url_path: "t",
    });
    expect(spec).toMatchObject({
      endpoint: "127.0.0.1:1",
      transport: "tcp4",
      maxBodyBytes: 1000,
      compressionAlgorithms: ["", "zstd"],
      readTimeoutMs: 1000,
      readHeaderTimeoutMs: 2000,
      writeTimeoutMs: 3000,
      idleTimeoutMs: 300_000,
      keepAlivesEnabled: false,
      responseHeaders: new Map([["x-a", "1"]]),
      cors: {
        allowedOrigins: ["*"],
        allowedHeaders: ["x-b"],
        exposedHeaders: ["x-c"],
        maxAgeSeconds: 5,
      },
    });
    expect([...spec.routes.keys()]).toEqual(["/t", "/v1/metrics", "/v1/logs"]);
  });
});

describe("what is refused", () => {
  test.each([
    ["{ compression_algorithms: [br] }", "br"],
    ["{ traces_url_path: /a, logs_url_path: a }", "must be different paths"],
    ["{ middlewares: [] }", "server middlewares do not exist in this version"],
    ['{ response_headers: { "a b": c } }', '"a b" is no header that can be sent'],
    ['{ response_headers: { a: "b\\nc" } }', '"a" is no header that can be sent'],
    ["{ read_timeout: soon }", "read_timeout"],
    ["{ transport: udp }", "transport"],
    ["{ unknown: 1 }", "has invalid keys: unknown"],
  ])("%s", (http, text) => {
    const problems = problemsOf(http);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(text);
  });

  test("profiles_url_path has no effect, and says so", () => {
    const { problems, notices } = decodeConfig(
      config,
      "protocols: { http: { profiles_url_path: /p } }",
    );
    expect(problems).toEqual([]);
    expect(notices[0]).toContain("profiles are not received in this version");
  });
});

test.each([
  ["traces", "/traces", undefined],
  ["/a/b", "/a/b", undefined],
  ["", "/", undefined],
  ["/a?q=%zz#f", "/a", undefined],
  ["/%74races/%e2%82%ac", "/traces/€", undefined],
  ["http://host:1/a", "/a", undefined],
  ["http://host", "/", undefined],
  [":x", undefined, 'parse ":x": missing protocol scheme'],
  ["1:x", undefined, 'parse "1:x": first path segment in URL cannot contain colon'],
  ["/a/%zz", undefined, 'parse "/a/%zz": invalid URL escape "%zz"'],
  ["/a/%4", undefined, 'parse "/a/%4": invalid URL escape "%4"'],
  ["/a\u0001", undefined, 'parse "/a\\u0001": net/url: invalid control character in URL'],
])("%j as Go's net/url reads it", (text, path, problem) => {
  const read = urlPathOf(text);
  expect(read.problem).toBe(problem);
  if (path !== undefined) expect(read.path).toBe(path);
});
