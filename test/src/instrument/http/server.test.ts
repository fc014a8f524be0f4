/** Servers of node:http, measured by the channels, against clients that behave and that do not. */
import { readFileSync } from "node:fs";
import {
  Agent,
  createServer,
  get,
  type IncomingMessage,
  request as open,
  type RequestListener,
  type Server,
} from "node:http";
import { createServer as createTlsServer, get as getSecurely } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { setErrorType, setRoute } from "../../../../src/instrument/http/requests.ts";
import { HttpServerMetrics } from "../../../../src/instrument/http/server.ts";
import { Problems } from "../../../../src/instrument/problems.ts";
import type { HttpOptions } from "../../../../src/instrument/types.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

let bench: Bench;
let metrics: HttpServerMetrics | undefined;
let server: Server | undefined;
let port = 0;
let closed = 0;
const onClosed = new Set<() => void>();

/** A measured server; what its connections do is awaited by `allClosed`. */
async function serve(handler: RequestListener, options: HttpOptions = {}): Promise<void> {
  metrics = new HttpServerMetrics(bench.meter, options, new Problems((p) => bench.said.push(p)));
  server = createServer(handler);
  server.on("connection", (socket) => {
    // Registered with the connection, so before the listener under test: it is told a turn later.
    socket.on("close", () =>
      setImmediate(() => {
        closed++;
        for (const wake of onClosed) wake();
        onClosed.clear();
      }),
    );
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
}

async function connectionsClosed(count: number): Promise<void> {
  while (closed < count) await new Promise<void>((resolve) => onClosed.add(resolve));
}

async function fetchText(path: string, method = "GET"): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: { connection: "close" },
  });
  await response.arrayBuffer();
  return response.status;
}

const named = (points: Point[], metric: string) => points.filter((p) => p.metric === metric);
const durations = (points: Point[]) => named(points, "http.server.request.duration");
const active = (points: Point[]) =>
  named(points, "http.server.active_requests").reduce((sum, p) => sum + (p.value ?? 0), 0);
const counted = (points: Point[]) => points.reduce((sum, p) => sum + (p.count ?? 0), 0);

beforeEach(() => {
  bench = new Bench();
  closed = 0;
});
afterEach(async () => {
  metrics?.[Symbol.dispose]();
  server?.closeAllConnections();
  await new Promise((resolve) => server?.close(resolve));
});

describe("requests that are answered", () => {
  test("duration, latency and active requests, by the names that dashboards are written against", async () => {
    await serve((request, response) => {
      setRoute(request, "/repos/:id");
      response.statusCode = request.url === "/repos/broken" ? 503 : 200;
      response.end("ok");
    });
    await fetchText("/repos/1");
    await fetchText("/repos/2");
    await fetchText("/repos/broken");
    await fetchText("/repos/3", "POST");
    await connectionsClosed(4);
    const points = bench.collect();
    const base = { "http.route": "/repos/:id", "url.scheme": "http" };
    expect(durations(points).map((p) => [p.attributes, p.count])).toEqual([
      [{ ...base, "http.request.method": "GET", "http.response.status_code": 200 }, 2],
      [
        {
          ...base,
          "http.request.method": "GET",
          "http.response.status_code": 503,
          "error.type": "503",
        },
        1,
      ],
      [{ ...base, "http.request.method": "POST", "http.response.status_code": 200 }, 1],
    ]);
    expect(durations(points)[0]).toMatchObject({
      kind: "histogram",
      unit: "s",
      bounds: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    });
    const latencies = named(points, "repomind.api.request.latency");
    expect(latencies[0]).toMatchObject({ kind: "exponentialHistogram", unit: "s" });
    expect(latencies.map((p) => [p.attributes, p.count])).toEqual([
      [{ "http.route": "/repos/:id", "http.request.method": "GET" }, 3],
      [{ "http.route": "/repos/:id", "http.request.method": "POST" }, 1],
    ]);
    const opened = named(points, "http.server.active_requests");
    expect(opened.map((p) => [p.attributes, p.value, p.unit])).toEqual([
      [{ "http.request.method": "GET", "url.scheme": "http" }, 0, "{request}"],
      [{ "http.request.method": "POST", "url.scheme": "http" }, 0, "{request}"],
    ]);
  });

  test("a 404 has no route and is no error; setErrorType makes one", async () => {
    await serve((request, response) => {
      if (request.url === "/slow") setErrorType(request, "timeout");
      response.statusCode = 404;
      response.end();
    });
    await fetchText("/nowhere/42");
    await fetchText("/slow");
    await connectionsClosed(2);
    expect(durations(bench.collect()).map((p) => p.attributes)).toEqual([
      { "http.request.method": "GET", "http.response.status_code": 404, "url.scheme": "http" },
      {
        "http.request.method": "GET",
        "http.response.status_code": 404,
        "url.scheme": "http",
        "error.type": "timeout",
      },
    ]);
  });

  test("what clients and handlers choose is bounded: methods, routes, error types", async () => {
    await serve(
      (request, response) => {
        if (request.url!.startsWith("/e")) setErrorType(request, request.url!);
        else setRoute(request, request.url!);
        response.end();
      },
      { maxRoutes: 3 },
    );
    for (const method of ["PURGE", "PROPFIND"]) await fetchText("/r0", method);
    for (let i = 0; i < 6; i++) await fetchText(`/r${i}`);
    for (let i = 0; i < 20; i++) await fetchText(`/e${i}`);
    await connectionsClosed(28);
    const points = durations(bench.collect());
    const of = (key: string) => new Set(points.map((p) => p.attributes[key]));
    expect(of("http.request.method")).toEqual(new Set(["_OTHER", "GET"]));
    expect(of("http.route")).toEqual(new Set(["/r0", "/r1", "/r2", "_OTHER", undefined]));
    expect(of("error.type").size).toBe(15 + 1 + 1);
    expect(counted(points)).toBe(28);
  });

  test("statuses: the first 21, and beyond them the x00 of their class", async () => {
    await serve((request, response) => {
      response.statusCode = Number(request.url!.slice(1));
      if (request.headers["x-error"] !== undefined) setErrorType(request, "named");
      response.end();
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const ask = (status: number, headers = {}) =>
      new Promise<void>((resolve, reject) => {
        const target = { port, host: "127.0.0.1", path: `/${status}`, agent, headers };
        get(target, (response) => {
          response.resume().on("end", resolve);
        }).on("error", reject);
      });
    for (let status = 400; status < 500; status++) await ask(status);
    await ask(599);
    await ask(598);
    await ask(299, { "x-error": "1" });
    agent.destroy();
    await connectionsClosed(1);
    const points = durations(bench.collect());
    const counts = new Map(points.map((p) => [p.attributes["http.response.status_code"], p.count]));
    expect([counts.get(400), counts.get(420), counts.get(421)]).toEqual([80, 1, undefined]);
    expect([counts.get(500), counts.get(200)]).toEqual([2, 1]);
    expect(points.map((p) => p.attributes["error.type"]).filter(Boolean)).toEqual(["500", "named"]);
    expect(counted(points)).toBe(103);
  });

  test("route and ignore are asked; what they throw does not reach the server", async () => {
    await serve((_, response) => response.end(), {
      ignore: (request) => {
        if (request.url === "/throw") throw new Error("ignore");
        return request.url === "/health";
      },
      route: (request: IncomingMessage) => {
        if (request.url === "/throw") throw new Error("route");
        return request.url === "/odd" ? (7 as unknown as string) : "/asked";
      },
    });
    for (const path of ["/health", "/throw", "/odd", "/a"]) expect(await fetchText(path)).toBe(200);
    await connectionsClosed(4);
    const points = bench.collect();
    expect(durations(points).map((p) => [p.attributes["http.route"], p.count])).toEqual([
      [undefined, 2],
      ["/asked", 1],
    ]);
    expect(active(points)).toBe(0);
    expect(bench.codes).toEqual(["http_failed"]);
  });

  test("keep-alive and pipelined requests on one connection are told apart", async () => {
    await serve((request, response) => {
      setRoute(request, request.url!);
      setImmediate(() => response.end(request.url));
    });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let i = 0; i < 3; i++) {
      await new Promise<void>((resolve, reject) => {
        get({ port, host: "127.0.0.1", path: "/a", agent }, (response) => {
          response.resume().on("end", resolve);
        }).on("error", reject);
      });
    }
    agent.destroy();
    const socket = connect(port, "127.0.0.1");
    const last = "GET /b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write(`${"GET /b HTTP/1.1\r\nhost: x\r\n\r\n".repeat(4)}${last}`);
    socket.resume();
    await connectionsClosed(2);
    const points = bench.collect();
    expect(durations(points).map((p) => [p.attributes["http.route"], p.count])).toEqual([
      ["/a", 3],
      ["/b", 5],
    ]);
    expect(active(points)).toBe(0);
  });
});

test("servers of node:https, by their scheme", async () => {
  await serve(() => {});
  const folder = join(__dirname, "..", "..", "..", "testdata", "tls-server");
  const pem = (name: string) => readFileSync(join(folder, name));
  const secure = createTlsServer(
    { cert: pem("server.pem"), key: pem("server.key") },
    (_, response) => response.end(),
  );
  await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
  await new Promise<void>((resolve, reject) => {
    const target = {
      port: (secure.address() as AddressInfo).port,
      host: "127.0.0.1",
      ca: pem("ca.pem"),
    };
    getSecurely(target, (response) => {
      response.resume().on("end", resolve);
    }).on("error", reject);
  });
  secure.closeAllConnections();
  await new Promise((resolve) => secure.close(resolve));
  const points = bench.collect();
  expect(durations(points)).toMatchObject([{ count: 1, attributes: { "url.scheme": "https" } }]);
  expect(named(points, "http.server.active_requests")).toMatchObject([
    { value: 0, attributes: { "url.scheme": "https" } },
  ]);
});

describe("requests that are not answered to their end", () => {
  const aborted = (points: Point[]) => {
    expect(durations(points).map((p) => p.attributes["http.response.status_code"])).toEqual(
      durations(points).map(() => undefined),
    );
    expect(durations(points).every((p) => p.attributes["error.type"] === "aborted")).toBe(true);
    expect(active(points)).toBe(0);
    return counted(durations(points));
  };

  test("200 aborts: before headers, mid-stream, pipelined, by res.destroy", async () => {
    let sockets: Socket[] = [];
    await serve((request, response) => {
      setRoute(request, request.url!);
      if (request.url === "/destroy") response.destroy();
      if (request.url !== "/stream") return;
      response.writeHead(200);
      response.write("x".repeat(1000));
    });
    const write = (text: string) => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {});
      socket.write(text);
      sockets.push(socket);
      return socket;
    };
    const get1 = (path: string) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`;
    const begun = new Promise<void>((resolve) => {
      let requests = 0;
      server!.on("request", () => {
        if (++requests === 200) resolve();
      });
    });
    for (let i = 0; i < 50; i++) {
      write(get1("/silent"));
      write(get1("/stream")).resume();
      write(get1("/destroy")).resume();
    }
    for (let i = 0; i < 10; i++) write(get1("/pipelined").repeat(5));
    await begun;
    for (const socket of sockets) socket.destroy();
    await connectionsClosed(160);
    sockets = [];
    const points = bench.collect();
    expect(aborted(points)).toBe(200);
    expect(
      durations(points)
        .map((p) => [p.attributes["http.route"], p.count])
        .toSorted(([a], [b]) => (a! < b! ? -1 : 1)),
    ).toEqual([
      ["/destroy", 50],
      ["/pipelined", 50],
      ["/silent", 50],
      ["/stream", 50],
    ]);
    expect(counted(named(points, "repomind.api.request.latency"))).toBe(200);
  });

  test("while they are open they are active", async () => {
    const begun = Promise.withResolvers<void>();
    await serve(() => begun.resolve());
    const request = open({ port, host: "127.0.0.1", path: "/" });
    request.on("error", () => {});
    request.end();
    await begun.promise;
    expect(active(bench.collect())).toBe(1);
    request.destroy();
    await connectionsClosed(1);
    expect(aborted(bench.collect())).toBe(1);
  });

  test("the application's own name for the error stays", async () => {
    await serve((request, response) => {
      setErrorType(request, "upstream_lost");
      response.destroy();
    });
    const request = open({ port, host: "127.0.0.1", path: "/" });
    request.on("error", () => {});
    request.end();
    await connectionsClosed(1);
    expect(durations(bench.collect())[0]!.attributes).toMatchObject({
      "error.type": "upstream_lost",
    });
  });

  test("bytes that are no HTTP measure nothing", async () => {
    await serve((_, response) => response.end());
    const socket = connect(port, "127.0.0.1");
    socket.resume();
    socket.write("nonsense\r\n\r\n");
    await connectionsClosed(1);
    expect(bench.collect()).toEqual([]);
  });
});

describe("disposing", () => {
  test("open requests are measured to their end, new ones are not", async () => {
    const begun = Promise.withResolvers<() => void>();
    await serve((request, response) => {
      if (request.url === "/open") begun.resolve(() => response.end());
      else response.end();
    });
    const opened = fetchText("/open");
    const finish = await begun.promise;
    metrics![Symbol.dispose]();
    await fetchText("/later");
    finish();
    await opened;
    await connectionsClosed(2);
    await fetchText("/last");
    await connectionsClosed(3);
    const points = bench.collect();
    expect(counted(durations(points))).toBe(1);
    expect(active(points)).toBe(0);
  });

  test("on a connection that stays, each measurement ends its own requests", async () => {
    let onBegun = Promise.withResolvers<void>();
    await serve(() => onBegun.resolve());
    const first = metrics!;
    const firstBench = bench;
    const socket = connect(port, "127.0.0.1");
    socket.resume();
    const write = async () => {
      onBegun = Promise.withResolvers<void>();
      socket.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
      await onBegun.promise;
    };
    await write();
    first[Symbol.dispose]();
    const second = new Bench();
    metrics = new HttpServerMetrics(second.meter, {}, second.problems);
    await write();
    socket.destroy();
    await connectionsClosed(1);
    const counts = [firstBench, second].map((each) => {
      const points = each.collect();
      return [durations(points).map((p) => p.attributes["error.type"]), active(points)];
    });
    expect(counts).toEqual([
      [["aborted"], 0],
      [["aborted"], 0],
    ]);
  });
});

test("setRoute and setErrorType on what is not measured do nothing", () => {
  // As the socket of an HTTP/2 request does after its end.
  const throwing = {
    get socket() {
      throw new Error("unbound");
    },
  };
  for (const wrong of [undefined, null, {}, "text", throwing] as IncomingMessage[]) {
    expect(() => setRoute(wrong, "/a")).not.toThrow();
    expect(() => setErrorType(wrong, "a")).not.toThrow();
  }
});
