import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { parseGrpcEndpoint } from "../../../src/config/fragments/grpc-endpoint.ts";
import { runCall } from "../../../src/net/grpc-call.ts";
import { GrpcChannel } from "../../../src/net/grpc-channel.ts";
import { createResolver, type Resolver } from "../../../src/net/resolver.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { portOf } from "../../support/grpc-backend.ts";
import { answerGrpc, type H2Backend, startH2Backend } from "../../support/h2-backend.ts";

const never = new AbortController().signal;
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function backend(): Promise<H2Backend> {
  const server = await startH2Backend((stream) => answerGrpc(stream));
  closers.push(() => server.kill());
  return server;
}

/** Names the ports that the list holds at the time. */
function listResolver(ports: number[]): Resolver & { asked: number } {
  return {
    isStatic: false,
    asked: 0,
    resolve() {
      this.asked++;
      return Promise.resolve(
        ports.map((port) => ({ key: `127.0.0.1:${port}`, host: "127.0.0.1", port })),
      );
    },
  };
}

function channel(
  resolver: Resolver,
  balancer: "pick_first" | "round_robin",
  clock: FakeClock,
): GrpcChannel {
  const made = new GrpcChannel({
    clock,
    resolver,
    balancer,
    tls: () => Promise.resolve(undefined),
    maxMemoryMb: 64,
  });
  closers.push(() => made.close(AbortSignal.abort()));
  return made;
}

async function call(target: GrpcChannel, clock: FakeClock): Promise<number> {
  const session = target.pick() ?? (await target.wait(false, never));
  const headers = { ":method": "POST", ":path": "/s/M", "content-type": "application/grpc" };
  const chunks = [Buffer.alloc(5)];
  const options = {
    headers,
    chunks,
    clock,
    deadlineMs: undefined,
    abort: never,
    maxResponseBytes: 100,
  };
  return (await runCall(session, options)).code;
}

/** Calls until each of the servers has had one; connections to all of them take a moment. */
async function callUntilAllServed(
  target: GrpcChannel,
  clock: FakeClock,
  servers: H2Backend[],
): Promise<void> {
  while (!servers.every((server) => server.streams.length > 0)) {
    expect(await call(target, clock)).toBe(0);
  }
}

test("round_robin uses all addresses in turn, one connection each", async () => {
  const clock = new FakeClock();
  const servers = [await backend(), await backend(), await backend()];
  const target = channel(listResolver(servers.map((server) => server.port)), "round_robin", clock);
  await callUntilAllServed(target, clock, servers);
  const before = servers.map((server) => server.streams.length);
  for (let i = 0; i < 9; i++) expect(await call(target, clock)).toBe(0);
  expect(servers.map((server, index) => server.streams.length - before[index]!)).toEqual([3, 3, 3]);
  expect(servers.map((server) => server.sessions.length)).toEqual([1, 1, 1]);
});

test("pick_first stays with the first address that works", async () => {
  const clock = new FakeClock();
  const dead = createServer();
  await new Promise<void>((resolve) => dead.listen(0, "127.0.0.1", resolve));
  const deadPort = portOf(dead);
  await new Promise((resolve) => dead.close(resolve));
  const servers = [await backend(), await backend()];
  const ports = [deadPort, ...servers.map((server) => server.port)];
  const target = channel(listResolver(ports), "pick_first", clock);
  for (let i = 0; i < 4; i++) expect(await call(target, clock)).toBe(0);
  expect(servers.map((server) => server.streams.length)).toEqual([4, 0]);
});

test("after a lost connection the name is resolved anew: a backend that moved is found", async () => {
  const clock = new FakeClock();
  const [old, moved] = [await backend(), await backend()];
  const ports = [old.port];
  const resolver = listResolver(ports);
  const target = channel(resolver, "round_robin", clock);
  expect(await call(target, clock)).toBe(0);
  ports[0] = moved.port;
  old.sessions[0]!.goaway(0);
  while (target.pick() !== undefined) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(1000);
  expect(await call(target, clock)).toBe(0);
  expect(moved.streams).toHaveLength(1);
  expect(resolver.asked).toBe(2);
});

test("with round_robin the others serve while one is down, and a new address joins", async () => {
  const clock = new FakeClock();
  const servers = [await backend(), await backend()];
  const ports = servers.map((server) => server.port);
  const target = channel(listResolver(ports), "round_robin", clock);
  await callUntilAllServed(target, clock, servers);
  await servers[0]!.kill();
  for (let i = 0; i < 5; i++) expect([0, 14]).toContain(await call(target, clock));
  for (let i = 0; i < 5; i++) expect(await call(target, clock)).toBe(0);
  const joined = await backend();
  ports[0] = joined.port;
  await clock.advance(20_000);
  await callUntilAllServed(target, clock, [joined]);
});

test("a server that takes connections and drops every call is a failing one", async () => {
  const clock = new FakeClock();
  const server = await startH2Backend((stream) => stream.session?.destroy());
  closers.push(() => server.kill());
  const target = channel(listResolver([server.port]), "round_robin", clock);
  expect(await call(target, clock)).toBe(14);
  while (target.pick() !== undefined) await new Promise((resolve) => setImmediate(resolve));
  await expect(target.wait(false, never)).rejects.toThrow("connection error");
  expect(server.sessions).toHaveLength(1);
  await clock.advance(1200);
  expect(await call(target, clock)).toBe(14);
  expect(server.sessions).toHaveLength(2);
});

test("close waits for calls on an address that is named no more", async () => {
  const clock = new FakeClock();
  const old = await startH2Backend(() => {});
  closers.push(() => old.kill());
  const ports = [old.port];
  const target = channel(listResolver(ports), "round_robin", clock);
  const running = call(target, clock);
  await old.arrived(1);
  ports[0] = (await backend()).port;
  old.sessions[0]!.goaway(0);
  while (target.pick() !== undefined) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(1000);
  expect(await call(target, clock)).toBe(0);
  const order: string[] = [];
  const closing = target.close(never).then(() => order.push("closed"));
  await clock.advance(1000);
  answerGrpc(old.streams[0]!);
  order.push(`answered ${await running}`);
  // The channel hears of the end of a call from whoever made it.
  target.callEnded();
  await closing;
  expect(order).toEqual(["answered 0", "closed"]);
});

test("the wait between attempts grows to at most 10 s", async () => {
  const clock = new FakeClock();
  const server = createServer((socket) => socket.destroy());
  const attempts: unknown[] = [];
  server.on("connection", (socket) => attempts.push(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  const target = channel(listResolver([portOf(server)]), "round_robin", clock);
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    await expect(target.wait(false, never)).rejects.toThrow("connection error");
    const before = attempts.length;
    let waitedMs = 0;
    while (attempts.length === before) {
      await clock.advance(250);
      waitedMs += 250;
      await target.wait(false, never).catch(() => {});
    }
    waits.push(waitedMs);
  }
  expect(waits[0]!).toBeLessThanOrEqual(1250);
  expect(Math.max(...waits)).toBeLessThanOrEqual(12_000);
  expect(Math.min(...waits.slice(6))).toBeGreaterThanOrEqual(7000);
});

const resolveKeys = async (text: string) => {
  const endpoint = parseGrpcEndpoint(text);
  if (typeof endpoint === "string") throw new Error(endpoint);
  return (await createResolver(endpoint).resolve()).map((address) => address.key);
};

test("names of the hosts file resolve, IP addresses and sockets stay as they are", async () => {
  expect(await resolveKeys("localhost:1")).toContain("127.0.0.1:1");
  expect(await resolveKeys("[::1]:2")).toEqual(["[::1]:2"]);
  expect(await resolveKeys("10.0.0.1:3")).toEqual(["10.0.0.1:3"]);
  expect(await resolveKeys("unix:///a/b")).toEqual(["unix:/a/b"]);
});

/** A DNS server (RFC 1035) that answers every A question with these addresses, and knows no others. */
async function dnsServer(addresses: readonly string[]): Promise<string> {
  const socket = createSocket("udp4");
  socket.on("message", (query, peer) => {
    const end = query.indexOf(0, 12) + 5;
    const isA = query.readUInt16BE(end - 4) === 1;
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(addresses.length > 0 ? 0x81_80 : 0x81_83, 2);
    header.writeUInt16BE(isA ? addresses.length : 0, 6);
    header.writeUInt32BE(0, 8);
    // The question's name by reference, A, IN, no time to live, 4 bytes.
    const records = addresses.map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]),
    );
    const reply = [header, query.subarray(12, end), ...(isA ? records : [])];
    socket.send(Buffer.concat(reply), peer.port, peer.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  closers.push(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  return `127.0.0.1:${socket.address().port}`;
}

test("dns://server/name asks that server, for both families", async () => {
  const server = await dnsServer(["127.0.0.1", "127.0.0.2", "127.0.0.1"]);
  expect(await resolveKeys(`dns://${server}/backend.test:4317`)).toEqual([
    "127.0.0.1:4317",
    "127.0.0.2:4317",
  ]);
  const empty = await dnsServer([]);
  await expect(resolveKeys(`dns://${empty}/backend.test:4317`)).rejects.toThrow("ENOTFOUND");
});

test("dns:/// asks the system", async () => {
  expect(await resolveKeys("dns:///localhost:1")).toContain("127.0.0.1:1");
});
