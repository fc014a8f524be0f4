/** Handlers of the fetch style, called by something that is no server of node:http. */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { Hono } from "hono";
import { fetchHandler } from "../../../../src/instrument/http/fetch-handler.ts";
import { honoMiddleware } from "../../../../src/instrument/http/hono.ts";
import { setErrorType, setRoute } from "../../../../src/instrument/http/requests.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { active, linesOf, Traffic } from "../../../support/http-traffic.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  setRuntime(bench);
});
afterEach(() => setRuntime(undefined));

const get = (path = "/", init?: RequestInit) => new Request(`http://x${path}`, init);
/** A body's end is told a turn later. */
const turn = () => new Promise((resolve) => setImmediate(resolve));
const lines = async () => {
  await turn();
  const points = bench.collect();
  return { ...linesOf(points), active: active(points) };
};

describe("what the caller sees is unchanged", () => {
  test("the very response, at once or later; name, properties and this", async () => {
    const response = new Response("a");
    const self = { handled: 0 };
    function plain(this: typeof self, _request: Request): Response {
      this.handled++;
      return response;
    }
    const wrapped = fetchHandler(Object.assign(plain, { version: 7 }));
    expect(wrapped.call(self, get())).toBe(response);
    expect([wrapped.name, wrapped.length, wrapped.version, self.handled]).toEqual([
      "plain",
      1,
      7,
      1,
    ]);
    expect(await response.text()).toBe("a");
    const later = new Response("b");
    expect(await fetchHandler(async (_request: Request) => later)(get())).toBe(later);
  });

  test("further arguments arrive", () => {
    const handler = fetchHandler(
      (_request: Request, env: string, n: number) => new Response(env + n),
    );
    expect(handler(get(), "e", 1)).toBeInstanceOf(Response);
  });

  test("errors are the handler's own, also where nobody waits", async () => {
    const error = new RangeError("mine");
    const throwing = fetchHandler((_request: Request): Response => {
      throw error;
    });
    expect(() => throwing(get())).toThrow(error);
    await expect(
      fetchHandler((_request: Request) => Promise.reject<Response>(error))(get()),
    ).rejects.toBe(error);
    expect(await lines()).toEqual({ "GET (none) (none) RangeError": 2, active: 0 });
  });

  test("a rejection that nobody handles stays one", () => {
    const folder = join(__dirname, "..", "..", "..", "..", "src", "instrument");
    const program = `
      import { fetchHandler } from ${JSON.stringify(join(folder, "http", "fetch-handler.ts"))};
      import { start } from ${JSON.stringify(join(folder, "index.ts"))};
      start({ export: false });
      process.on("unhandledRejection", (error) => console.log(error.message));
      const get = () => new Request("http://x/");
      fetchHandler(() => Promise.reject(new Error("of the handler")))(get());
      const failing = new ReadableStream({ pull: () => Promise.reject(new Error("of a pipe")) });
      fetchHandler(() => new Response(failing))(get()).body.pipeTo(new WritableStream());`;
    const printed = execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
      env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
      encoding: "utf8",
    });
    expect(printed.trim().split("\n").toSorted()).toEqual(["of a pipe", "of the handler"]);
  });

  test("without a start, or without a function, it is handed back", () => {
    const handler = () => new Response();
    expect(fetchHandler(7 as never)).toBe(7);
    setRuntime(undefined);
    expect(fetchHandler(handler)).toBe(handler);
  });
});

describe("what is counted", () => {
  test("method, route, status, scheme; errors from 500 on", async () => {
    const handler = fetchHandler(
      (request) => new Response(null, { status: Number(new URL(request.url).pathname.slice(1)) }),
      { route: ({ url }) => (url.endsWith("/204") ? "/:status" : undefined) },
    );
    handler(get("/200"));
    handler(get("/204"));
    handler(get("/404"));
    handler(get("/503"));
    handler(new Request("https://x/200", { method: "POST" }));
    for (const method of ["ONE", "TWO"]) handler(get("/200", { method }));
    expect(await lines()).toEqual({
      "GET (none) 200 -": 1,
      "GET (none) 404 -": 1,
      "GET (none) 503 503": 1,
      "GET /:status 204 -": 1,
      "POST (none) 200 -": 1,
      "_OTHER (none) 200 -": 2,
      active: 0,
    });
    const schemes = bench.collect().map(({ attributes }) => attributes["url.scheme"]);
    expect(new Set(schemes)).toEqual(new Set(["http", "https", undefined]));
  });

  test("setRoute beats the option, setErrorType names an error; a route that throws is told", async () => {
    const handler = fetchHandler(
      (request) => {
        if (request.url.endsWith("/set")) setRoute(request, "/by-call");
        if (request.url.endsWith("/slow")) setErrorType(request, "timeout");
        return new Response(null);
      },
      {
        route: ({ url }) => {
          if (url.endsWith("/throws")) throw new Error("route");
          return url.endsWith("/odd") ? (7 as never) : "/by-option";
        },
      },
    );
    for (const path of ["/set", "/slow", "/throws", "/odd"]) handler(get(path));
    expect(await lines()).toEqual({
      "GET (none) 200 -": 2,
      "GET /by-call 200 -": 1,
      "GET /by-option 200 timeout": 1,
      active: 0,
    });
    expect(bench.codes).toEqual(["http_failed"]);
  });

  test("bodies that are not sent: HEAD, 304, a locked one", async () => {
    const handler = fetchHandler((request) => {
      const response = new Response("body");
      if (request.url.endsWith("/locked")) response.body!.getReader();
      return response;
    });
    handler(get("/", { method: "HEAD" }));
    handler(get("/locked"));
    fetchHandler((_request: Request) =>
      Object.defineProperty(new Response("x"), "status", { value: 304 }),
    )(get());
    expect(await lines()).toEqual({
      "GET (none) 200 -": 1,
      "GET (none) 304 -": 1,
      "HEAD (none) 200 -": 1,
      active: 0,
    });
  });

  test("no response at all, or Response.error()", async () => {
    fetchHandler((_request: Request) => undefined as unknown as Response)(get());
    fetchHandler((_request: Request) => Response.error())(get());
    expect(await lines()).toEqual({ "GET (none) (none) no_response": 2, active: 0 });
  });

  test("a request that no Request is reaches the handler", async () => {
    const handler = fetchHandler((_request: Request) => new Response(null));
    expect(handler(undefined as never).status).toBe(200);
    expect(bench.codes).toEqual(["http_failed"]);
    expect(bench.collect()).toEqual([]);
  });

  test("Hono names its routes", async () => {
    const app = new Hono();
    app.use(honoMiddleware());
    app.get("/repos/:id", (c) => c.text("ok"));
    const handler = fetchHandler(app.fetch);
    for (const path of ["/repos/1", "/repos/2", "/nowhere"]) {
      await (await handler(get(path))).text();
    }
    expect(await lines()).toEqual({
      "GET (none) 404 -": 1,
      "GET /repos/:id 200 -": 2,
      active: 0,
    });
  });
});

/** Three parts, as fast as they are read. */
function threeParts(failsWith?: Error): ReadableStream<Uint8Array> {
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      if (sent++ < 3) controller.enqueue(new Uint8Array([97]));
      else if (failsWith === undefined) controller.close();
      else controller.error(failsWith);
    },
  });
}

type Read = (response: Response) => Promise<unknown>;

describe("bodies are measured to their end", () => {
  const bytes = async (stream: AsyncIterable<Uint8Array>) => {
    const parts: Uint8Array[] = [];
    for await (const part of stream) parts.push(part);
    return Buffer.concat(parts).toString();
  };
  const ways: [string, Read][] = [
    ["text", (response) => response.text()],
    ["arrayBuffer", async (response) => Buffer.from(await response.arrayBuffer()).toString()],
    ["blob", async (response) => (await response.blob()).text()],
    ["iteration", (response) => bytes(response.body!)],
    ["values", (response) => bytes(response.body!.values({ preventCancel: true }))],
    ["Readable.fromWeb", (response) => bytes(Readable.fromWeb(response.body as never))],
    ["pipeThrough", (response) => bytes(response.body!.pipeThrough(new TransformStream()))],
    ["clone", async (response) => (await response.clone().text()) && response.text()],
    [
      "tee",
      async (response) => {
        const [a, b] = response.body!.tee();
        return (await bytes(a)) && bytes(b);
      },
    ],
    [
      "pipeTo",
      async (response) => {
        const parts: Uint8Array[] = [];
        await response.body!.pipeTo(new WritableStream({ write: (part) => void parts.push(part) }));
        return Buffer.concat(parts).toString();
      },
    ],
    [
      "a reader that is let go, and another that tidies up",
      async (response) => {
        const first = response.body!.getReader();
        const { value } = await first.read();
        first.releaseLock();
        await turn();
        expect(active(bench.collect())).toBe(1);
        const second = response.body!.getReader();
        let text = Buffer.from(value).toString();
        for (let part = await second.read(); !part.done; part = await second.read()) {
          text += Buffer.from(part.value).toString();
        }
        await second.cancel();
        return text;
      },
    ],
  ];

  test.each(ways)("%s", async (_, read) => {
    const response = await fetchHandler(async (_request: Request) => new Response(threeParts()))(
      get(),
    );
    await turn();
    expect(active(bench.collect())).toBe(1);
    expect(await read(response)).toBe("aaa");
    expect(await lines()).toEqual({ "GET (none) 200 -": 1, active: 0 });
  });

  test("texts too, and bytes into a buffer of the reader's", async () => {
    const handler = fetchHandler((_request: Request) => new Response("hello"));
    expect(await handler(get()).text()).toBe("hello");
    const reader = handler(get()).body!.getReader({ mode: "byob" });
    const { value } = await reader.read(new Uint8Array(10));
    expect(Buffer.from(value!).toString()).toBe("hello");
    await reader.read(new Uint8Array(10));
    expect(await lines()).toEqual({ "GET (none) 200 -": 2, active: 0 });
  });

  test("what a reader may not do fails as before", async () => {
    const { body } = fetchHandler((_request: Request) => new Response("x"))(get());
    const writable = new WritableStream();
    writable.getWriter();
    expect(() => body!.pipeThrough({ writable, readable: new ReadableStream() })).toThrow("locked");
    expect(() => body!.getReader({ mode: "none" as never })).toThrow("none");
    body!.getReader();
    await expect(body!.cancel()).rejects.toThrow("locked");
    expect(() => body!.getReader()).toThrow("locked");
    expect(await lines()).toEqual({ active: 1 });
  });
});

describe("bodies that do not reach their end", () => {
  const broken = () =>
    new WritableStream({
      write: () => {
        throw new Error("gone");
      },
    });
  /** Its source takes its time to be cancelled. */
  const slowly = () =>
    new ReadableStream({
      cancel: async () => {
        await turn();
        await turn();
      },
    });
  const ways: [string, Read][] = [
    ["cancel", (response) => response.body!.cancel()],
    ["cancel of a reader", (response) => response.body!.getReader().cancel("enough")],
    [
      "break",
      async (response) => {
        for await (const _ of response.body!) break;
      },
    ],
    [
      "break of values",
      async (response) => {
        for await (const _ of response.body!.values()) break;
      },
    ],
    ["pipeTo what fails", (response) => response.body!.pipeTo(broken()).catch(() => {})],
    [
      "pipeThrough what is cancelled",
      (response) => response.body!.pipeThrough(new TransformStream()).cancel(),
    ],
    [
      "a Readable that is destroyed",
      async (response) => void Readable.fromWeb(response.body as never).destroy(),
    ],
  ];
  test.each(ways)("%s", async (_, read) => {
    await read(fetchHandler((_request: Request) => new Response(threeParts()))(get()));
    await turn();
    expect(await lines()).toEqual({ "GET (none) (none) aborted": 1, active: 0 });
  });

  test("a pipe whose source is slow to stop", async () => {
    const { body } = fetchHandler((_request: Request) => new Response(slowly()))(get());
    const given = new AbortController();
    const piped = body!.pipeTo(new WritableStream(), { signal: given.signal });
    given.abort(new Error("stop"));
    await expect(piped).rejects.toThrow("stop");
    expect(await lines()).toEqual({ "GET (none) (none) aborted": 1, active: 0 });
  });

  test("a body that fails; its error arrives", async () => {
    const error = new RangeError("mine");
    const handler = fetchHandler((_request: Request) => new Response(threeParts(error)));
    await expect(handler(get()).text()).rejects.toBe(error);
    await expect(handler(get()).body!.pipeTo(new WritableStream())).rejects.toBe(error);
    expect(await lines()).toEqual({ "GET (none) (none) RangeError": 2, active: 0 });
  });

  test("the signal of the request: before the response, in its body, and after it", async () => {
    const controllers = [0, 1, 2].map(() => new AbortController());
    const [before, during, after] = controllers;
    const waiting = Promise.withResolvers<Response>();
    const pending = fetchHandler((_request: Request) => waiting.promise)(get("/", before));
    before!.abort();
    expect(await lines()).toEqual({ "GET (none) (none) aborted": 1, active: 0 });
    waiting.resolve(new Response(null));
    await pending;
    fetchHandler((_request: Request) => new Response(threeParts()))(get("/", during));
    during!.abort();
    await fetchHandler((_request: Request) => new Response(threeParts()))(get("/", after)).text();
    // At once: its end is told a turn later.
    after!.abort();
    expect(await lines()).toEqual({
      "GET (none) (none) aborted": 2,
      "GET (none) 200 -": 1,
      active: 0,
    });
  });

  test("one that nobody reads ends when it is collected", async () => {
    setFlagsFromString("--expose-gc");
    const collectGarbage = runInNewContext("gc") as () => void;
    fetchHandler((_request: Request) => new Response(threeParts()))(get());
    expect(active(bench.collect())).toBe(1);
    for (let i = 0; i < 100 && active(bench.collect()) === 1; i++) {
      await turn();
      collectGarbage();
    }
    expect(await lines()).toEqual({ "GET (none) (none) aborted": 1, active: 0 });
  });

  test("200 aborts of all these kinds", async () => {
    const handler = fetchHandler((_request: Request) => new Response(threeParts()), {
      route: () => "/:id",
    });
    for (let i = 0; i < 203; i++) await ways[i % ways.length]![1](handler(get()));
    await turn();
    expect(await lines()).toEqual({ "GET /:id (none) aborted": 203, active: 0 });
  });
});

describe("behind a server of node:http", () => {
  test("the server's count is the only one, by what adapters hand on", async () => {
    await using traffic = new Traffic({}, bench);
    const handler = fetchHandler((_request: Request, _context: unknown) => new Response("ok"), {
      route: ({ url }) => new URL(url).pathname.replace(/\d+/u, ":id"),
    });
    await traffic.listen((incoming, response) => {
      const request = get(incoming.url);
      if (incoming.url === "/hono/1") handler(request, { incoming });
      if (incoming.url === "/whatwg/1") handler(request, { req: incoming });
      if (incoming.url === "/srvx/1") {
        handler(Object.assign(request, { runtime: { node: { req: incoming } } }), undefined);
      }
      response.end("ok");
    });
    for (const path of ["/hono/1", "/whatwg/1", "/srvx/1"]) await traffic.send({ path });
    const points = await traffic.end();
    expect(linesOf(points)).toEqual({
      "GET /hono/:id 200 -": 1,
      "GET /srvx/:id 200 -": 1,
      "GET /whatwg/:id 200 -": 1,
    });
    expect(active(points)).toBe(0);
  });

  test("an adapter that hands on nothing, or a server that is not measured: the handler's count", async () => {
    const handler = fetchHandler((_request: Request, _context?: unknown) => new Response(null));
    handler(get(), { incoming: { socket: {} } });
    handler(get(), null);
    expect(await lines()).toEqual({ "GET (none) 200 -": 2, active: 0 });
  });
});
