import { readFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "@jest/globals";
import { config } from "../../../exporters/otlp_http/config.ts";
import { factory } from "../../../exporters/otlp_http/factory.ts";
import type { Context, Exporter, Signal } from "../../../src/component.ts";
import { destinationOf } from "../../../src/delivery/destination.ts";
import { encodeStatus } from "../../../src/net/rpc-status.ts";
import { createPayload } from "../../../src/pdata/payload.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import { withEnvironment } from "../../support/environment.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { portOf } from "../../support/grpc-backend.ts";
import { logsPayload } from "../../support/payloads.ts";
import { testSettings } from "../../support/settings.ts";

const context: Context = { receivedMs: 0 };
const never = new AbortController().signal;
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

interface Backend {
  readonly url: string;
  readonly seen: { url: string; headers: IncomingHttpHeaders; body: Buffer }[];
}

async function backend(
  answer: (response: ServerResponse) => void = (response) => void response.end(),
): Promise<Backend> {
  const seen: Backend["seen"] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      seen.push({
        url: incoming.url ?? "",
        headers: incoming.headers,
        body: Buffer.concat(chunks),
      });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${portOf(server)}`, seen };
}

/** Date.parse("Sun, 09 Feb 2025 15:04:00 GMT"), 5 s before the date of the Collector's case. */
const clock = new FakeClock(1_739_113_440_000);

function create(options: Record<string, unknown>, signals: readonly Signal[] = ["logs"]): Exporter {
  const exporter = factory.create({
    config: config.parse(options),
    signals,
    settings: testSettings({ clock }),
  });
  closers.push(() => exporter.shutdown!(AbortSignal.abort()));
  return exporter;
}

const payload = logsPayload(["a", "b"]);
const push = (exporter: Exporter) => exporter.push(payload, context, never);
const answering = (
  status: number,
  headers: Record<string, string> = {},
  body: string | Uint8Array = "",
) =>
  backend((response) => {
    response.writeHead(status, headers);
    response.end(body);
  });

describe("requests", () => {
  test.each([
    ["traces", "", "/v1/traces"],
    ["metrics", "/base", "/base/v1/metrics"],
    ["logs", "/base/", "/base/v1/logs"],
  ] as const)("%s with base %j go to %s, byte for byte", async (signal, base, url) => {
    const server = await backend();
    const parts = [Buffer.from("0a021200", "hex"), Buffer.from("0a00", "hex")];
    const exporter = create({ endpoint: server.url + base });
    expect(await exporter.push(createPayload(signal, parts, [0, 0]), context, never)).toEqual({});
    const seen = server.seen[0]!;
    expect(seen.url).toBe(url);
    expect(seen.headers).toMatchObject({
      "content-type": "application/x-protobuf",
      "content-encoding": "gzip",
    });
    expect(gunzipSync(seen.body).toString("hex")).toBe("0a0212000a00");
  });

  test("an endpoint of one signal is used as it is", async () => {
    const server = await backend();
    const exporter = create({
      endpoint: "http://127.0.0.1:1",
      logs_endpoint: `${server.url}/custom?k=1`,
    });
    await push(exporter);
    expect(server.seen[0]!.url).toBe("/custom?k=1");
  });

  test.each(["metrics", "logs"] as const)("%s without an endpoint are refused", (signal) => {
    const options = { traces_endpoint: "http://127.0.0.1:1/v1/traces" };
    expect(() => create(options, ["traces", signal])).toThrow(
      expect.objectContaining({
        code: "CONFIG_INVALID",
        message: `either endpoint or ${signal}_endpoint must be specified`,
      }),
    );
    expect(() => create(options, ["traces"])).not.toThrow();
  });

  test("encoding json sends OTLP/JSON", async () => {
    const server = await backend();
    await push(create({ endpoint: server.url, encoding: "json", compression: "none" }));
    const seen = server.seen[0]!;
    expect(seen.headers["content-type"]).toBe("application/json");
    expect(seen.headers["content-length"]).toBe(String(seen.body.length));
    const {
      resourceLogs,
    }: {
      resourceLogs: { scopeLogs: { logRecords: { body: unknown }[] }[] }[];
    } = JSON.parse(seen.body.toString());
    const records = resourceLogs[0]!.scopeLogs[0]!.logRecords;
    expect(records.map((record) => record.body)).toEqual([
      { stringValue: "a" },
      { stringValue: "b" },
    ]);
  });
});

describe("start", () => {
  test.each([
    ["https://127.0.0.1:1", "failed to load TLS config: cannot read ca_file /no/such.pem"],
    ["http://127.0.0.1:1", ""],
  ])("unreadable TLS files stop it where they are needed: %s", async (endpoint, message) => {
    const start = create({ endpoint, tls: { ca_file: "/no/such.pem" } }).start!();
    const text = await start.then(
      () => "",
      (error: Error) => error.message,
    );
    expect(text.slice(0, message.length)).toBe(message);
    expect(text === "").toBe(message === "");
  });

  test.each(["http", "https"])(
    "a proxy of the environment that %s cannot use stops it; its credentials are not told",
    async (scheme) => {
      const environment = {
        [`${scheme.toUpperCase()}_PROXY`]: "socks5://user:hidden@proxy.test:1",
      };
      const exporter = create({ endpoint: `${scheme}://backend.test` });
      const start = withEnvironment(environment, () => exporter.start!());
      await expect(start).rejects.toMatchObject({
        code: "CONFIG_INVALID",
        message: `cannot use ${scheme.toUpperCase()}_PROXY: unsupported proxy scheme "socks5"`,
      });
    },
  );
});

describe("success", () => {
  const w = new Writer();
  const at = w.begin(1);
  w.tag(1, 0);
  w.varint(300);
  w.string(2, "too old");
  w.end(at);
  const json = { "content-type": "application/json" };
  const proto = { "content-type": "application/x-protobuf" };
  const rejected = { rejectedItems: 300, message: "too old" };

  test.each<[string, number, Record<string, string>, string | Uint8Array, object]>([
    ["protobuf", 200, proto, w.take(), rejected],
    [
      "JSON",
      200,
      json,
      '{"partialSuccess":{"rejectedLogRecords":"300","errorMessage":"too old"}}',
      rejected,
    ],
    [
      "JSON with numbers",
      200,
      json,
      '{"partialSuccess":{"rejectedSpans":300,"errorMessage":"too old"}}',
      rejected,
    ],
    [
      "a warning only",
      200,
      json,
      '{"partialSuccess":{"errorMessage":"hm"}}',
      { rejectedItems: 0, message: "hm" },
    ],
    ["an empty body", 204, {}, "", {}],
    ["an empty partial success", 200, json, '{"partialSuccess":{}}', {}],
    ["broken JSON", 200, json, "{", {}],
    ["broken protobuf", 200, proto, Buffer.from("ff", "hex"), {}],
    ["another type", 202, { "content-type": "text/html" }, "<p>", {}],
    ["a giant body", 200, json, " ".repeat(70_000), {}],
  ])("%s", async (_name, status, headers, body, result) => {
    const server = await answering(status, headers, body);
    expect(await push(create({ endpoint: server.url }))).toEqual(result);
  });
});

describe("errors", () => {
  const table: { http: { status: number; retry_after?: string; retry: boolean }[] } = JSON.parse(
    readFileSync(join(__dirname, "../../testdata/collector/delivery/exporter-retry.json"), "utf8"),
  );
  /** The dates of the table lie on a Sunday that it calls Monday; only the instant matters. */
  const delays: Record<string, number> = { "30": 30_000, "Mon, 09 Feb 2025 15:04:05 GMT": 5000 };

  test.each(table.http)("$status with Retry-After $retry_after", async (row) => {
    const headers: Record<string, string> =
      row.retry_after === undefined ? {} : { "retry-after": row.retry_after };
    const server = await answering(row.status, headers);
    const error: unknown = await push(create({ endpoint: server.url })).catch(
      (caught: unknown) => caught,
    );
    expect(error).toMatchObject({
      retryable: row.retry,
      message: expect.stringContaining(
        `error exporting items, request to ${server.url}/v1/logs responded with HTTP Status Code ${row.status}`,
      ),
    });
    expect(error).toHaveProperty("retryAfterMs", delays[row.retry_after ?? ""]);
  });

  test("Retry-After of another status has no effect", async () => {
    const server = await answering(502, { "retry-after": "30" });
    await expect(push(create({ endpoint: server.url }))).rejects.toMatchObject({
      retryAfterMs: undefined,
    });
  });

  test.each<[string, Record<string, string>, string | Uint8Array]>([
    [
      "protobuf",
      { "content-type": "application/x-protobuf" },
      encodeStatus({ code: 3, message: "no such tenant" }),
    ],
    ["JSON", { "content-type": "application/json" }, '{"code":3,"message":"no such tenant"}'],
    ["plain text", { "content-type": "text/plain; charset=utf-8" }, "no such tenant\n"],
  ])("the backend's words are shown: %s", async (_name, headers, body) => {
    const server = await answering(400, headers, body);
    await expect(push(create({ endpoint: server.url }))).rejects.toMatchObject({
      code: "BACKEND_REJECTED",
      message: expect.stringMatching(/HTTP Status Code 400, Message=no such tenant$/u),
    });
  });

  test.each<[number, string, string | Uint8Array]>([
    [413, "text/plain", ""],
    [400, "text/plain", "http: request body too large\n"],
    [400, "application/json", '{"code":3,"message":"http: request body too large"}'],
  ])("%i %s %j is TOO_LARGE", async (status, type, body) => {
    const server = await answering(status, { "content-type": type }, body);
    await expect(push(create({ endpoint: server.url }))).rejects.toMatchObject({
      code: "TOO_LARGE",
      retryable: false,
    });
  });

  test.each([
    [400, 3],
    [500, 2],
    [422, 2],
    [301, 12],
    [404, 12],
    [405, 12],
    [501, 12],
    [401, 16],
    [403, 7],
  ])(
    "%i carries gRPC code %i, by which delivery knows what may be about the data",
    async (status, code) => {
      const server = await answering(status);
      await expect(push(create({ endpoint: server.url }))).rejects.toMatchObject({
        code: "BACKEND_REJECTED",
        status: { code },
      });
    },
  );

  test("a redirect is permanent and says so", async () => {
    const server = await answering(308, { location: "http://127.0.0.1:1/" });
    await expect(push(create({ endpoint: server.url }))).rejects.toMatchObject({
      code: "BACKEND_REJECTED",
      message: expect.stringContaining("redirects are not followed"),
    });
  });

  test("credentials of the URL are not in the error", async () => {
    const server = await answering(500);
    const endpoint = server.url.replace("//", "//user:hidden@");
    const error: unknown = await push(create({ endpoint })).catch((caught: unknown) => caught);
    expect(String(error)).toContain("HTTP Status Code 500");
    expect(String(error)).not.toContain("hidden");
  });

  test("a backend that is not there is retryable", async () => {
    const server = await answering(200);
    await closers.pop()!();
    await expect(push(create({ endpoint: server.url }))).rejects.toMatchObject({
      code: "BACKEND_UNAVAILABLE",
      retryable: true,
      message: expect.stringContaining("failed to make an HTTP request"),
    });
  });

  test("shutdown works without start and twice", async () => {
    const exporter = create({ endpoint: "http://127.0.0.1:1" });
    await exporter.shutdown!(never);
    await exporter.shutdown!(never);
    await expect(push(exporter)).rejects.toMatchObject({ code: "BACKEND_UNAVAILABLE" });
  });
});

/** As TestEndpointAttributes of otlphttpexporter's factory_test.go. */
test.each([
  [
    "http://opentelemetry.io:443/ingest",
    { "server.address": "opentelemetry.io", "url.path": "/ingest", "server.port": "443" },
  ],
  [
    "https://opentelemetry.io/ingest",
    { "server.address": "opentelemetry.io", "url.path": "/ingest" },
  ],
  ["https://opentelemetry.io", { "server.address": "opentelemetry.io" }],
])("metrics name the destination %s", (url, labels) => {
  const exporter = create({ logs_endpoint: url, traces_endpoint: "http://other.test/x" });
  expect(destinationOf(exporter, "logs")).toEqual(labels);
  expect(destinationOf(exporter, "traces")).toMatchObject({ "server.address": "other.test" });
});
