import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config, type OtlpGrpcConfig } from "../../../exporters/otlp_grpc/config.ts";
import { factory } from "../../../exporters/otlp_grpc/factory.ts";
import { batchSizerOf } from "../../../src/config/fragments/delivery.ts";
import { decodeConfig } from "../../support/decode-config.ts";

const folder = join(__dirname, "../../testdata/collector/otlp-exporter-config");
const read = (name: string) => readFileSync(join(folder, name), "utf8");

describe("the Collector's own configs", () => {
  test("config.yaml", () => {
    const { value, problems, notices } = decodeConfig(config, read("config.yaml"));
    expect([problems, notices]).toEqual([[], []]);
    expect(value).toMatchObject({
      endpoint: "1.2.3.4:1234",
      compression: "gzip",
      tls: { ca_file: "/var/lib/mycert.pem", insecure: false },
      timeout: 10_000,
      sending_queue: {
        sizer: "items",
        num_consumers: 2,
        queue_size: 100_000,
        batch: { flush_timeout: 200, min_size: 1000, max_size: 10_000 },
      },
      retry_on_failure: {
        enabled: true,
        initial_interval: 10_000,
        randomization_factor: 0.7,
        multiplier: 1.3,
        max_interval: 60_000,
        max_elapsed_time: 600_000,
      },
      auth: { authenticator: "nop" },
      keepalive: { time: 20_000, timeout: 30_000, permit_without_stream: true },
      balancer_name: "round_robin",
    });
    const { headers, sending_queue: queue } = value as OtlpGrpcConfig;
    expect(batchSizerOf(queue!)).toBe("items");
    expect(Object.fromEntries(headers.map(([name, secret]) => [name, secret.reveal()]))).toEqual({
      another: "somevalue",
      "can you have a . here?": "F0000000-0000-0000-0000-000000000000",
      header1: "234",
    });
  });

  test("default-batch.yaml", () => {
    const { value, problems } = decodeConfig(config, read("default-batch.yaml"));
    expect(problems).toEqual([]);
    expect(value).toMatchObject({
      timeout: 10_000,
      retry_on_failure: config.parse({ endpoint: "a:1" }).retry_on_failure,
      sending_queue: {
        sizer: "requests",
        queue_size: 1000,
        num_consumers: 10,
        batch: { flush_timeout: 200, min_size: 8192, max_size: 0 },
      },
      endpoint: "1.2.3.4:1234",
      balancer_name: "round_robin",
      compression: "gzip",
    });
    expect(batchSizerOf((value as OtlpGrpcConfig).sending_queue!)).toBe("items");
  });

  test.each([
    ["no_endpoint", 'requires a non-empty "endpoint"'],
    ["https_endpoint", 'requires a non-empty "endpoint"'],
    ["http_endpoint", 'requires a non-empty "endpoint"'],
    ["invalid_timeout", "'timeout' must be non-negative"],
    ["invalid_retry", "randomization_factor value must be greater than or equal to 0"],
    ["invalid_tls", 'invalid TLS min_version: unsupported TLS version: "asd"'],
    ["missing_port", "missing port in address"],
    ["invalid_port", 'invalid port "port"'],
    ["invalid_unix_socket", "unix socket path cannot be empty"],
  ])("invalid_configs.yaml, %s: %s", (key, text) => {
    const { problems } = decodeConfig(config, read("invalid_configs.yaml"), key);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(text);
  });
});

describe("endpoint", () => {
  test.each([
    "localhost:4317",
    "http://localhost:4317",
    "https://localhost:4317",
    "dns:///backend.example.com:4317",
    "dns://8.8.8.8/backend.example.com:4317",
    "dns:backend.example.com:4317",
    "passthrough:///backend:4317",
    "unix:///run/otel.sock",
    "unix:relative.sock",
    "[::1]:4317",
    ":4317",
  ])("%s is valid", (endpoint) => {
    expect(config.safeParse({ endpoint }).success).toBe(true);
  });

  test.each([
    ["::1:4317", "too many colons in address"],
    ["localhost", "missing port in address"],
    ["localhost:70000", 'invalid port "70000"'],
    ["localhost:", 'invalid port ""'],
    ["dns:///", 'requires a non-empty "endpoint"'],
  ])("%s: %s", (endpoint, text) => {
    expect(config.safeParse({ endpoint }).error?.issues[0]?.message).toContain(text);
  });
});

describe("other keys", () => {
  test.each([
    ["compression: lz4", "lz4"],
    ["balancer_name: least_request", "least_request"],
    ["middlewares: [{id: x}]", "middlewares"],
    ["foo: 1", "foo"],
    ["sending_queue: {storage: x}", "this version keeps no queue on disk"],
    ["tls: {max_version: '1.4'}", 'invalid TLS max_version: unsupported TLS version: "1.4"'],
    ["tls: {cert_file: a}", "TLS configuration must include both certificate and key"],
    ["tls: {cert_file: a, cert_pem: b, key_file: c}", "provide either certificate file or PEM"],
    ["tls: {cert_file: a, key_pem: b, key_file: c}", "provide either key file or PEM"],
    ["tls: {ca_file: a, ca_pem: b}", "provide either a CA file or the PEM-encoded string"],
  ])("%s is a mistake", (yaml, text) => {
    const { problems } = decodeConfig(config, `endpoint: a:1\n${yaml}\n`);
    expect(problems.join("\n")).toContain(text);
  });

  test("headers may be a list, and are never shown", () => {
    const parsed = config.parse({ endpoint: "a:1", headers: [{ name: "k", value: "hidden" }] });
    expect(parsed.headers.map(([name, value]) => [name, value.reveal()])).toEqual([
      ["k", "hidden"],
    ]);
    expect(JSON.stringify(parsed)).not.toContain("hidden");
  });

  test("keepalive is off unless named, then 10 s", () => {
    expect(decodeConfig(config, "endpoint: a:1").value).toMatchObject({});
    expect(config.parse({ endpoint: "a:1" }).keepalive).toBeUndefined();
    expect(decodeConfig(config, "endpoint: a:1\nkeepalive:\n").value).toMatchObject({
      keepalive: { time: 10_000, timeout: 10_000, permit_without_stream: false },
    });
  });

  test("the buffer sizes are accepted with a warning", () => {
    const { notices, problems } = decodeConfig(config, "endpoint: a:1\nwrite_buffer_size: 1\n");
    expect(problems).toEqual([]);
    expect(notices.join()).toContain("write_buffer_size");
  });

  test("the factory's example is valid, and the older name is an alias", () => {
    expect(factory.config.safeParse(factory.example).success).toBe(true);
    expect(factory.aliases).toEqual(["otlp"]);
  });
});
