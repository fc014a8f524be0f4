/** Koa with @koa/router: nested routers, prefixes, middleware that answers, errors. */

import type { RequestListener } from "node:http";
import { afterEach, expect, jest, test } from "@jest/globals";
import { Router } from "@koa/router";
import Koa from "koa";
import { koaMiddleware } from "../../../../src/instrument/http/koa.ts";
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
afterEach(async () => traffic[Symbol.asyncDispose]());

function listenerOf(app: Koa): RequestListener {
  const handle = app.callback();
  return (request, response) => void handle(request, response);
}

function application(): Koa {
  const app = new Koa();
  app.silent = true;
  app.use(koaMiddleware());

  const root = new Router();
  root.get("/", (ctx) => void (ctx.body = "ok"));
  root.get(/^\/files\/(\d+)$/u, (ctx) => void (ctx.body = "ok"));
  root.get("/fails/:id", async () => {
    throw new Error("thrown");
  });
  root.get("/refuses/:id", (ctx) => ctx.throw(403, "no"));
  root.get("/own-404/:id", (ctx) => ctx.throw(404));
  root.all("/any/:what", (ctx) => void (ctx.body = "ok"));
  root.get("/users/me", (ctx) => void (ctx.body = "ok"));
  root.get("/users/:id", (ctx) => void (ctx.body = "ok"));

  const repos = new Router({ prefix: "/repos" });
  repos.get("/", (ctx) => void (ctx.body = "ok"));
  repos.get("/:id", (ctx) => void (ctx.body = "ok"));
  repos.post("/:id/issues", (ctx) => void (ctx.status = 204));
  const orgs = new Router({ prefix: "/orgs/:org" });
  orgs.use(async (ctx, next) => {
    if (ctx.get("authorization") === "none") ctx.throw(401);
    await next();
  });
  orgs.get("/", (ctx) => void (ctx.body = "ok"));
  orgs.use(repos.routes(), repos.allowedMethods());

  const other = new Router({ prefix: "/other" });
  other.get("/:id", (ctx) => void (ctx.body = "ok"));
  for (const router of [root, orgs, other]) app.use(router.routes()).use(router.allowedMethods());
  app.use(async (ctx, next) => {
    if (ctx.path === "/unrouted") ctx.body = "ok";
    else await next();
  });
  return app;
}

const repo = "/orgs/:org/repos/:id";
const kinds: Sent[] = [
  { path: "/", route: "/", status: 200 },
  { path: "/files/17", route: String(/^\/files\/(\d+)$/u), status: 200 },
  { path: "/fails/1", route: "/fails/:id", status: 500 },
  { path: "/refuses/1", route: "/refuses/:id", status: 403 },
  { path: "/own-404/1", route: "/own-404/:id", status: 404 },
  { path: "/any/1", method: "PUT", route: "/any/:what", status: 200 },
  { path: "/users/me", route: "/users/me", status: 200 },
  { path: "/users/7?x=1", route: "/users/:id", status: 200 },
  { path: "/orgs/acme", route: "/orgs/:org", status: 200 },
  { path: "/orgs/acme/repos", route: "/orgs/:org/repos", status: 200 },
  { path: "/orgs/acme/repos/1", route: repo, status: 200 },
  { path: "/orgs/acme/repos/1", method: "HEAD", route: repo, status: 200 },
  { path: "/orgs/acme/repos/1", headers: { authorization: "none" }, route: repo, status: 401 },
  { path: "/orgs/a%2Fb/repos/x/issues", method: "POST", route: `${repo}/issues`, status: 204 },
  { path: "/other/1", route: "/other/:id", status: 200 },
  { path: "/unrouted", route: undefined, status: 200 },
  { path: "/nowhere", route: undefined, status: 404 },
  { path: "/orgs/acme/nowhere/1", route: undefined, status: 404 },
  { path: "/orgs/acme/repos/1", method: "DELETE", route: undefined, status: 405 },
];

test("1,000 mixed requests: the routes are the declared templates, the counts those of the requests", async () => {
  traffic = new Traffic();
  await traffic.listen(listenerOf(application()));
  const sent = mixed(kinds, 1000);
  expect(await traffic.sendAll(sent)).toEqual(sent.map(({ status }) => status));
  const points = await traffic.end();
  expect(linesOf(points)).toEqual(expectedLines(sent));
  expect(counted(durations(points))).toBe(1000);
  expect(active(points)).toBe(0);
  expect(traffic.bench.said).toEqual([]);
});

test("200 aborts have their route and no status", async () => {
  traffic = new Traffic();
  const app = new Koa();
  app.silent = true;
  const router = new Router({ prefix: "/orgs/:org" });
  const begun = Promise.withResolvers<void>();
  let count = 0;
  router.get("/silent", () => {
    if (++count === 200) begun.resolve();
    return new Promise<void>(() => {});
  });
  app.use(koaMiddleware()).use(router.routes());
  await traffic.listen(listenerOf(app));
  const sockets = Array.from({ length: 200 }, () =>
    traffic.connect("GET /orgs/a/silent HTTP/1.1\r\nhost: x\r\n\r\n"),
  );
  await begun.promise;
  for (const socket of sockets) socket.destroy();
  const points = await traffic.end();
  expect(linesOf(points)).toEqual({ "GET /orgs/:org/silent (none) aborted": 200 });
  expect(active(points)).toBe(0);
});

test("setRoute comes first; without a router there is no route; another router's word is taken", async () => {
  traffic = new Traffic();
  const app = new Koa();
  app.use(koaMiddleware()).use((ctx) => {
    if (ctx.path === "/set") setRoute(ctx.req, "/by-call");
    if (ctx.path !== "/none") Object.assign(ctx, { _matchedRoute: "/by-router" });
    ctx.body = "ok";
  });
  await traffic.listen(listenerOf(app));
  for (const path of ["/set", "/none", "/other"]) await traffic.send({ path });
  expect(linesOf(await traffic.end())).toEqual({
    "GET (none) 200 -": 1,
    "GET /by-call 200 -": 1,
    "GET /by-router 200 -": 1,
  });
});

test("errors and results of what follows pass through it", async () => {
  const error = new Error("mine");
  await expect(koaMiddleware()({}, () => Promise.reject(error))).rejects.toBe(error);
  await expect(koaMiddleware()(undefined, async () => 7)).resolves.toBeUndefined();
});
