/** Durations of the servers' and clients' requests: at level detailed in a running service, and not below it. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "@jest/globals";
import { section } from "../../../src/config/fields.ts";
import { grpcClientKeys } from "../../../src/config/fragments/grpc-client.ts";
import { createGrpcClient } from "../../../src/net/grpc-client.ts";
import { type GrpcBackend, startGrpcBackend } from "../../support/grpc-backend.ts";
import { logsPayload } from "../../support/payloads.ts";
import { ServiceProcess } from "../../support/run-service.ts";
import { testSettings } from "../../support/settings.ts";

const exportPath = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const durations = [
  "http_server_request_duration",
  "http_client_request_duration",
  "rpc_server_call_duration",
  "rpc_client_call_duration",
];

let http: Server;
let grpc: GrpcBackend;
const httpPort = () => (http.address() as AddressInfo).port;

const config = (level: string) => `
receivers:
  otlp: { protocols: { grpc: { endpoint: "127.0.0.1:0" }, http: { endpoint: "127.0.0.1:0" } } }
exporters:
  otlp_http: { endpoint: "http://127.0.0.1:${httpPort()}" }
  otlp_http/down: { endpoint: "http://127.0.0.1:1", retry_on_failure: { enabled: false } }
  otlp_grpc: { endpoint: "127.0.0.1:${grpc.port}", tls: { insecure: true } }
service:
  telemetry:
    metrics:
      level: ${level}
      readers: [ { pull: { exporter: { prometheus: { host: 127.0.0.1, port: 0, without_type_suffix: true, without_units: true, without_scope_info: true } } } } ]
  pipelines:
    logs: { receivers: [otlp], exporters: [otlp_http, otlp_http/down, otlp_grpc] }
`;

beforeAll(async () => {
  http = createServer((request, response) => {
    request.resume().on("end", () => response.writeHead(200).end());
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  grpc = await startGrpcBackend(() => ({ code: 3, message: "not this" }));
});
afterAll(async () => {
  http.close();
  await grpc.close();
});

/** Sends a request over each protocol and some that are refused; the metrics once exporters are through. */
async function scrapedAt(level: string): Promise<string> {
  const service = await ServiceProcess.start(config(level));
  const base = `http://${service.address("receiver otlp", "http")}`;
  await sendHttp(base);
  await sendGrpc(service.address("receiver otlp", "grpc"));
  const metrics = `http://${service.address("service::telemetry::metrics", "http")}/metrics`;
  for (;;) {
    const text = await (await fetch(metrics)).text();
    const done = ["otlp_http", "otlp_http/down", "otlp_grpc"].every((exporter) => {
      const lines = text.split("\n").filter((line) => line.includes(`exporter="${exporter}"`));
      const ended = lines.filter((line) => /_(?:sent|send_failed)_log_records\{/u.test(line));
      return ended.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0) === 2;
    });
    if (!done) continue;
    expect(await service.stop()).toBe(0);
    return text;
  }
}

async function sendHttp(base: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [{}] }] }] });
  const statusOf = async (path: string, init: RequestInit) =>
    (await fetch(`${base}${path}`, init)).status;
  expect(await statusOf("/v1/logs", { method: "POST", headers, body })).toBe(200);
  expect(await statusOf("/v1/logs", { method: "POST", headers, body: "{" })).toBe(400);
  expect(await statusOf("/nobody/serves/this", {})).toBe(404);
}

async function sendGrpc(endpoint: string): Promise<void> {
  const parsed = section(grpcClientKeys).parse({ endpoint, tls: { insecure: true } });
  const client = createGrpcClient(parsed, testSettings());
  const call = (parts: readonly Uint8Array[]) =>
    client.call({
      path: exportPath,
      metadata: {},
      parts,
      byteLength: parts.reduce((sum, part) => sum + part.byteLength, 0),
      timeoutMs: 0,
      abort: new AbortController().signal,
    });
  expect((await call(logsPayload(["a"]).parts)).code).toBe(0);
  expect((await call([Buffer.from([0x0a, 0xff])])).code).not.toBe(0);
  await client.close(AbortSignal.abort());
}

describe("at level detailed", () => {
  let text: string;
  beforeAll(async () => {
    text = await scrapedAt("detailed");
  });

  /** Count by the other labels. */
  const countsOf = (name: string) =>
    Object.fromEntries(
      Array.from(text.matchAll(/^(\w+)_count\{(.*)\} (\d+)$/gmu))
        .filter(([, metric]) => metric === name)
        .map(([, , labels, count]) => [labels!, Number(count)]),
    );

  test("HTTP server: by method, route and status; an unknown path is no label", () => {
    const common = (method: string) => `http_request_method="${method}"`;
    const rest = `network_protocol_name="http",network_protocol_version="1.1",url_scheme="http"`;
    const label = (method: string, status: number, route?: string) =>
      [
        common(method),
        `http_response_status_code="${status}"`,
        ...(route === undefined ? [] : [`http_route="${route}"`]),
        rest,
      ].join();
    expect(countsOf("http_server_request_duration")).toMatchObject({
      [label("POST", 200, "/v1/logs")]: 1,
      [label("POST", 400, "/v1/logs")]: 1,
      [label("GET", 404)]: 1,
    });
    expect(text).not.toContain("nobody");
  });

  test("HTTP client: by destination, and status or kind of error", () => {
    const rest = (port: number) =>
      `network_protocol_name="http",network_protocol_version="1.1",server_address="127.0.0.1",server_port="${port}",url_scheme="http"`;
    expect(countsOf("http_client_request_duration")).toEqual({
      [`http_request_method="POST",http_response_status_code="200",${rest(httpPort())}`]: 2,
      [`error_type="BACKEND_UNAVAILABLE",http_request_method="POST",${rest(1)}`]: 2,
    });
  });

  test("gRPC server: by method and status; what the client did wrong is no error of the server", () => {
    const method = `rpc_method="${exportPath.slice(1)}"`;
    const label = (code: string) =>
      `${method},rpc_response_status_code="${code}",rpc_system_name="grpc"`;
    const counts = countsOf("rpc_server_call_duration");
    expect(counts[label("OK")]).toBe(1);
    expect(Object.values(counts)).toEqual([1, 1]);
  });

  test("gRPC client: by destination and status", () => {
    const method = `rpc_method="${exportPath.slice(1)}"`;
    expect(countsOf("rpc_client_call_duration")).toEqual({
      [`error_type="INVALID_ARGUMENT",${method},rpc_response_status_code="INVALID_ARGUMENT",rpc_system_name="grpc",server_address="127.0.0.1",server_port="${grpc.port}"`]: 2,
    });
  });

  test("in seconds, with the bounds of the semantic conventions", () => {
    for (const name of durations) {
      const lines = text.split("\n").filter((line) => line.startsWith(name));
      const sums = lines.filter((line) => line.startsWith(`${name}_sum`));
      for (const line of sums) expect(Number(line.split(" ").at(-1))).toBeLessThan(5);
      const bounds = lines.flatMap((line) => /_bucket\{.*le="([^"]+)"/u.exec(line)?.[1] ?? []);
      expect([...new Set(bounds)].slice(0, 3)).toEqual(["0.005", "0.01", "0.025"]);
      expect(bounds).toHaveLength(15 * sums.length);
    }
  });
});

test("below level detailed there are none", async () => {
  const text = await scrapedAt("normal");
  for (const name of durations) expect(text).not.toContain(name);
});
