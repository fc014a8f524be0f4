/** Which service the demo uses. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { findOrStartService, type ServiceSettings } from "../../../src/demo/service.ts";
import { withEnvironment } from "../../support/environment.ts";

let server: Server | undefined;
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
  server = undefined;
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const settings = (endpoint: string): ServiceSettings => ({
  endpoint,
  scrapeUrl: undefined,
  configs: [],
  sets: [],
});

test("one that answers OTLP is used as it is, and asked with an empty request", async () => {
  const seen: unknown[] = [];
  const endpoint = await serve((request, response) => {
    seen.push([request.method, request.url, request.headers["content-type"]]);
    request.resume().on("end", () => response.writeHead(200).end());
  });
  const found = await findOrStartService(settings(endpoint));
  expect(found).toEqual({
    endpoint,
    scrapeUrl: "http://127.0.0.1:9090/metrics",
    hasShippedPipelines: false,
    own: undefined,
  });
  expect(seen).toEqual([["POST", "/v1/metrics", "application/x-protobuf"]]);
  const scrapeUrl = "http://127.0.0.1:1234/m";
  expect(await findOrStartService({ ...settings(endpoint), scrapeUrl })).toMatchObject({
    scrapeUrl,
  });
  await withEnvironment({ TELEMETRY_PORT: "9191" }, async () => {
    const moved = await findOrStartService(settings(endpoint));
    expect(moved.scrapeUrl).toBe("http://127.0.0.1:9191/metrics");
  });
});

test("something else at its port is told, with the remedy", async () => {
  const endpoint = await serve((_, response) => response.writeHead(404).end());
  await expect(findOrStartService(settings(endpoint))).rejects.toThrow(
    `what listens at ${endpoint} takes no OTLP (it answered 404): end it, or name another receiver with --endpoint URL`,
  );
});

test("something that speaks no HTTP is told as well", async () => {
  const tcp = createTcpServer((socket) => socket.end("hello\n"));
  tcp.listen(0, "127.0.0.1");
  await once(tcp, "listening");
  const endpoint = `http://127.0.0.1:${(tcp.address() as AddressInfo).port}`;
  await expect(findOrStartService(settings(endpoint))).rejects.toThrow("takes no OTLP (");
  tcp.close();
});
