/** The measured programs run to their end and measure what they say; what they find is not asserted. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, test } from "@jest/globals";
import { type Framework, path } from "../../../bench/overhead/apps.ts";
import { goals } from "../../../bench/overhead/calls.ts";
import type { CallsOptions, CallsResult } from "../../../bench/overhead/calls-process.ts";
import type { ChannelServerOptions } from "../../../bench/overhead/channel-server.ts";
import { Child, resultOf } from "../../../bench/overhead/child.ts";
import type { CollectionOptions } from "../../../bench/overhead/collection-process.ts";
import type { LoadOptions } from "../../../bench/overhead/load.ts";
import type { SeriesOptions, SeriesResult } from "../../../bench/overhead/series-process.ts";
import type { ServerOptions, ServerResult } from "../../../bench/overhead/server.ts";
import { withSink } from "../../../bench/overhead/sink.ts";

const entry = pathToFileURL(
  join(__dirname, "..", "..", "..", "src", "instrument", "index.ts"),
).href;

async function underLoad<T>(program: string, options: unknown): Promise<T> {
  const server = new Child(program, options);
  try {
    const { port } = await server.read<{ port: number }>();
    const load = new Child("./load.ts", { port, path, connections: 4 } satisfies LoadOptions);
    try {
      return await server.read<T>();
    } finally {
      load.stop();
    }
  } finally {
    server.stop();
  }
}

describe("a server that is switched", () => {
  test.each<[Framework, number]>([
    ["node:http", 0],
    ["Express", 1],
    ["Fastify", 0],
    ["Fastify", 5],
  ])("%s, launch %d", async (framework, launch) => {
    const options: ServerOptions = {
      entry,
      framework,
      workMicroseconds: 10,
      quadruples: 2,
      warmUpQuadruples: 1,
      segmentRequests: 30,
      settleRequests: 10,
      launch,
    };
    const { helper, control, channels, requestsOn, measured } = await underLoad<ServerResult>(
      "./server.ts",
      options,
    );
    for (const pairs of [helper, control]) {
      expect(pairs).toHaveLength(2);
      for (const { off, on } of pairs) expect(Math.min(off, on)).toBeGreaterThan(10);
    }
    expect(channels).toContain("http.server.request.start");
    expect(channels).toContain("http.server.response.finish");
    // Two segments of each of three quadruples.
    expect(requestsOn).toBeGreaterThanOrEqual(3 * 2 * 40);
    expect(measured.requests).toBe(requestsOn);
    expect(measured.routes).toEqual([framework === "node:http" ? "" : "/api/repos/:id"]);
  });
});

test.each([true, false])("a server whose channels are active: %s", async (isActive) => {
  const options: ChannelServerOptions = {
    entry,
    isActive,
    warmUpRequests: 100,
    segments: 3,
    segmentRequests: 30,
  };
  const costs = await underLoad<number[]>("./channel-server.ts", options);
  expect(costs).toHaveLength(3);
  expect(Math.min(...costs)).toBeGreaterThan(1);
});

test("an application that collects and sends 2,000 series", async () => {
  const costs = await withSink((endpoint) => {
    const options: CollectionOptions = { entry, endpoint, collections: 2, warmUps: 1 };
    return resultOf<number[]>("./collection-process.ts", options);
  });
  expect(costs).toHaveLength(2);
  expect(Math.min(...costs)).toBeGreaterThan(0.1);
});

test.each(["counter", "histogram"] as const)("many series of a %s", async (kind) => {
  const options: SeriesOptions = { kind, series: 5000, warmPasses: 2 };
  const result = await resultOf<SeriesResult>("./series-process.ts", options, ["--expose-gc"]);
  expect(result.heldMegabytes).toBeGreaterThan(0.5);
  expect(result.heldMegabytes).toBeLessThan(20);
  expect(result.coldMs).toBeGreaterThan(0);
  expect(result.warmMs).toHaveLength(2);
  expect(result.encodedBytes).toBeGreaterThan(5000 * 60);
});

test("calls of all systems", async () => {
  const options: CallsOptions = { entry, rounds: 2 };
  const results = await resultOf<CallsResult[]>("./calls-process.ts", options);
  const callsOf = (name: string) =>
    results.filter(({ system }) => system === name).map(({ call }) => call);
  expect(callsOf("ours")).toEqual([...goals.keys()]);
  expect(callsOf("ours")).toEqual(expect.arrayContaining(callsOf("OTel SDK")));
  expect(callsOf("OTel SDK")).toEqual(expect.arrayContaining(callsOf("prom-client")));
  expect(callsOf("prom-client")).toHaveLength(6);
  for (const { nanoseconds } of results) {
    expect(nanoseconds).toHaveLength(2);
    expect(Math.min(...nanoseconds)).toBeGreaterThan(0.5);
  }
});

describe("the command", () => {
  const program = join(__dirname, "..", "..", "..", "bench", "overhead", "main.ts");
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [program, ...args], { encoding: "utf8" });

  test("names its sections", () => {
    const { status, stdout } = run("--list");
    expect(status).toBe(0);
    expect(stdout.trim().split("\n")).toEqual([
      "requests of node:http, empty",
      "requests of node:http, 0.15 ms",
      "requests of node:http, 1.1 ms",
      "requests of Express, empty",
      "requests of Express, 0.15 ms",
      "requests of Express, 1.1 ms",
      "requests of Fastify, empty",
      "requests of Fastify, 0.15 ms",
      "requests of Fastify, 1.1 ms",
      "active channels",
      "collection",
      "calls",
      "series",
      "start",
    ]);
  });

  test("says what it cannot do", () => {
    const unknown = run("--only", "nothing");
    expect([unknown.status, unknown.stderr]).toEqual([
      2,
      "bench:overhead: no such section; --list prints their names\n",
    ]);
    const missing = run("--only", "start", "--dist", "/nowhere");
    expect([missing.status, missing.stdout]).toEqual([2, ""]);
    expect(missing.stderr).toContain("run npm run build");
  });
});
