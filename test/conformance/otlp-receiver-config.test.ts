/** The Collector's own configs of the otlp receiver: what they mean, and its texts for the wrong ones. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config } from "../../receivers/otlp/config.ts";
import { decodeConfig } from "../support/decode-config.ts";

const folder = join(__dirname, "../testdata/collector/otlp-receiver-config");
const decoded = (name: string) => decodeConfig(config, readFileSync(join(folder, name), "utf8"));

const protocolsOf = (name: string) => {
  const { value, problems } = decoded(name);
  expect(problems).toEqual([]);
  return (value as { protocols: Record<string, unknown> }).protocols;
};

const defaultGrpc = { endpoint: "localhost:4317", transport: "tcp", include_metadata: false };
const defaultHttp = {
  endpoint: "localhost:4318",
  transport: "tcp",
  include_metadata: false,
  keep_alives_enabled: true,
  traces_url_path: "/v1/traces",
  metrics_url_path: "/v1/metrics",
  logs_url_path: "/v1/logs",
};

const valid: Readonly<Record<string, object>> = {
  "default.yaml": { grpc: defaultGrpc, http: defaultHttp },
  "only_grpc.yaml": { grpc: defaultGrpc },
  "only_http.yaml": { http: defaultHttp },
  "only_http_null.yaml": { http: defaultHttp },
  "only_http_empty_map.yaml": { http: defaultHttp },
  "uds.yaml": {
    grpc: { ...defaultGrpc, transport: "unix", endpoint: "/tmp/grpc_otlp.sock" },
    http: { ...defaultHttp, transport: "unix", endpoint: "/tmp/http_otlp.sock" },
  },
  "config.yaml": {
    grpc: {
      ...defaultGrpc,
      tls: { cert_file: "test.crt", key_file: "test.key" },
      max_recv_msg_size_mib: 32,
      max_concurrent_streams: 16,
      read_buffer_size: 1024,
      write_buffer_size: 1024,
      keepalive: {
        server_parameters: {
          max_connection_idle: 11_000,
          max_connection_age: 12_000,
          max_connection_age_grace: 13_000,
          time: 30_000,
          timeout: 5000,
        },
        enforcement_policy: { min_time: 10_000, permit_without_stream: true },
      },
    },
    http: {
      ...defaultHttp,
      auth: { authenticator: "test" },
      tls: { cert_file: "test.crt", key_file: "test.key" },
      cors: { allowed_origins: ["https://*.test.com", "https://test.com"], max_age: 7200 },
      traces_url_path: "/traces",
      metrics_url_path: "/v2/metrics",
      logs_url_path: "/log/ingest",
    },
  },
};

const invalidPath =
  'invalid HTTP URL path set for signal: parse ":invalid": missing protocol scheme';
const invalid: Readonly<Record<string, string>> = {
  "bad_no_proto_config.yaml": "must specify at least one protocol when using the OTLP receiver",
  "bad_proto_config.yaml": "'protocols' has invalid keys: thrift",
  "typo_default_proto_config.yaml": "'protocols' has invalid keys: htttp",
  "invalid_logs_path.yaml": invalidPath,
  "invalid_metrics_path.yaml": invalidPath,
  "invalid_traces_path.yaml": invalidPath,
  "invalid_profiles_path.yaml": invalidPath,
};

test.each(Object.entries(valid))("%s is accepted and means the same", (name, expected) => {
  const protocols = protocolsOf(name);
  expect(protocols).toMatchObject(expected);
  expect(Object.keys(protocols).toSorted()).toEqual(Object.keys(expected).toSorted());
});

test.each(Object.entries(invalid))("%s: %s", (name, text) => {
  expect(decoded(name).problems[0]).toContain(text);
});

test("no file is left out", () => {
  const known = [...Object.keys(valid), ...Object.keys(invalid)];
  expect(readdirSync(folder).toSorted()).toEqual(known.toSorted());
});

describe("config.yaml", () => {
  test("says which of its keys have no effect", () => {
    expect(decoded("config.yaml").notices.map((text) => text.split(": ")[1])).toEqual([
      "read_buffer_size has no effect",
      "write_buffer_size has no effect",
    ]);
  });
});
