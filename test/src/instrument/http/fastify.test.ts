/** Fastify: every request of one that was made after the start has its route, also where no handler ran. */
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import Fastify, { type FastifyInstance } from "fastify";
import { setRoute } from "../../../../src/instrument/http/requests.ts";
import {
  active,
  counted,
  durations,
  expectedLines,
  linesOf,
  mixed,
  type Sent,
  Traffic,
} from "../../../support/http-traffic.ts";

/** Thousands of requests on a machine that may be busy. */
jest.setTimeout(30_000);

let traffic: Traffic;
let app: FastifyInstance;
afterEach(async () => {
  await traffic[Symbol.asyncDispose]();
  await app.close();
});

function declareRoutes(fastify: FastifyInstance): void {
  fastify.addHook("onRequest", async (request, reply) => {
    if (request.headers.authorization === "none") await reply.code(401).send("refused");
  });
  fastify.get("/", async () => "ok");
  const schema = { querystring: { type: "object", properties: { n: { type: "integer" } } } };
  fastify.get("/checked/:id", { schema }, async () => "ok");
  fastify.get("/fails/:id", async () => {
    throw new Error("thrown");
  });
  fastify.get("/own-404/:id", async (_, reply) => reply.code(404).send("none"));
  fastify.get("/passes/:id", (_, reply) => {
    reply.callNotFound();
  });
  fastify.get("/files/*", async () => "ok");
  fastify.get("/:id(^\\d+$)", async () => "ok");
  fastify.post("/read", async () => "ok");
  void fastify.register(
    async (orgs) => {
      orgs.setNotFoundHandler((_, reply) => void reply.code(404).send("not in this org"));
      orgs.get("/", async () => "ok");
      await orgs.register(
        async (repos) => {
          repos.get("/:id", async () => "ok");
          repos.delete("/:id", async (_, reply) => reply.code(204).send());
        },
        { prefix: "/repos" },
      );
    },
    { prefix: "/orgs/:org" },
  );
}

async function serve(made: FastifyInstance): Promise<void> {
  app = made;
  await app.listen({ port: 0, host: "127.0.0.1" });
  await traffic.serve(app.server);
}

const kinds: Sent[] = [
  { path: "/", route: "/", status: 200 },
  { path: "/checked/1?n=2", route: "/checked/:id", status: 200 },
  { path: "/checked/1?n=x", route: "/checked/:id", status: 400 },
  { path: "/checked/1", headers: { authorization: "none" }, route: "/checked/:id", status: 401 },
  { path: "/fails/1", route: "/fails/:id", status: 500 },
  { path: "/own-404/1", route: "/own-404/:id", status: 404 },
  { path: "/passes/1", route: undefined, status: 404 },
  { path: "/files/a/b", route: "/files/*", status: 200 },
  { path: "/17", route: "/:id(^\\d+$)", status: 200 },
  { path: "/orgs/acme", route: "/orgs/:org", status: 200 },
  { path: "/orgs/acme/repos/1", route: "/orgs/:org/repos/:id", status: 200 },
  { path: "/orgs/acme/repos/2", method: "HEAD", route: "/orgs/:org/repos/:id", status: 200 },
  { path: "/orgs/acme/repos/2", method: "DELETE", route: "/orgs/:org/repos/:id", status: 204 },
  { path: "/orgs/acme/nothing", route: undefined, status: 404 },
  { path: "/nowhere", route: undefined, status: 404 },
  { path: "/nowhere", headers: { authorization: "none" }, route: undefined, status: 401 },
  { path: "/%E0%A4%A", route: undefined, status: 400 },
  {
    path: "/read",
    method: "POST",
    headers: { "content-type": "application/json", "content-length": "1" },
    body: "{",
    route: "/read",
    status: 400,
  },
];

test("1,000 mixed requests: the routes are the declared templates, the counts those of the requests", async () => {
  traffic = new Traffic();
  const fastify = Fastify();
  declareRoutes(fastify);
  await serve(fastify);
  const sent = mixed(kinds, 1000);
  expect(await traffic.sendAll(sent)).toEqual(sent.map(({ status }) => status));
  const points = await traffic.end();
  expect(linesOf(points)).toEqual(expectedLines(sent));
  expect(counted(durations(points))).toBe(1000);
  expect(active(points)).toBe(0);
  expect(traffic.bench.said).toEqual([]);
});

test("one that was made before the start is measured, and named by setRoute alone", async () => {
  const before = Fastify();
  before.get("/plain/:id", (_, reply) => void reply.send("ok"));
  before.get("/named/:id", (request, reply) => {
    setRoute(request.raw, "/named/:id");
    void reply.send("ok");
  });
  traffic = new Traffic();
  await serve(before);
  await traffic.send({ path: "/plain/1" });
  await traffic.send({ path: "/named/1" });
  expect(linesOf(await traffic.end())).toEqual({
    "GET (none) 200 -": 1,
    "GET /named/:id 200 -": 1,
  });
});

test("another copy of Fastify beside it, as a dependency may bring one", async () => {
  traffic = new Traffic();
  let OtherFastify: typeof Fastify | undefined;
  jest.isolateModules(() => {
    OtherFastify = require("fastify") as typeof Fastify;
  });
  app = Fastify();
  const other = OtherFastify!();
  app.get("/own/:id", async () => "ok");
  other.get("/other/:id", async () => "ok");
  await Promise.all([app.ready(), other.ready()]);
  await traffic.listen((request, response) =>
    (request.url!.startsWith("/other") ? other : app).routing(request, response),
  );
  for (const path of ["/own/1", "/other/1", "/own/2", "/other/2"]) await traffic.send({ path });
  await other.close();
  expect(linesOf(await traffic.end())).toEqual({
    "GET /other/:id 200 -": 2,
    "GET /own/:id 200 -": 2,
  });
});

describe("one that was made during an earlier measurement", () => {
  test("names its routes again in a later one, and goes on without any", async () => {
    const earlier = new Traffic();
    const fastify = Fastify();
    fastify.get("/:id", async () => "ok");
    await earlier[Symbol.asyncDispose]();
    traffic = new Traffic();
    await serve(fastify);
    await traffic.send({ path: "/1" });
    traffic.metrics[Symbol.dispose]();
    expect(await traffic.send({ path: "/2" })).toBe(200);
    expect(linesOf(await traffic.end())).toEqual({ "GET /:id 200 -": 1 });
    expect(earlier.bench.collect()).toEqual([]);
  });

  test("after it no Fastify gets a hook", async () => {
    const earlier = new Traffic();
    await earlier[Symbol.asyncDispose]();
    app = Fastify();
    traffic = new Traffic();
    app.get("/:id", async () => "ok");
    await traffic.serve(app.server);
    await app.ready();
    await traffic.send({ path: "/1" });
    expect(linesOf(await traffic.end())).toEqual({ "GET (none) 200 -": 1 });
  });
});

test("200 aborts have their route, no status, and leave nothing active", async () => {
  traffic = new Traffic();
  const fastify = Fastify();
  let begun = 0;
  const allBegun = Promise.withResolvers<void>();
  const begin = () => {
    if (++begun === 200) allBegun.resolve();
  };
  fastify.get("/silent/:id", () => {
    begin();
    return new Promise(() => {});
  });
  fastify.get("/stream/:id", (_, reply) => {
    reply.hijack();
    reply.raw.write("x".repeat(100));
    begin();
  });
  fastify.get("/destroyed/:id", (_, reply) => {
    reply.hijack();
    reply.raw.destroy();
    begin();
  });
  await serve(fastify);
  const text = (name: string) => `GET /${name}/1 HTTP/1.1\r\nhost: x\r\n\r\n`;
  const sockets = ["silent", "stream", "destroyed"].flatMap((name) =>
    Array.from({ length: 50 }, () => traffic.connect(text(name))),
  );
  for (let i = 0; i < 10; i++) sockets.push(traffic.connect(text("silent").repeat(5)));
  await allBegun.promise;
  for (const socket of sockets) socket.destroy();
  const points = await traffic.end();
  expect(linesOf(points)).toEqual({
    "GET /destroyed/:id (none) aborted": 50,
    "GET /silent/:id (none) aborted": 100,
    "GET /stream/:id (none) aborted": 50,
  });
  expect(active(points)).toBe(0);
});
