/** Open connections, compared with what the servers themselves count. */
import { channel } from "node:diagnostics_channel";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent, createServer as createHttpServer, get } from "node:http";
import { connect as connectHttp2, createSecureServer } from "node:http2";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { ActiveConnections } from "../../../../src/instrument/system/active-connections.ts";
import { Bench } from "../../../support/instrument-points.ts";

const folder = join(__dirname, "..", "..", "..", "testdata", "tls-server");
const pem = (name: string) => readFileSync(join(folder, name));
const secure = { cert: pem("server.pem"), key: pem("server.key") };

let bench: Bench;
let measured: ActiveConnections;
let servers: Server[];
let accepted: Socket[];

beforeEach(() => {
  bench = new Bench();
  measured = new ActiveConnections(bench.meter, bench.problems);
  servers = [];
  accepted = [];
});
afterEach(async () => {
  measured[Symbol.dispose]();
  for (const socket of accepted) socket.destroy();
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
});

const open = () => bench.collect()[0]?.value;

async function listen(server: Server, at: { path: string } | { port: number } = { port: 0 }) {
  servers.push(server);
  server.on("connection", (socket: Socket) => {
    socket.on("error", () => {});
    accepted.push(socket);
  });
  server.listen({ host: "127.0.0.1", ...at });
  await once(server, "listening");
  const address = server.address();
  return typeof address === "string" ? address : (address as AddressInfo).port;
}

async function connected(client: Socket, server: Server): Promise<Socket> {
  client.on("error", () => {});
  await Promise.all([once(client, "connect"), once(server, "connection")]);
  return client;
}

/** What the servers count, once the metric says this. */
async function settled(count: number): Promise<number> {
  while (open() !== count) await new Promise((resolve) => setImmediate(resolve));
  const counts = servers.map(
    (server) => new Promise<number>((resolve) => server.getConnections((_, n) => resolve(n))),
  );
  return (await Promise.all(counts)).reduce((sum, n) => sum + n, 0);
}

test("zero from the start; of all servers, up with each connection and down with its end", async () => {
  expect(bench.collect()).toMatchObject([
    {
      metric: "repomind.server.active_connections",
      kind: "sum",
      isMonotonic: undefined,
      unit: "{connection}",
      attributes: {},
      value: 0,
    },
  ]);
  const [one, two] = [createServer(), createServer()];
  const [first, second] = [(await listen(one)) as number, (await listen(two)) as number];
  const a = await connected(connect(first, "127.0.0.1"), one);
  await connected(connect(first, "127.0.0.1"), one);
  await connected(connect(second, "127.0.0.1"), two);
  expect(await settled(3)).toBe(3);
  a.destroy();
  expect(await settled(2)).toBe(2);
  accepted[1]!.destroy();
  expect(await settled(1)).toBe(1);
  accepted[2]!.resetAndDestroy();
  expect(await settled(0)).toBe(0);
});

test("a kept HTTP connection counts once, however many requests it carries", async () => {
  const server = createHttpServer((_, response) => response.end("x"));
  const port = (await listen(server)) as number;
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  for (let i = 0; i < 3; i++) {
    const [response] = await once(get({ port, host: "127.0.0.1", agent }), "response");
    await once(response.resume(), "close");
  }
  expect(await settled(1)).toBe(1);
  server.closeAllConnections();
  expect(await settled(0)).toBe(0);
});

describe("TLS", () => {
  test("counts once", async () => {
    const server = createTlsServer(secure, (socket) => socket.on("error", () => {}));
    const port = (await listen(server)) as number;
    const client = connectTls({ port, host: "127.0.0.1", ca: pem("ca.pem") });
    await once(client, "secureConnect");
    expect(await settled(1)).toBe(1);
    client.end();
    expect(await settled(0)).toBe(0);
  });

  test("bytes that are no TLS", async () => {
    const server = createTlsServer(secure);
    const client = await connected(connect((await listen(server)) as number, "127.0.0.1"), server);
    expect(await settled(1)).toBe(1);
    client.write("GET / HTTP/1.1\r\n\r\n");
    expect(await settled(0)).toBe(0);
  });

  test("HTTP/2", async () => {
    const server = createSecureServer(secure, (_, response) => response.end("x"));
    const port = await listen(server);
    const session = connectHttp2(`https://127.0.0.1:${port}`, { ca: pem("ca.pem") });
    session.on("error", () => {});
    const stream = session.request().resume();
    await once(stream, "close");
    expect(await settled(1)).toBe(1);
    session.destroy();
    expect(await settled(0)).toBe(0);
  });
});

test("Unix sockets", async () => {
  const directory = mkdtempSync(join(tmpdir(), "connections-"));
  try {
    const server = createServer();
    const path = (await listen(server, { path: join(directory, "s") })) as string;
    const client = await connected(connect(path), server);
    expect(await settled(1)).toBe(1);
    client.destroy();
    expect(await settled(0)).toBe(0);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("connections beyond a server's limit are not counted", async () => {
  const server = createServer();
  server.maxConnections = 1;
  const port = (await listen(server)) as number;
  await connected(connect(port, "127.0.0.1"), server);
  const refused = connect(port, "127.0.0.1");
  refused.on("error", () => {});
  refused.resume();
  await once(refused, "close");
  expect(await settled(1)).toBe(1);
});

test("dispose ends the points; what closes afterwards changes nothing", async () => {
  const server = createServer();
  const client = await connected(connect((await listen(server)) as number, "127.0.0.1"), server);
  expect(await settled(1)).toBe(1);
  measured[Symbol.dispose]();
  expect(bench.collect()).toEqual([]);
  measured = new ActiveConnections(bench.meter, bench.problems);
  client.destroy();
  await once(accepted[0]!, "close");
  expect(open()).toBe(0);
});

test("a strange message on the channel is told and never thrown", () => {
  channel("net.server.socket").publish({});
  expect(bench.codes).toEqual(["system_failed"]);
  expect(open()).toBe(0);
});
