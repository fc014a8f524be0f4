import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { config } from "../../../exporters/otlp_grpc/config.ts";
import { factory } from "../../../exporters/otlp_grpc/factory.ts";
import type { Context, Exporter, Signal } from "../../../src/component.ts";
import { destinationOf } from "../../../src/delivery/destination.ts";
import { type Logger, silentLogger } from "../../../src/log.ts";
import { grpcCode } from "../../../src/net/grpc-code.ts";
import { encodeStatus } from "../../../src/net/rpc-status.ts";
import { createPayload } from "../../../src/pdata/payload.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import {
  type GrpcAnswer,
  type GrpcBackend,
  type SeenCall,
  startGrpcBackend,
} from "../../support/grpc-backend.ts";
import { logsPayload } from "../../support/payloads.ts";
import { testSettings } from "../../support/settings.ts";

const context: Context = { receivedMs: 0 };
const never = new AbortController().signal;
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function setUp(
  answer: (call: SeenCall) => GrpcAnswer,
  extra: Record<string, unknown> = {},
): Promise<{ backend: GrpcBackend; exporter: Exporter }> {
  const backend = await startGrpcBackend(answer);
  closers.push(() => backend.close());
  return { backend, exporter: create({ endpoint: `127.0.0.1:${backend.port}`, ...extra }) };
}

function create(extra: Record<string, unknown>, log: Logger = silentLogger): Exporter {
  const parsed = config.parse({ tls: { insecure: true }, ...extra });
  const exporter = factory.create({
    config: parsed,
    signals: ["logs"],
    settings: testSettings({ log }),
  });
  closers.push(() => exporter.shutdown!(AbortSignal.abort()));
  return exporter;
}

const payload = logsPayload(["a", "b"]);
const push = (exporter: Exporter) => exporter.push(payload, context, never);

test.each([
  ["traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"],
  ["metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"],
  ["logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"],
] as const)("%s go to %s, byte for byte", async (signal: Signal, path) => {
  const { backend, exporter } = await setUp(() => ({}));
  const parts = [Buffer.from("0a021200", "hex"), Buffer.from("0a00", "hex")];
  expect(await exporter.push(createPayload(signal, parts, [0, 0]), context, never)).toEqual({});
  expect(backend.calls[0]).toMatchObject({ path });
  expect(backend.calls[0]!.body.toString("hex")).toBe("0a0212000a00");
});

test.each(["gzip", "none"])("compression %s", async (compression) => {
  const { backend, exporter } = await setUp(() => ({}), { compression });
  await push(exporter);
  expect(backend.calls[0]!.body).toEqual(Buffer.concat(payload.parts));
});

test.each(["zstd", "snappy"])(
  "a server that knows no %s says so, and that is permanent",
  async (compression) => {
    const { exporter } = await setUp(() => ({}), { compression });
    await expect(push(exporter)).rejects.toMatchObject({
      code: "BACKEND_REJECTED",
      status: { code: 12 },
    });
  },
);

test("partial success is returned with the items that were rejected", async () => {
  const w = new Writer();
  const at = w.begin(1);
  w.tag(1, 0);
  w.varint(3);
  w.string(2, "too old");
  w.end(at);
  const { exporter } = await setUp(() => ({ body: w.take() }));
  expect(await push(exporter)).toEqual({ rejectedItems: 3, message: "too old" });
});

test("a response that is no message still is a success", async () => {
  const { exporter } = await setUp(() => ({ body: Buffer.from("ffffffff", "hex") }));
  expect(await push(exporter)).toEqual({});
});

const retryInfo = (code: number) => ({
  "grpc-status-details-bin": Buffer.from(encodeStatus({ code, message: "", retryAfterMs: 2500 })),
});

describe("errors", () => {
  const table: { grpc: { retry: string[] } } = JSON.parse(
    readFileSync(join(__dirname, "../../testdata/collector/delivery/exporter-retry.json"), "utf8"),
  );
  const codes = Object.entries(grpcCode).filter(([name]) => name !== "OK");

  test.each(codes)("%s is retryable as in the Collector", async (name, code) => {
    const { exporter } = await setUp(() => ({ code, message: "why" }));
    const retryable = table.grpc.retry.includes(name);
    await expect(push(exporter)).rejects.toMatchObject({
      retryable,
      status: { code, message: "why" },
      message: expect.stringMatching(/^rpc error: code = \w+ desc = why$/u),
    });
  });

  test.each([grpcCode.RESOURCE_EXHAUSTED, grpcCode.UNAVAILABLE])(
    "code %i with RetryInfo is retryable after its delay, and its details are kept",
    async (code) => {
      const { exporter } = await setUp(() => ({ code, trailers: retryInfo(code) }));
      await expect(push(exporter)).rejects.toMatchObject({
        code: "BACKEND_UNAVAILABLE",
        retryable: true,
        retryAfterMs: 2500,
        status: { details: retryInfo(code)["grpc-status-details-bin"] },
      });
    },
  );

  test("RetryInfo does not make another code retryable", async () => {
    const { exporter } = await setUp(() => ({ code: 3, trailers: retryInfo(3) }));
    await expect(push(exporter)).rejects.toMatchObject({
      code: "BACKEND_REJECTED",
      retryable: false,
    });
  });

  test.each([
    "grpc: received message larger than max (5000 vs. 4194304)",
    "grpc: received message after decompression larger than max 4194304",
    "Received message larger than max (5000 vs 4194304)",
    "gRPC message exceeds maximum size 4194304: 5000",
  ])("%s is TOO_LARGE", async (message) => {
    const { exporter } = await setUp(() => ({ code: 8, message }));
    await expect(push(exporter)).rejects.toMatchObject({ code: "TOO_LARGE", retryable: false });
  });

  test("a giant response is no TOO_LARGE: a smaller request would not help", async () => {
    const { exporter } = await setUp(() => ({ body: Buffer.alloc(5 << 20) }));
    await expect(push(exporter)).rejects.toMatchObject({ code: "BACKEND_REJECTED" });
  });

  test("a backend that is not there is retryable", async () => {
    const { backend, exporter } = await setUp(() => ({}));
    await backend.close();
    await expect(push(exporter)).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      retryable: true,
    });
  });

  test("abort gives TIMEOUT", async () => {
    const { exporter } = await setUp(() => ({}));
    await expect(exporter.push(payload, context, AbortSignal.abort())).rejects.toMatchObject({
      code: "TIMEOUT",
      retryable: true,
    });
  });
});

describe("start and shutdown", () => {
  test("shutdown works without start and twice", async () => {
    const exporter = create({ endpoint: "127.0.0.1:1" });
    await exporter.shutdown!(never);
    await exporter.shutdown!(never);
    await expect(push(exporter)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  });

  test("unreadable TLS files stop it, with TLS", async () => {
    const tls = { ca_file: "/no/such.pem" };
    await expect(create({ endpoint: "127.0.0.1:1", tls }).start!()).rejects.toMatchObject({
      code: "CONFIG_INVALID",
      message: expect.stringContaining(
        "failed to load TLS config: cannot read ca_file /no/such.pem",
      ),
    });
    await expect(create({ endpoint: "127.0.0.1:1" }).start!()).resolves.toBeUndefined();
  });

  test("a proxy of the environment that would be needed is named at the start", async () => {
    const warnings: unknown[] = [];
    const log = { ...silentLogger, warn: (...line: unknown[]) => void warnings.push(line) };
    const before = process.env["HTTPS_PROXY"];
    process.env["HTTPS_PROXY"] = "http://user:secret@proxy.test:3128";
    try {
      await create({ endpoint: "backend.test:4317" }, log).start!();
      await create({ endpoint: "127.0.0.1:4317" }, log).start!();
      await create({ endpoint: "unix:///run/x.sock" }, log).start!();
    } finally {
      if (before === undefined) delete process.env["HTTPS_PROXY"];
      else process.env["HTTPS_PROXY"] = before;
    }
    expect(warnings).toHaveLength(1);
    expect(JSON.stringify(warnings)).toContain("proxy.test:3128");
    expect(JSON.stringify(warnings)).not.toContain("secret");
  });
});

/** As TestEndpointAttributes of otlpexporter's factory_test.go, without the schemes that it takes for a part of the name. */
test.each([
  ["opentelemetry.io:443", { "server.address": "opentelemetry.io", "server.port": "443" }],
  ["https://opentelemetry.io:443", { "server.address": "opentelemetry.io", "server.port": "443" }],
  ["[::1]:80", { "server.address": "::1", "server.port": "80" }],
  ["unix:///run/otlp.sock", { "server.address": "unix:///run/otlp.sock" }],
])("metrics name the destination %s", (endpoint, labels) => {
  expect(destinationOf(create({ endpoint }), "logs")).toEqual(labels);
});
