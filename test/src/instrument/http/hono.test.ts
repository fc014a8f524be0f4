/** Hono on node:http: base paths, routes within routes, middleware that answers, errors. */

import type { Server } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { afterEach, expect, jest, test } from "@jest/globals";
import { Hono } from "hono";
import { fetchHandler } from "../../../../src/instrument/http/fetch-handler.ts";
import { honoMiddleware } from "../../../../src/instrument/http/hono.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
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
afterEach(async () => {
  await traffic[Symbol.asyncDispose]();
  setRuntime(undefined);
});

type Fetch = Hono["fetch"];
const serve = (fetch: Fetch) => traffic.serve(createAdaptorServer({ fetch }) as Server);

function application(): Hono {
  const app = new Hono();
  app.use(honoMiddleware());
  app.onError((_, c) => c.text("error", 500));
  app.get("/", (c) => c.text("ok"));
  app.get("/fails/:id", () => {
    throw new Error("thrown");
  });
  app.get("/own-404/:id", (c) => c.notFound());
  app.get("/posts/:id{[0-9]+}", (c) => c.text("ok"));
  app.all("/any/:what", (c) => c.text("ok"));
  app.get("/files/*", (c) => c.text("ok"));
  app.use("/guarded/*", (c, next) =>
    c.req.header("authorization") === "none" ? Promise.resolve(c.text("no", 401)) : next(),
  );
  app.get("/guarded/:id", (c) => c.text("ok"));
  app.use("/rpc/*", async (c, next) => {
    if (c.req.path === "/rpc/nothing") return next();
    return c.text("a mounted handler");
  });

  const repos = new Hono();
  repos.get("/", (c) => c.text("ok"));
  repos.get("/:id", (c) => c.text("ok"));
  repos.delete("/:id", (c) => c.body(null, 204));
  const orgs = new Hono();
  orgs.onError((_, c) => c.text("of the orgs", 503));
  orgs.get("/", (c) => c.text("ok"));
  orgs.get("/fails", () => {
    throw new Error("thrown");
  });
  orgs.route("/repos", repos);
  app.route("/orgs/:org", orgs);
  const api = new Hono().basePath("/api/v1");
  api.get("/things/:id", (c) => c.text("ok"));
  app.route("/", api);
  app.get("/late/:id", (c) => c.text("ok"));
  app.use("/late/*", (c) => Promise.resolve(c.text("not reached")));
  return app;
}

const kinds: Sent[] = [
  { path: "/", route: "/", status: 200 },
  { path: "/fails/1", route: "/fails/:id", status: 500 },
  { path: "/own-404/1", route: "/own-404/:id", status: 404 },
  { path: "/posts/17?x=1", route: "/posts/:id{[0-9]+}", status: 200 },
  { path: "/any/1", method: "PATCH", route: "/any/:what", status: 200 },
  { path: "/files/a/b", route: "/files/*", status: 200 },
  { path: "/guarded/1", route: "/guarded/:id", status: 200 },
  { path: "/guarded/1", headers: { authorization: "none" }, route: "/guarded/:id", status: 401 },
  { path: "/guarded/1/2", headers: { authorization: "none" }, route: "/guarded/*", status: 401 },
  { path: "/guarded/1/2", route: undefined, status: 404 },
  { path: "/rpc/call", route: "/rpc/*", status: 200 },
  { path: "/rpc/nothing", route: undefined, status: 404 },
  { path: "/orgs/acme", route: "/orgs/:org", status: 200 },
  { path: "/orgs/acme/fails", route: "/orgs/:org/fails", status: 503 },
  { path: "/orgs/acme/repos", route: "/orgs/:org/repos", status: 200 },
  { path: "/orgs/acme/repos/1", route: "/orgs/:org/repos/:id", status: 200 },
  { path: "/orgs/acme/repos/1", method: "HEAD", route: "/orgs/:org/repos/:id", status: 200 },
  { path: "/orgs/acme/repos/1", method: "DELETE", route: "/orgs/:org/repos/:id", status: 204 },
  { path: "/api/v1/things/1", route: "/api/v1/things/:id", status: 200 },
  { path: "/late/1", route: "/late/:id", status: 200 },
  { path: "/nowhere", route: undefined, status: 404 },
  { path: "/orgs/acme/nowhere/1", route: undefined, status: 404 },
];

async function sendAll(fetch: Fetch): Promise<{ counted: unknown; expected: unknown }> {
  await serve(fetch);
  const sent = mixed(kinds, 1000);
  const statuses = await traffic.sendAll(sent);
  const points = await traffic.end();
  return {
    counted: [
      statuses,
      linesOf(points),
      counted(durations(points)),
      active(points),
      traffic.bench.said,
    ],
    expected: [sent.map(({ status }) => status), expectedLines(sent), 1000, 0, []],
  };
}

test("1,000 mixed requests: the routes are the declared templates, the counts those of the requests", async () => {
  traffic = new Traffic();
  const { counted: actual, expected } = await sendAll(application().fetch);
  expect(actual).toEqual(expected);
});

test("within fetchHandler() nothing is counted twice", async () => {
  traffic = new Traffic();
  setRuntime(traffic.bench);
  const { counted: actual, expected } = await sendAll(fetchHandler(application().fetch));
  expect(actual).toEqual(expected);
});

test("a handler for everything is a route, but not of what it does not find", async () => {
  traffic = new Traffic();
  const app = new Hono();
  app.use(honoMiddleware());
  app.get("/*", (c) => (c.req.path === "/there" ? c.text("ok") : c.notFound()));
  await serve(app.fetch);
  await traffic.send({ path: "/there" });
  await traffic.send({ path: "/not-there" });
  expect(linesOf(await traffic.end())).toEqual({ "GET (none) 404 -": 1, "GET /* 200 -": 1 });
});

test("200 aborts have their route and no status", async () => {
  traffic = new Traffic();
  const app = new Hono();
  app.use(honoMiddleware());
  const begun = Promise.withResolvers<void>();
  let count = 0;
  const begin = () => {
    if (++count === 200) begun.resolve();
  };
  app.get("/silent/:id", () => {
    begin();
    return new Promise<Response>(() => {});
  });
  app.get("/stream/:id", (c) => {
    const body = new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode("part"));
        begin();
      },
    });
    return c.body(body);
  });
  await serve(app.fetch);
  const sockets = ["silent", "stream"].flatMap((name) =>
    Array.from({ length: 100 }, () =>
      traffic.connect(`GET /${name}/1 HTTP/1.1\r\nhost: x\r\n\r\n`),
    ),
  );
  await begun.promise;
  for (const socket of sockets) socket.destroy();
  const points = await traffic.end();
  expect(linesOf(points)).toEqual({
    "GET /silent/:id (none) aborted": 100,
    "GET /stream/:id (none) aborted": 100,
  });
  expect(active(points)).toBe(0);
});

test("errors pass through it, results do not", async () => {
  const error = new Error("mine");
  await expect(honoMiddleware()({}, () => Promise.reject(error))).rejects.toBe(error);
  await expect(honoMiddleware()(undefined, async () => 7)).resolves.toBeUndefined();
});
