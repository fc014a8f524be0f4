/** Express 5.3, 5.1 and 4, and 5 with a router that keeps no paths: the routes are the declared templates. */
import { afterEach, describe, expect, jest, test } from "@jest/globals";
import type express from "express";
import type { Express, NextFunction, Request, Response, Router } from "express";
import {
  active,
  counted,
  durations,
  expectedLines,
  linesOf,
  mixed,
  named,
  type Sent,
  Traffic,
} from "../../../support/http-traffic.ts";

type Framework = typeof express;

const express53 = require("express") as Framework;
const express51 = require("express51") as Framework;
const express4 = require("express4") as Framework;

interface Version {
  readonly name: string;
  readonly framework: Framework;
  /** The rest of a path, as it is declared. */
  readonly rest: string;
  /** Promises that reject are errors. */
  readonly isAsync: boolean;
  /** The router tells which layer answered, and which errors it saw. */
  readonly isTelling: boolean;
  prepare(app: Express): void;
}

interface Stack {
  readonly stack?: {
    rawPath?: unknown;
    readonly handle: Stack & { readonly router?: Stack };
  }[];
}
/** Before 2.3 the router kept no paths. */
function forgetPaths({ stack = [] }: Stack): void {
  for (const layer of stack) {
    delete layer.rawPath;
    forgetPaths(layer.handle);
  }
}

const express5 = { rest: "/*rest", isAsync: true, isTelling: true, prepare: () => {} };
const versions: Version[] = [
  { ...express5, name: "Express 5.3", framework: express53 },
  { ...express5, name: "Express 5.1", framework: express51 },
  {
    ...express5,
    name: "Express 5.1, router 2.2",
    framework: express51,
    prepare: (app) => forgetPaths(app.router as unknown as Stack),
  },
  {
    ...express5,
    name: "Express 4",
    framework: express4,
    rest: "/*",
    isAsync: false,
    isTelling: false,
  },
];

type Handler = (request: Request, response: Response, next: NextFunction) => unknown;
const ok: Handler = (_, response) => response.send("ok");
const pass: Handler = (_request, _response, next) => next();
const throws: Handler = () => {
  throw new Error("thrown");
};
const fails: Handler = (_request, _response, next) => next(new Error("handed on"));

/** Nested and parameterised mounts, and every way to declare a route. */
function application({ framework, rest, isAsync }: Version): Express {
  const rejects: Handler = isAsync
    ? () => Promise.reject(new Error("rejected"))
    : async (_request, _response, next) => next(await Promise.resolve(new Error("rejected")));
  const app = framework();
  app.all(`/guarded${rest}`, pass);
  app.get("/", ok);
  app.get("/repos", ok);
  app.get(["/a/:x", "/b/:y"], ok);
  app.get(/^\/files\/(\d+)$/u, ok);
  app.all("/any/:what", ok);
  app.get("/skip/:x", (_request, _response, next) => next("route"), throws);
  app.get("/skip/:y", ok);

  const repos = framework.Router({ mergeParams: true });
  repos.param("id", (_request, _response, next, id) =>
    next(id === "broken" ? new Error("param") : undefined),
  );
  repos.get("/", ok);
  repos.get("/:id", ok);
  repos.route("/:id/issues").get(ok).post(ok);
  repos.get("/:id/throws", throws);
  repos.get("/:id/rejects", rejects);
  repos.get("/:id/fails", pass, fails);
  repos.get(`/:id/tree${rest}`, ok);
  repos.use((request, response, next) =>
    request.path === "/x/unrouted" ? response.send("a middleware answers") : next(),
  );
  const orgs = framework.Router();
  orgs.use((request, response, next) =>
    request.headers.authorization === "none" ? response.sendStatus(401) : next(),
  );
  orgs.get("/", ok);
  orgs.use("/repos", repos);
  app.use("/orgs/:org", orgs);

  const things = framework.Router();
  things.get("/things/:id", ok);
  things.get("/throws", throws);
  app.use(["/v1", "/v2/:tenant"], things);
  app.use("/left", things);
  app.use("/right/:side/", things);

  const numbered = framework.Router();
  numbered.get("/in", ok);
  app.use(/^\/rx/u, numbered);

  const users = framework();
  users.get("/users/:id", ok);
  users.get("/throws", throws);
  const admin = framework();
  admin.get("/", ok);
  admin.use("/area/:area", users);
  app.use("/admin/:tenant", admin);
  return app;
}

function requestsFor({ rest }: Version): Sent[] {
  const get = (path: string, route: string | undefined, status = 200): Sent => ({
    path,
    route,
    status,
  });
  const repos = "/orgs/:org/repos";
  return [
    get("/", "/"),
    get("/repos?q=1", "/repos"),
    get("/a/1", "/a/:x"),
    get("/b/2", "/b/:y"),
    get("/files/17", String(/^\/files\/(\d+)$/u)),
    get("/any/1", "/any/:what"),
    { ...get("/any/2", "/any/:what"), method: "DELETE" },
    get("/skip/1", "/skip/:y"),
    get("/orgs/acme", "/orgs/:org"),
    get("/orgs/globex", "/orgs/:org"),
    get("/orgs/acme/repos", repos),
    get("/orgs/acme/repos/1", `${repos}/:id`),
    get("/ORGS/acme/Repos/2/", `${repos}/:id`),
    get("/orgs/orgs/repos/repos", `${repos}/:id`),
    get("/orgs/a%2Fb/repos/x%20y?z=1", `${repos}/:id`),
    get("/orgs/acme/repos/1/issues", `${repos}/:id/issues`),
    { ...get("/orgs/acme/repos/1/issues", `${repos}/:id/issues`), method: "POST" },
    { ...get("/orgs/acme/repos/1/issues", `${repos}/:id/issues`), method: "HEAD" },
    { ...get("/orgs/acme/repos/1/issues", undefined, 404), method: "DELETE" },
    get("/orgs/acme/repos/1/throws", `${repos}/:id/throws`, 500),
    get("/orgs/acme/repos/1/rejects", `${repos}/:id/rejects`, 500),
    get("/orgs/acme/repos/1/fails", `${repos}/:id/fails`, 500),
    get("/orgs/acme/repos/broken", `${repos}/:id`, 500),
    get("/orgs/acme/repos/1/tree/a/b", `${repos}/:id/tree${rest}`),
    get("/orgs/acme/repos/x/unrouted", undefined),
    { ...get("/orgs/acme/repos/1", undefined, 401), headers: { authorization: "none" } },
    get("/v1/things/1", "/v1/things/:id"),
    get("/v2/t/things/1", "/v2/:tenant/things/:id"),
    get("/v2/t/throws", "/v2/:tenant/throws", 500),
    get("/left/things/1", "/left/things/:id"),
    get("/right/r/things/1", "/right/:side/things/:id"),
    get("/right/r/throws", "/right/:side/throws", 500),
    get("/admin/t", "/admin/:tenant"),
    get("/admin/t/area/b/users/1", "/admin/:tenant/area/:area/users/:id"),
    get("/admin/t/area/b/throws", "/admin/:tenant/area/:area/throws", 500),
    get("/nowhere", undefined, 404),
    get("/orgs/acme/nowhere/1", undefined, 404),
    get("/guarded/a", undefined, 404),
    get("/orgs/%E0%A4%A/repos/1", undefined, 400),
  ];
}

/** Thousands of requests on a machine that may be busy. */
jest.setTimeout(30_000);

let traffic: Traffic;
afterEach(async () => traffic[Symbol.asyncDispose]());

describe.each(versions)("$name", (version) => {
  const { framework, isTelling } = version;

  test("1,000 mixed requests: the routes are the declared templates, the counts those of the requests", async () => {
    traffic = new Traffic();
    const app = application(version);
    version.prepare(app);
    await traffic.listen(app);
    const kinds = requestsFor(version);
    if (version.name !== "Express 5.1, router 2.2") {
      kinds.push({ path: "/rx/in", route: `${String(/^\/rx/u)}/in`, status: 200 });
    }
    // What an application hides behind `app.use(path, other)` is seen from the first answer on.
    const first = kinds.filter(({ path }) => path === "/admin/t/area/b/users/1");
    const sent = [...first, ...mixed(kinds, 999)];
    const statuses = [await traffic.send(sent[0]!), ...(await traffic.sendAll(sent.slice(1)))];
    expect(statuses).toEqual(sent.map(({ status }) => status));
    const points = await traffic.end();
    expect(linesOf(points)).toEqual(expectedLines(sent));
    expect(counted(durations(points))).toBe(1000);
    expect(counted(named(points, "repomind.api.request.latency"))).toBe(1000);
    expect(active(points)).toBe(0);
    expect(traffic.bench.said).toEqual([]);
  });

  test("an error handler that answers keeps the route, also with a 404", async () => {
    traffic = new Traffic();
    const app = framework();
    const router: Router = framework.Router();
    router.get("/:id/gone", (_request, _response, next) => next(new Error("gone")));
    router.get("/:id/fails", fails);
    app.use("/orgs/:org", router);
    app.use((error: Error, _request: Request, response: Response, _next: NextFunction) =>
      response.status(error.message === "gone" ? 404 : 503).send("error"),
    );
    version.prepare(app);
    await traffic.listen(app);
    const sent: Sent[] = [
      { path: "/orgs/a/1/gone", route: "/orgs/:org/:id/gone", status: 404 },
      { path: "/orgs/a/1/fails", route: "/orgs/:org/:id/fails", status: 503 },
    ];
    await traffic.sendAll(sent);
    expect(linesOf(await traffic.end())).toEqual(expectedLines(sent));
  });

  test("a route that passes on and a 404 by a last middleware", async () => {
    traffic = new Traffic();
    const app = framework();
    app.all(`/guarded${version.rest}`, pass);
    app.get("/own/:id", (_, response) => response.sendStatus(404));
    app.use((_, response) => response.status(404).send("nothing here"));
    await traffic.listen(app);
    const guarded = isTelling ? undefined : `/guarded${version.rest}`;
    const sent: Sent[] = [
      { path: "/guarded/a", route: guarded, status: 404 },
      { path: "/nowhere", route: undefined, status: 404 },
      { path: "/own/1", route: "/own/:id", status: 404 },
    ];
    await traffic.sendAll(sent);
    expect(linesOf(await traffic.end())).toEqual(expectedLines(sent));
  });

  test("routes that are added later, and routers that nothing leads to", async () => {
    traffic = new Traffic();
    const app = framework();
    const hidden = framework.Router();
    hidden.get("/in/:id", ok);
    hidden.get("/throws", throws);
    app.use("/hidden", (request, response, next) => hidden(request, response, next));
    app.get("/first", ok);
    await traffic.listen(app);
    await traffic.send({ path: "/first" });
    app.get("/later/:id", ok);
    await traffic.send({ path: "/later/1" });
    await traffic.send({ path: "/hidden/in/1" });
    await traffic.send({ path: "/hidden/throws" });
    expect(linesOf(await traffic.end())).toEqual({
      "GET (none) 500 500": 1,
      "GET /first 200 -": 1,
      "GET /hidden/in/:id 200 -": 1,
      "GET /later/:id 200 -": 1,
    });
  });

  test("an application behind `app.use(path, other)` that fails before its first answer", async () => {
    traffic = new Traffic();
    const app = framework();
    const inner = framework();
    inner.get("/maybe/:id", ({ params }, response, next) =>
      params["id"] === "bad" ? next(new Error("bad")) : response.send("ok"),
    );
    app.use("/of/:tenant", inner);
    version.prepare(app);
    await traffic.listen(app);
    for (const id of ["bad", "good", "bad"]) await traffic.send({ path: `/of/t/maybe/${id}` });
    expect(linesOf(await traffic.end())).toEqual({
      "GET (none) 500 500": 1,
      "GET /of/:tenant/maybe/:id 200 -": 1,
      "GET /of/:tenant/maybe/:id 500 500": 1,
    });
  });

  test("applications and routers in routers, several places, lists of mounts", async () => {
    traffic = new Traffic();
    const app = framework();
    const inner = framework();
    inner.get("/x/:id", ok);
    app.use(["/one", "/two/:t"], inner);
    const router = framework.Router();
    const within = framework();
    within.get("/y", ok);
    router.use("/within", within);
    router.get("/z", ok);
    app.use("/r/:r", router);
    version.prepare(app);
    await traffic.listen(app);
    const isUnknown = version.name === "Express 5.1, router 2.2";
    const sent: Sent[] = [
      { path: "/r/1/z", route: "/r/:r/z", status: 200 },
      { path: "/one/x/1", route: isUnknown ? undefined : "/one/x/:id", status: 200 },
      { path: "/two/2/x/1", route: isUnknown ? undefined : "/two/:t/x/:id", status: 200 },
      { path: "/r/1/within/y", route: "/r/:r/within/y", status: 200 },
    ];
    for (const each of sent) await traffic.send(each);
    expect(linesOf(await traffic.end())).toEqual(expectedLines(sent));
  });

  test("routes that are made for each request are soon no longer searched for, and bounded", async () => {
    traffic = new Traffic({ maxRoutes: 10 });
    const app = framework();
    let walks = 0;
    app.use("/of/:user", (request, response, next) => {
      const router = framework.Router();
      router.get("/x", ok);
      router(request, response, next);
    });
    const counting = framework.Router();
    const { stack } = counting;
    Object.defineProperty(counting, "stack", {
      get: () => {
        walks++;
        return stack;
      },
    });
    counting.get("/y", ok);
    app.use("/counting", counting);
    walks = 0;
    await traffic.listen(app);
    const sent = Array.from(
      { length: 300 },
      (_, i): Sent => ({ path: `/of/${i}/x`, route: undefined, status: 200 }),
    );
    await traffic.sendAll(sent);
    const points = await traffic.end();
    expect(walks).toBeLessThanOrEqual(200);
    expect(counted(durations(points))).toBe(300);
    expect(new Set(durations(points).map(({ attributes }) => attributes["http.route"])).size).toBe(
      11,
    );
  });

  test("a middleware that rewrites the URL; a router within itself", async () => {
    traffic = new Traffic();
    const app = framework();
    app.use((request, _response, next) => {
      request.url = request.url.replace("/old", "/v1");
      next();
    });
    const router = framework.Router();
    router.get("/things/:id", ok);
    router.use("/deeper", router);
    app.use(["/v1", "/v2"], router);
    await traffic.listen(app);
    for (const path of ["/v2/things/1", "/old/things/1", "/v2/deeper/things/1"]) {
      expect(await traffic.send({ path })).toBe(200);
    }
    expect(linesOf(await traffic.end())).toEqual({
      "GET /v1/things/:id 200 -": 1,
      "GET /v2/deeper/things/:id 200 -": 1,
      "GET /v2/things/:id 200 -": 1,
    });
    expect(traffic.bench.said).toEqual([]);
  });

  test("200 aborts: before the headers, mid-stream, pipelined, by destroy; in routes below mounts", async () => {
    traffic = new Traffic();
    const app = framework();
    const router = framework.Router();
    let begun = 0;
    const allBegun = Promise.withResolvers<void>();
    const count: Handler = (_request, _response, next) => {
      if (++begun === 200) allBegun.resolve();
      next();
    };
    router.get("/:id/silent", count, () => {});
    router.get("/:id/stream", count, (_, response) => {
      response.write("x".repeat(1000));
    });
    router.get("/:id/destroyed", count, (_, response) => {
      response.destroy();
    });
    app.use("/orgs/:org", router);
    await traffic.listen(app);
    const text = (name: string) => `GET /orgs/a/1/${name} HTTP/1.1\r\nhost: x\r\n\r\n`;
    const sockets = ["silent", "stream", "destroyed"].flatMap((name) =>
      Array.from({ length: 50 }, () => traffic.connect(text(name))),
    );
    for (let i = 0; i < 10; i++) sockets.push(traffic.connect(text("silent").repeat(5)));
    await allBegun.promise;
    for (const socket of sockets) socket.destroy();
    const points = await traffic.end();
    expect(linesOf(points)).toEqual({
      "GET /orgs/:org/:id/destroyed (none) aborted": 50,
      "GET /orgs/:org/:id/silent (none) aborted": 100,
      "GET /orgs/:org/:id/stream (none) aborted": 50,
    });
    expect(active(points)).toBe(0);
  });
});

describe("what the application says", () => {
  test("setRoute and the option come before the framework's route", async () => {
    const { setRoute } = await import("../../../../src/instrument/http/requests.ts");
    traffic = new Traffic({
      route: ({ url }) => (url === "/asked" || url === "/both" ? "/by-option" : undefined),
    });
    const app = express53();
    app.get("/:any", (request, response) => {
      if (request.path === "/set" || request.path === "/both") setRoute(request, "/by-call");
      response.send("ok");
    });
    await traffic.listen(app);
    for (const path of ["/set", "/asked", "/both", "/neither"]) await traffic.send({ path });
    expect(linesOf(await traffic.end())).toEqual({
      "GET /:any 200 -": 1,
      "GET /by-call 200 -": 2,
      "GET /by-option 200 -": 1,
    });
  });

  test("what cannot be read is told once and reaches nobody", async () => {
    traffic = new Traffic();
    const app = express53();
    app.get("/ok", ok);
    app.get("/odd", (request, response) => {
      Object.defineProperty(request, "route", {
        get: () => {
          throw new Error("odd");
        },
      });
      response.send("ok");
    });
    await traffic.listen(app);
    for (const path of ["/odd", "/odd", "/ok"]) expect(await traffic.send({ path })).toBe(200);
    const points = await traffic.end();
    expect(linesOf(points)).toEqual({ "GET (none) 200 -": 2, "GET /ok 200 -": 1 });
    expect(active(points)).toBe(0);
    expect(traffic.bench.codes).toEqual(["http_failed"]);
  });

  test("a `route` of another kind on the request is not taken for Express's", async () => {
    traffic = new Traffic();
    await traffic.listen((request, response) => {
      Object.assign(request, { route: request.url === "/a" ? "/a" : { path: "/b" } });
      response.end();
    });
    await traffic.send({ path: "/a" });
    await traffic.send({ path: "/b" });
    expect(linesOf(await traffic.end())).toEqual({ "GET (none) 200 -": 2 });
  });
});
