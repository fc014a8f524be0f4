/** How a gRPC server ends: what runs finishes, what is half-sent gets a moment, the signal cuts the rest. */
import { connect as connectTcp } from "node:net";
import { afterEach, expect, test } from "@jest/globals";
import { callBytes } from "../../../src/net/grpc-server-call.ts";
import type { UnaryReply } from "../../../src/transport.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import {
  eventually,
  framed,
  grpcJsCall,
  grpcJsClient,
  H2Client,
  startGrpcServer,
  success,
  type TestServer,
} from "../../support/grpc-server.ts";
import { RawH2 } from "../../support/h2-raw.ts";

const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

function gate() {
  const waiting: ((reply: UnaryReply) => void)[] = [];
  return {
    waiting,
    handler: () => new Promise<UnaryReply>((resolve) => void waiting.push(resolve)),
  };
}

function h2({ port }: TestServer): H2Client {
  const client = new H2Client(port);
  closers.push(() => client.close());
  return client;
}

/** Whether nobody listens. */
const isRefused = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connectTcp(port, "127.0.0.1");
    socket.once("connect", () => resolve(false));
    socket.once("error", () => resolve(true));
    socket.once("connect", () => socket.destroy());
  });

const never = new AbortController().signal;

test("a running call is answered, and nobody is let in any more", async () => {
  const { handler, waiting } = gate();
  const server = await startGrpcServer({ clock: new FakeClock(), handler });
  const client = grpcJsClient(`127.0.0.1:${server.port}`);
  closers.push(() => client.close());
  const call = grpcJsCall(client, Buffer.from("running"));
  await eventually(() => waiting.length === 1);
  let isClosed = false;
  const closed = server.close(never).then(() => (isClosed = true));
  expect(await isRefused(server.port)).toBe(true);
  expect(isClosed).toBe(false);
  waiting[0]!(success);
  expect((await call).error).toBeNull();
  await closed;
  expect(server.budget.usedBytes).toBe(0);
});

test("idle connections and such without a word do not keep it", async () => {
  const server = await startGrpcServer({ clock: new FakeClock() });
  const raws = [await RawH2.open(server.port), await RawH2.connect(server.port)];
  await server.close(never);
  for (const raw of raws) await raw.closed();
  expect(raws.map(({ isClosed }) => isClosed)).toEqual([true, true]);
});

test("half-sent requests get three seconds", async () => {
  const clock = new FakeClock();
  const server = await startGrpcServer({ clock });
  const client = h2(server);
  const half = client.call([framed("half-sent").subarray(0, 8)], {}, false);
  await eventually(() => server.budget.usedBytes > callBytes);
  let isClosed = false;
  const closed = server.close(never).then(() => (isClosed = true));
  await clock.advance(2000);
  expect(isClosed).toBe(false);
  await clock.advance(1000);
  await closed;
  expect((await half).code).toBeUndefined();
  await eventually(() => server.budget.usedBytes === 0);
});

test("a request that comes to its end within them is answered", async () => {
  const clock = new FakeClock();
  const server = await startGrpcServer({ clock });
  const client = h2(server);
  const stream = client.session.request({
    ":method": "POST",
    ":path": "/test.Service/Method",
    "content-type": "application/grpc",
  });
  const message = framed("half-sent");
  stream.write(message.subarray(0, 8));
  await eventually(() => server.budget.usedBytes > callBytes);
  const closed = server.close(never);
  await clock.advance(1000);
  stream.end(message.subarray(8));
  const code = new Promise((resolve) => {
    stream.on("trailers", (trailers) => resolve(trailers["grpc-status"]));
  });
  stream.resume();
  expect(await code).toBe("0");
  await closed;
});

test("the signal cuts what still runs", async () => {
  const { handler, waiting } = gate();
  const server = await startGrpcServer({ clock: new FakeClock(), handler });
  const call = h2(server).call([framed("running")]);
  await eventually(() => waiting.length === 1);
  const controller = new AbortController();
  const closed = server.close(controller.signal);
  controller.abort();
  await closed;
  expect((await call).code).toBeUndefined();
  await eventually(() => server.budget.usedBytes === 0);
  waiting[0]!(success);
});

test("closing twice is closing once", async () => {
  const server = await startGrpcServer({ clock: new FakeClock() });
  await Promise.all([server.close(never), server.close(never)]);
  expect(await isRefused(server.port)).toBe(true);
});

test("no timer is left", async () => {
  const clock = new FakeClock();
  const server = await startGrpcServer({ clock });
  const client = h2(server);
  expect((await client.call([framed("x")])).code).toBe(0);
  await server.close(never);
  expect(clock.pending).toBe(0);
});
