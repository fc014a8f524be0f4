import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config, type OtlpHttpConfig } from "../../../exporters/otlp_http/config.ts";
import { factory } from "../../../exporters/otlp_http/factory.ts";
import { decodeConfig } from "../../support/decode-config.ts";

const folder = join(__dirname, "../../testdata/collector/otlphttp-exporter-config");
const read = (name: string) => readFileSync(join(folder, name), "utf8");

describe("the Collector's own configs", () => {
  test("config.yaml", () => {
    const { value, problems, notices } = decodeConfig(config, read("config.yaml"));
    expect(problems).toEqual([]);
    expect(value).toMatchObject({
      endpoint: "https://1.2.3.4:1234",
      tls: {
        ca_file: "/var/lib/mycert.pem",
        cert_file: "certfile",
        key_file: "keyfile",
        insecure: true,
      },
      timeout: 10_000,
      sending_queue: { sizer: "requests", num_consumers: 2, queue_size: 10 },
      retry_on_failure: {
        enabled: true,
        initial_interval: 10_000,
        randomization_factor: 0.7,
        multiplier: 1.3,
        max_interval: 60_000,
        max_elapsed_time: 600_000,
      },
      compression: "gzip",
      encoding: "proto",
      max_idle_conns: 100,
      max_idle_conns_per_host: 0,
      max_conns_per_host: 0,
      idle_conn_timeout: 90_000,
      read_buffer_size: 123,
      write_buffer_size: 345,
      profiles_endpoint: "https://custom.profiles.endpoint:8080/v1development/profiles",
    });
    expect(value).not.toHaveProperty("sending_queue.batch");
    const { headers } = value as OtlpHttpConfig;
    expect(Object.fromEntries(headers.map(([name, secret]) => [name, secret.reveal()]))).toEqual({
      another: "somevalue",
      "can you have a . here?": "F0000000-0000-0000-0000-000000000000",
      header1: "234",
    });
    for (const key of ["read_buffer_size", "write_buffer_size", "profiles_endpoint"]) {
      expect(notices.join("\n")).toContain(key);
    }
  });

  test("bad_empty_config.yaml: at least one endpoint", () => {
    const { problems } = decodeConfig(config, "{}");
    expect(problems.join()).toContain("at least one endpoint must be specified");
    expect(read("bad_empty_config.yaml")).toContain("otlp_http:\n");
  });

  test("bad_invalid_encoding.yaml", () => {
    expect(decodeConfig(config, read("bad_invalid_encoding.yaml")).problems.join()).toContain(
      "invalid encoding type: invalid",
    );
  });
});

describe("checks", () => {
  test.each([
    ["endpoint: not a url", "endpoint must be a valid URL"],
    ["endpoint: backend:4318", "endpoint must be a valid URL"],
    ["traces_endpoint: ftp://a/", "traces_endpoint must be a valid URL"],
    ["profiles_endpoint: nowhere", "profiles_endpoint must be a valid URL"],
    ["endpoint: http://a\nencoding: ''", "invalid encoding type: "],
    ["endpoint: http://a\nsending_queue: {storage: x}", "this version keeps no queue on disk"],
    ["endpoint: http://a\ntimeout: -1s", "'timeout' must be non-negative"],
    ["endpoint: http://a\ncompression_params: {level: 11}", "unsupported parameters {Level:11}"],
    ["endpoint: http://a\nproxy_url: socks5://p:1", "unsupported proxy scheme"],
    ["endpoint: http://a\ncompression: lz4", "lz4"],
    ["endpoint: http://a\nmiddlewares: []", "middlewares"],
    ["endpoint: http://a\nfoo: 1", "foo"],
  ])("%j: %s", (yaml, text) => {
    expect(decodeConfig(config, yaml).problems.join("\n")).toContain(text);
  });

  test.each(["traces_endpoint", "metrics_endpoint", "logs_endpoint", "profiles_endpoint"])(
    "%s alone suffices",
    (key) => {
      expect(decodeConfig(config, `${key}: https://a/x`).problems).toEqual([]);
    },
  );

  test("the keys of HTTP/2 are accepted with a warning", () => {
    const yaml =
      "endpoint: http://a\nforce_attempt_http2: true\nhttp2_ping_timeout: 1s\nhttp2_read_idle_timeout: 1s\n";
    const { problems, notices } = decodeConfig(config, yaml);
    expect(problems).toEqual([]);
    expect(notices).toHaveLength(3);
  });

  test("defaults as in the Collector", () => {
    expect(config.parse({ endpoint: "http://a" })).toMatchObject({
      timeout: 30_000,
      compression: "gzip",
      max_idle_conns: 100,
      idle_conn_timeout: 90_000,
      max_conns_per_host: 0,
      disable_keep_alives: false,
    });
  });

  test("the factory's example is valid, and the older name is an alias", () => {
    expect(factory.config.safeParse(factory.example).success).toBe(true);
    expect(factory.aliases).toEqual(["otlphttp"]);
  });
});
