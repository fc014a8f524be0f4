import { expect, test } from "@jest/globals";
import { guardLoopback } from "../../../src/self-telemetry/loopback-guard.ts";
import type { HttpExchange } from "../../../src/transport.ts";

function ask(endpoint: string, headers: Record<string, string>): number {
  let answered = 0;
  const exchange: HttpExchange = {
    method: "GET",
    path: "/",
    query: new URLSearchParams(),
    headers: new Map(Object.entries(headers).map(([name, value]) => [name, [value]])),
    peerAddress: "127.0.0.1",
    receivedMs: 0,
    aborted: new AbortController().signal,
    body: () => Promise.resolve(new Uint8Array()),
    releaseBody() {},
    respond: (status) => void (answered = status),
    stream: () => {
      throw new Error("not expected");
    },
  };
  void guardLoopback(endpoint, (seen) => seen.respond(200, {}))(exchange);
  return answered;
}

test.each([
  ["localhost:55679", "localhost:55679", 200],
  ["localhost:55679", "LOCALHOST", 200],
  ["localhost:55679", "localhost.:1", 200],
  ["localhost:55679", "127.0.0.1:55679", 200],
  ["127.0.0.1:55679", "[::1]:55679", 200],
  ["[::1]:55679", "localhost:55679", 200],
  ["localhost:55679", "attacker.example:55679", 403],
  ["127.0.0.1:55679", "127.0.0.1.attacker.example", 403],
  ["localhost:55679", "localhost.attacker.example", 403],
  ["localhost:55679", "10.0.0.1:55679", 403],
  // Whoever opens the endpoint to a network names it as they like.
  ["0.0.0.0:55679", "monitor.example:55679", 200],
  ["10.0.0.1:55679", "monitor.example:55679", 200],
])("an endpoint %s asked as host %s answers %d", (endpoint, host, status) => {
  expect(ask(endpoint, { host })).toBe(status);
});

test.each([
  ["cross-site", 403],
  ["same-origin", 200],
  ["none", 200],
])("a browser's request that is %s answers %d", (site, status) => {
  expect(ask("localhost:1777", { host: "localhost:1777", "sec-fetch-site": site })).toBe(status);
});
