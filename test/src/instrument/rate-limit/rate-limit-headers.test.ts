/** Rate limits read from the headers that servers send, in the shapes of express-rate-limit, @fastify/rate-limit and others. */
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { asyncProperty, assert as check, property, string } from "fast-check";
import fastify from "fastify";
import { HttpServerMetrics } from "../../../../src/instrument/http/server.ts";
import { rateLimit } from "../../../../src/instrument/rate-limit/rate-limit.ts";
import { RateLimitHeaders } from "../../../../src/instrument/rate-limit/rate-limit-headers.ts";
import {
  type RateLimitReading,
  readRateLimits,
} from "../../../../src/instrument/rate-limit/read-rate-limits.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { Bench, type Point } from "../../../support/instrument-points.ts";

const head = (...lines: string[]) =>
  `${["HTTP/1.1 200 OK", "Content-Type: text/plain", ...lines, "Date: x"].join("\r\n")}\r\n\r\n`;
const read = (...lines: string[]) => readRateLimits(head(...lines));
const one = (limit?: number, remaining?: number, policy = "default"): RateLimitReading[] => [
  { policy, limit, remaining },
];

describe("the shapes of the headers", () => {
  test("X-RateLimit", () => {
    const reset = "X-RateLimit-Reset: 1700000000";
    expect(read("X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 40", reset)).toEqual(
      one(100, 40),
    );
    expect(read("x-ratelimit-limit:100", "x-ratelimit-remaining:0")).toEqual(one(100, 0));
    expect(read("X-RateLimit-Limit: 100")).toEqual(one(100));
    expect(read("X-RateLimit-Remaining: -1")).toEqual(one(undefined, -1));
    expect(read(reset)).toEqual([]);
  });

  test("drafts 3 to 6", () => {
    const policy = "RateLimit-Policy: 100;w=60";
    const lines = ["RateLimit-Limit: 100", "RateLimit-Remaining: 99", "RateLimit-Reset: 60"];
    expect(read(policy, ...lines)).toEqual(one(100, 99));
    expect(read("RateLimit-Limit: 10, 10;w=1, 1000;w=3600", "RateLimit-Remaining: 5")).toEqual(
      one(10, 5),
    );
  });

  test("draft 7", () => {
    const policy = "RateLimit-Policy: 100;w=60";
    expect(read(policy, "RateLimit: limit=100, remaining=50, reset=5")).toEqual(one(100, 50));
    expect(read("RateLimit: remaining=0,reset=5,limit=7")).toEqual(one(7, 0));
    expect(read("RateLimit: limit=100")).toEqual(one(100));
  });

  test("draft 8 and later", () => {
    const policy = 'RateLimit-Policy: "15-in-1min"; q=15; w=60; pk=:ZjQ5YzMwMTU4ZjEy:';
    expect(read(policy, 'RateLimit: "15-in-1min"; r=14; t=60')).toEqual(one(15, 14, "15-in-1min"));
    expect(read('RateLimit: "a";r=1', 'RateLimit-Policy: "b";q=2')).toEqual(one(undefined, 1, "a"));
    expect(read('RateLimit-Policy: "a";q=2')).toEqual([]);
    expect(read('RateLimit: "a";t=1')).toEqual(one(undefined, undefined, "a"));
    expect(read("RateLimit: hour;r=3", "RateLimit-Policy: hour;q=4")).toEqual(one(4, 3, "hour"));
  });

  test("lists: in one line and in several; commas, semicolons and quotes within names", () => {
    const both = [
      { policy: "second", limit: 10, remaining: 4 },
      { policy: "day", limit: 1000, remaining: 900 },
    ];
    expect(
      read(
        'RateLimit-Policy: "second";q=10;w=1, "day";q=1000;w=86400',
        'RateLimit: "second";r=4;t=1,"day";r=900;t=3600',
      ),
    ).toEqual(both);
    expect(
      read(
        'RateLimit-Policy: "day";q=1000',
        'RateLimit: "second";r=4',
        'RateLimit: "day";r=900',
        'RateLimit-Policy: "second";q=10',
      ),
    ).toEqual(both);
    const odd = '"a, \\"b\\";r=9 \\\\"';
    expect(read(`RateLimit: ${odd};t=1;r=2`, `RateLimit-Policy: ${odd};q=4`)).toEqual(
      one(4, 2, 'a, "b";r=9 \\'),
    );
  });

  test("the newest shape is taken where there are several", () => {
    const old = ["X-RateLimit-Limit: 1", "X-RateLimit-Remaining: 1"];
    const draft6 = ["RateLimit-Limit: 2", "RateLimit-Remaining: 2"];
    expect(read(...old, ...draft6, "RateLimit: limit=3, remaining=3")).toEqual(one(3, 3));
    expect(read(...old, ...draft6)).toEqual(one(2, 2));
  });

  test("what is malformed gives no numbers, whatever it is", () => {
    expect(read("RateLimit-Limit: many", "RateLimit-Remaining: few")).toEqual(one());
    expect(read("Not-RateLimit-Limit: 1", "RateLimit-Other: 1", "X-RateLimit: a")).toEqual([]);
    check(
      property(string({ unit: "binary" }), string(), (a, b) => {
        for (const reading of read(`RateLimit: ${a}`, `RateLimit-Policy: ${b}`)) {
          expect(typeof reading.policy).toBe("string");
          expect([reading.limit, reading.remaining]).not.toContain(Number.NaN);
        }
      }),
    );
  });

  test("of a long header the beginning is read", () => {
    const names = Array.from({ length: 1000 }, (_, i) => `"p${i}";r=1`);
    expect(read(`RateLimit: ${names.join(", ")}`).length).toBeLessThan(200);
    const unclosed = '"\\'.repeat(100_000);
    expect(read(`RateLimit: ${unclosed}`, `RateLimit-Policy: ${unclosed}`).length).toBeLessThan(
      1200,
    );
  });
});

describe("what a server sends", () => {
  let bench: Bench;
  let metrics: HttpServerMetrics;
  let server: Server | undefined;

  beforeEach(() => {
    bench = new Bench();
    setRuntime(bench);
    metrics = new HttpServerMetrics(bench.meter, { rateLimitHeaders: true }, bench.problems);
  });
  afterEach(async () => {
    metrics[Symbol.dispose]();
    setRuntime(undefined);
    server?.closeAllConnections();
    await new Promise((resolve) => server?.close(resolve) ?? resolve(undefined));
    server = undefined;
  });

  /** Sends one request for each answer and waits until it was measured. */
  async function answer(...answers: ((response: ServerResponse) => void)[]): Promise<void> {
    const queue = [...answers];
    server = createServer((_, response) => queue.shift()!(response));
    await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    for (const _ of answers) await (await fetch(`http://127.0.0.1:${port}/`)).text();
  }
  const sending =
    (status: number, headers: Record<string, string | string[]>) => (response: ServerResponse) => {
      response.writeHead(status, headers).end();
    };
  const counts = (points: Point[]) =>
    points
      .filter((p) => p.metric === "repomind.rate_limit.requests" && p.value !== 0)
      .map((p) => [p.attributes["rate_limit.policy"], p.attributes["rate_limit.result"], p.value]);
  const utilization = (points: Point[]) =>
    points
      .filter((p) => p.metric === "repomind.rate_limit.utilization")
      .map((p) => [p.attributes["rate_limit.policy"], p.value]);

  test("429 is limited, all else allowed; the largest use of all callers", async () => {
    const limited = { "RateLimit-Limit": "10", "RateLimit-Remaining": "0" };
    await answer(
      sending(200, { "RateLimit-Limit": "10", "RateLimit-Remaining": "9" }),
      sending(200, { "RateLimit-Limit": "10", "RateLimit-Remaining": "2" }),
      sending(404, { "RateLimit-Limit": "10", "RateLimit-Remaining": "7" }),
      sending(200, { "RateLimit-Limit": "10", "RateLimit-Remaining": "20" }),
      sending(200, {}),
    );
    const points = bench.collect();
    expect(counts(points)).toEqual([["default", "allowed", 4]]);
    expect(utilization(points)).toEqual([["default", 0.8]]);
    server!.close();
    await answer(sending(429, limited), sending(429, {}));
    const later = bench.collect();
    expect(counts(later)).toEqual([
      ["default", "allowed", 4],
      ["default", "limited", 1],
    ]);
    expect(utilization(later)).toEqual([["default", 1]]);
    expect(utilization(bench.collect())).toEqual([]);
  });

  test("of several policies the one that is used up refused", async () => {
    const policy = '"s";q=10;w=1, "d";q=100;w=86400';
    const of = (second: number, day: number) => ({
      "RateLimit-Policy": policy,
      RateLimit: [`"s";r=${second}`, `"d";r=${day}`],
    });
    await answer(sending(200, of(4, 90)), sending(429, of(0, 80)), sending(429, of(1, 1)));
    const points = bench.collect();
    expect(counts(points)).toEqual([
      ["s", "allowed", 1],
      ["s", "limited", 2],
      ["d", "allowed", 2],
      ["d", "limited", 1],
    ]);
    expect(utilization(points)).toEqual([
      ["s", 1],
      ["d", 0.99],
    ]);
  });

  test("headers set one by one, and what the application says of the same policy", async () => {
    rateLimit("default").allowed();
    await answer((response) => {
      response.setHeader("X-RateLimit-Limit", 4);
      response.setHeader("X-RateLimit-Remaining", 1);
      response.end();
    });
    const points = bench.collect();
    expect(counts(points)).toEqual([["default", "allowed", 2]]);
    expect(utilization(points)).toEqual([["default", 0.75]]);
  });

  test("Fastify", async () => {
    const app = fastify();
    app.get("/", async (_, reply) => {
      reply.header("x-ratelimit-limit", 8).header("x-ratelimit-remaining", 6);
      return "ok";
    });
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    await (await fetch(url)).text();
    await app.close();
    expect(utilization(bench.collect())).toEqual([["default", 0.25]]);
  });

  test("20 policies, then _OTHER", async () => {
    const numbers = Array.from({ length: 30 }, (_, i) => i);
    await answer(sending(200, { RateLimit: numbers.map((i) => `"p${i}";r=1`) }));
    const points = counts(bench.collect());
    expect(points).toHaveLength(21);
    expect(points).toContainEqual(["_OTHER", "allowed", 10]);
  });

  test("not without the option", async () => {
    metrics[Symbol.dispose]();
    metrics = new HttpServerMetrics(bench.meter, {}, bench.problems);
    await answer(sending(200, { "RateLimit-Limit": "10", "RateLimit-Remaining": "9" }));
    expect(bench.collect().map(({ metric }) => metric)).not.toContain(
      "repomind.rate_limit.requests",
    );
  });

  test("a response of another shape is told, not thrown", async () => {
    const headers = new RateLimitHeaders(bench.meter, bench.problems);
    await check(
      asyncProperty(string(), async (text) => {
        headers.read({ _header: text, statusCode: 200 } as unknown as ServerResponse);
      }),
    );
    expect(bench.codes).toEqual([]);
    headers.read(undefined as unknown as ServerResponse);
    headers.read({} as ServerResponse);
    expect(bench.codes).toEqual(["http_failed"]);
    expect(bench.collect()).toEqual([]);
  });
});
