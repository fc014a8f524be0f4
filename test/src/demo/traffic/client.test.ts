/** The traffic source's client: it knows what became of a request. */
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { systemClock } from "../../../../src/clock.ts";
import { Client, type Sent } from "../../../../src/demo/traffic/client.ts";
import { FakeClock } from "../../../support/fake-clock.ts";

let server: Server;
let client: Client;

async function serve(listener: RequestListener, clock = new FakeClock()): Promise<Client> {
  server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  client = new Client((server.address() as AddressInfo).port, clock);
  return client;
}
afterEach(() => {
  client.close();
  server.close();
  server.closeAllConnections();
});

const list: Sent = { method: "GET", path: "/repos", route: "/repos" };

test("an answered request has its status and the bytes of its body", async () => {
  const seen: unknown[] = [];
  await serve((request, response) => {
    request.setEncoding("utf8").on("data", (body) => seen.push(body));
    request.on("end", () => {
      seen.push(request.method, request.url, request.headers["x-demo-fault"]);
      response.writeHead(201).end("four");
    });
  });
  const ask = {
    method: "POST",
    path: "/ask",
    route: "/ask",
    body: { a: 1 },
    fault: "empty",
  } as const;
  expect(await client.send(ask)).toEqual({ kind: "answered", status: 201, bytes: 4 });
  expect(seen).toEqual([`{"a":1}`, "POST", "/ask", "empty"]);
});

test("connections are used again", async () => {
  const ports = new Set<number | undefined>();
  await serve((request, response) => {
    ports.add(request.socket.remotePort);
    response.end();
  });
  for (let i = 0; i < 3; i++) await client.send(list);
  expect(ports.size).toBe(1);
});

test("a client that goes away has written its request, and says aborted", async () => {
  const arrived = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  const clock = new FakeClock();
  await serve((request) => {
    request.socket.on("close", gone.resolve);
    arrived.resolve();
  }, clock);
  const result = client.send({ ...list, abortAfterMs: 50 });
  await arrived.promise;
  await clock.advance(49);
  await clock.advance(1);
  expect(await result).toEqual({ kind: "aborted" });
  await gone.promise;
});

test("a response that was there before is no abort", async () => {
  const clock = new FakeClock();
  await serve((_, response) => response.end(), clock);
  const result = await client.send({ ...list, abortAfterMs: 50 });
  expect(result).toMatchObject({ kind: "answered", status: 200 });
  expect(clock.pending).toBe(0);
});

test("what is neither is a failure with its reason", async () => {
  await serve((request) => request.socket.destroy());
  expect(await client.send(list)).toEqual({ kind: "failed", reason: "socket hang up" });
});

test("a response that is cut is a failure, not an abort", async () => {
  await serve((_, response) => {
    response.writeHead(200, { "content-length": "10" });
    response.write("four", () => response.destroy());
  });
  expect(await client.send(list)).toMatchObject({ kind: "failed" });
});

test("nobody listens", async () => {
  await serve(() => {});
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  const lonely = new Client(port, systemClock);
  expect(await lonely.send(list)).toEqual({
    kind: "failed",
    reason: expect.stringContaining("ECONNREFUSED"),
  });
  lonely.close();
});

test("a request without an answer ends after three minutes", async () => {
  const arrived = Promise.withResolvers<void>();
  const clock = new FakeClock();
  await serve(() => arrived.resolve(), clock);
  const result = client.send(list);
  await arrived.promise;
  await clock.advance(180_000);
  expect(await result).toEqual({ kind: "failed", reason: "timeout" });
});
