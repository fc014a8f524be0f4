/** Every example for an application runs, and what it did arrives at its end, exactly. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { listPrices } from "../../src/instrument/llm/prices.ts";
import { type ExampleApp, exampleNames, UserProject } from "../support/example-app.ts";
import { FakeLlm, failing, json, streaming } from "../support/fake-llm.ts";
import { LastPoints } from "../support/last-points.ts";
import { OtlpHttpSink } from "../support/otlp-http-sink.ts";
import { isRedisMissing, RedisServer } from "../support/redis-server.ts";

const root = join(__dirname, "..", "..");
let project: UserProject;
let sink: OtlpHttpSink;
let llm: FakeLlm;

beforeAll(() => {
  project = new UserProject();
});
afterAll(() => project.close());
beforeEach(async () => {
  sink = await OtlpHttpSink.start();
  llm = await FakeLlm.start();
});
afterEach(() => Promise.all([sink.close(), llm.close()]));

const start = (name: string, env: Record<string, string> = {}) =>
  project.start(name, sink, { env });

const byItself = { code: 0, signal: null, stderr: "" };
const bySignal = { code: null, signal: "SIGTERM", stderr: "" };

/** Nothing is collected before, so everything arrives on the way out; and nothing is printed, no warning either. */
async function ended(app: ExampleApp, how: typeof byItself | typeof bySignal): Promise<LastPoints> {
  expect(await app.stop()).toEqual(how);
  return new LastPoints(sink);
}

const noneActive = (last: LastPoints) =>
  Object.values(last.by("http.server.active_requests", "http.request.method", "url.scheme")).every(
    (value) => value === 0,
  );

describe("servers", () => {
  test("node-http, and what is measured of the process", async () => {
    const app = await start("node-http");
    await app.askAll("GET /repos", "GET /repos/1", "PUT /repos/2", "GET /search");
    // The event loop is sampled by a timer of 20 ms that must fire twice: a request after that time comes after it.
    const timerPassed = () => new Promise((resolve) => setTimeout(resolve, 50));
    await timerPassed();
    await app.askAll("GET /repos/3?full");
    await timerPassed();
    expect(await app.ask("GET /other")).toBe("404");
    const last = await ended(app, byItself);
    expect(last.services).toEqual(["node-http-example"]);
    expect(last.served).toEqual({
      "GET /repos 200 - http": 1,
      "GET /repos/:id 200 - http": 2,
      "PUT /repos/:id 200 - http": 1,
      "GET /search 504 timeout http": 1,
      "GET - 404 - http": 1,
    });
    expect(noneActive(last)).toBe(true);
    expect(last.by("repomind.api.request.latency", "http.request.method", "http.route")).toEqual({
      "GET /repos": 1,
      "GET /repos/:id": 2,
      "PUT /repos/:id": 1,
      "GET /search": 1,
      "GET -": 1,
    });
    expect(Object.keys(last.by("process.cpu.time", "cpu.mode")).toSorted()).toEqual([
      "system",
      "user",
    ]);
    expect(last.by("process.memory.usage")[""]).toBeGreaterThan(10e6);
    expect(last.metrics).toEqual(
      expect.arrayContaining(["nodejs.eventloop.delay.p99", "process.cpu.utilization"]),
    );
    expect(last.by("repomind.server.active_connections")).toEqual({ "": 0 });
  });

  test("express", async () => {
    const app = await start("express");
    await app.askAll("GET /orgs/acme/repos/1", "GET /orgs/other/repos/2", "GET /health");
    expect(await app.ask("POST /orgs/acme/repos/1/index")).toMatch(/^500 /u);
    expect(await app.ask("GET /orgs/acme")).toMatch(/^404 /u);
    const last = await ended(app, bySignal);
    expect(last.services).toEqual(["express-example"]);
    expect(last.served).toEqual({
      "GET /orgs/:org/repos/:repo 200 - http": 2,
      "POST /orgs/:org/repos/:repo/index 500 500 http": 1,
      "GET - 404 - http": 1,
    });
  });

  test("fastify", async () => {
    const app = await start("fastify");
    const answers = await app.askAll(
      "GET /repos/1",
      "GET /private",
      "GET /search",
      "GET /search?q=a",
      "GET /x",
    );
    expect(answers.map((answer) => answer.slice(0, 3))).toEqual([
      "200",
      "401",
      "400",
      "200",
      "404",
    ]);
    const last = await ended(app, byItself);
    expect(last.services).toEqual(["fastify-example"]);
    expect(last.served).toEqual({
      "GET /repos/:id 200 - http": 1,
      "GET /private 401 - http": 1,
      "GET /search 400 - http": 1,
      "GET /search 200 - http": 1,
      "GET - 404 - http": 1,
    });
  });

  test.each(["koa", "hono"])("%s", async (name) => {
    const app = await start(name);
    expect(await app.ask("POST /repos/1/index")).toBe("503 the queue is full");
    await app.askAll("GET /repos/1", "GET /repos/2", "GET /other");
    const last = await ended(app, bySignal);
    expect(last.services).toEqual([`${name}-example`]);
    expect(last.served).toEqual({
      "GET /repos/:id 200 - http": 2,
      "POST /repos/:id/index 503 503 http": 1,
      "GET - 404 - http": 1,
    });
  });

  test("fetch-handler", async () => {
    const app = await start("fetch-handler");
    await app.askAll("GET /repos/1", "GET /repos/2", "GET /other");
    const last = await ended(app, bySignal);
    expect(last.services).toEqual(["fetch-handler-example"]);
    expect(last.served).toEqual({ "GET /repos/:id 200 - http": 2, "GET - 404 - http": 1 });
  });
});

describe("language models", () => {
  const callKeys = [
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "repomind.query.type",
  ];
  const modelKeys = callKeys.slice(1);
  const sent = (last: LastPoints) =>
    last.by(
      "http.client.request.duration",
      "http.request.method",
      "http.response.status_code",
      "error.type",
      "server.address",
      "server.port",
      "url.scheme",
    );
  const llmAt = () => `127.0.0.1 ${new URL(llm.url).port} http`;

  test("openai", async () => {
    llm.replyWith(failing(429));
    const app = await start("openai", { OPENAI_API_KEY: "test", OPENAI_BASE_URL: `${llm.url}/v1` });
    expect(await app.askAll("GET /explain?q=a", "GET /summarize?q=b", "GET /explain?q=c")).toEqual([
      '200 {"text":"MARKER-ANSWER"}',
      "200 MARKER-ANSWER",
      '200 {"text":"MARKER-ANSWER"}',
    ]);
    const last = await ended(app, bySignal);
    expect(last.services).toEqual(["openai-example"]);
    const [explain, summarize] = [
      "openai gpt-6-luna explain",
      "openai gpt-6-luna summarize",
    ] as const;
    expect(last.by("gen_ai.client.operation.duration", ...callKeys)).toEqual({
      [`chat ${explain}`]: 2,
      [`chat ${summarize}`]: 1,
    });
    expect(last.by("gen_ai.client.operation.time_to_first_chunk", ...callKeys)).toEqual({
      [`chat ${summarize}`]: 1,
    });
    expect(last.by("repomind.llm.retries", ...modelKeys, "error.type")).toEqual({
      [`${explain} rate_limit`]: 1,
    });
    expect(last.sums("gen_ai.client.token.usage", ...callKeys, "gen_ai.token.type")).toEqual({
      [`chat ${explain} input`]: 200,
      [`chat ${explain} output`]: 40,
      [`chat ${summarize} input`]: 100,
      [`chat ${summarize} output`]: 20,
    });
    expect(last.by("repomind.llm.tokens", ...modelKeys, "token.kind")).toEqual({
      [`${explain} cached`]: 80,
      [`${explain} reasoning`]: 10,
      [`${summarize} cached`]: 40,
      [`${summarize} reasoning`]: 5,
    });
    const price = listPrices.usdPerMillion["gpt-6-luna"]!;
    const usd = (60 * price.input + 40 * price.cacheRead! + 20 * price.output) / 1e6;
    const cost = last.by("repomind.llm.cost", ...modelKeys);
    expect(cost[explain]).toBeCloseTo(2 * usd, 9);
    expect(cost[summarize]).toBeCloseTo(usd, 9);
    expect(sent(last)).toEqual({ [`POST 200 - ${llmAt()}`]: 3, [`POST 429 429 ${llmAt()}`]: 1 });
    expect(last.served).toEqual({
      "GET /explain 200 - http": 2,
      "GET /summarize 200 - http": 1,
    });
  });

  test("anthropic", async () => {
    const app = await start("anthropic", {
      ANTHROPIC_API_KEY: "test",
      ANTHROPIC_BASE_URL: llm.url,
    });
    expect(await app.ask("GET /explain?q=a")).toBe('200 {"text":"MARKER-ANSWER"}');
    llm.replyWith(failing(400));
    expect(await app.ask("GET /explain?q=b")).toMatch(/^400 /u);
    const last = await ended(app, bySignal);
    expect(last.services).toEqual(["anthropic-example"]);
    const model = "anthropic claude-sonnet-5-5 explain";
    expect(last.by("gen_ai.client.operation.duration", ...callKeys, "error.type")).toEqual({
      [`chat ${model} -`]: 1,
      [`chat ${model} invalid_request`]: 1,
    });
    expect(last.by("gen_ai.client.operation.time_to_first_chunk", ...callKeys)).toEqual({
      [`chat ${model}`]: 1,
    });
    expect(last.sums("gen_ai.client.token.usage", ...callKeys, "gen_ai.token.type")).toEqual({
      [`chat ${model} input`]: 10,
      [`chat ${model} output`]: 4,
    });
    const { input, output, cacheRead, cacheWrite } = listPrices.usdPerMillion["claude-sonnet-5-5"]!;
    expect(last.by("repomind.llm.cost", ...modelKeys)[model]).toBeCloseTo(
      (3 * input + 2 * cacheWrite! + 5 * cacheRead! + 4 * output) / 1e6,
      9,
    );
    expect(sent(last)).toEqual({ [`POST 200 - ${llmAt()}`]: 1, [`POST 400 400 ${llmAt()}`]: 1 });
  });

  test("vercel-ai", async () => {
    const usage = {
      inputTokens: { total: 100, noCache: 60, cacheRead: 40, cacheWrite: 0 },
      outputTokens: { total: 20, text: 15, reasoning: 5 },
    };
    const finishReason = { unified: "stop", raw: "stop" };
    const parts = [
      { type: "text-start", id: "1" },
      { type: "text-delta", id: "1", delta: "AN" },
      { type: "text-delta", id: "1", delta: "SWER" },
      { type: "text-end", id: "1" },
      { type: "finish", usage, finishReason },
    ];
    llm.replyWith(
      failing(503),
      json(200, { content: [{ type: "text", text: "TITLE" }], usage, finishReason, warnings: [] }),
      streaming(parts.map((part) => `data: ${JSON.stringify(part)}\n\n`)),
    );
    const app = await start("vercel-ai", { AI_GATEWAY_API_KEY: "test", AI_GATEWAY_URL: llm.url });
    expect(await app.askAll("GET /title?q=a", "GET /explain?q=a")).toEqual([
      "200 TITLE",
      "200 ANSWER",
    ]);
    const last = await ended(app, bySignal);
    expect(last.services).toEqual(["vercel-ai-example"]);
    const model = "openai openai/gpt-6-luna";
    expect(last.by("gen_ai.client.operation.duration", ...callKeys, "error.type")).toEqual({
      [`chat ${model} title overloaded`]: 1,
      [`chat ${model} title -`]: 1,
      [`chat ${model} explain -`]: 1,
    });
    expect(last.by("gen_ai.client.operation.time_to_first_chunk", ...callKeys)).toEqual({
      [`chat ${model} explain`]: 1,
    });
    expect(last.by("repomind.llm.retries", ...modelKeys, "error.type")).toEqual({
      [`${model} title overloaded`]: 1,
    });
    const cost = last.by("repomind.llm.cost", ...modelKeys);
    expect(cost[`${model} title`]).toBeCloseTo((100 * 0.1 + 20 * 0.5) / 1e6, 9);
    expect(cost[`${model} explain`]).toBeCloseTo((100 * 0.1 + 20 * 0.5) / 1e6, 9);
    expect(last.metrics).not.toContain("repomind.llm.unpriced");
  });
});

describe("caches", () => {
  test("lru-cache", async () => {
    const app = await start("lru-cache");
    for (let n = 0; n < 103; n++) expect(await app.ask(`GET /squares/${n}`)).toBe(`200 ${n * n}`);
    for (const n of [102, 102, 50, 0])
      expect(await app.ask(`GET /squares/${n}`)).toBe(`200 ${n * n}`);
    const last = await ended(app, bySignal);
    expect(last.services).toEqual(["lru-cache-example"]);
    expect(last.by("repomind.cache.requests", "cache.name", "cache.result")).toEqual({
      "squares hit": 3,
      "squares miss": 104,
    });
    expect(last.by("repomind.cache.evictions", "cache.name", "cache.eviction.reason")).toEqual({
      "squares capacity": 4,
      "squares ttl": 0,
      "squares explicit": 0,
    });
    expect(last.by("repomind.cache.entries", "cache.name")).toEqual({ squares: 100 });
    // A timer may come 1 ms early.
    expect(last.by("repomind.cache.saved_time", "cache.name")["squares"]).toBeGreaterThan(
      3 * 0.019,
    );
    expect(last.served).toEqual({ "GET /squares/:n 200 - http": 107 });
  });

  const describeWithRedis = isRedisMissing("the Redis part of test/e2e/examples-apps.test.ts")
    ? describe.skip
    : describe;

  describeWithRedis("in Redis", () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await RedisServer.start();
    });
    afterAll(() => redis.stop());

    test.each([
      ["redis", 4],
      ["ioredis", 6],
    ] as const)("%s", async (name, n) => {
      const app = await start(name, { REDIS_URL: redis.url });
      const path = `/squares/${n}`;
      const answers = await app.askAll(
        `GET ${path}`,
        `GET ${path}`,
        `DELETE ${path}`,
        `GET ${path}`,
      );
      expect(answers).toEqual([`200 ${n * n}`, `200 ${n * n}`, "200 1", `200 ${n * n}`]);
      const last = await ended(app, byItself);
      expect(last.services).toEqual([`${name}-example`]);
      const results = { "squares hit": 1, "squares miss": 2 };
      expect(last.by("repomind.cache.requests", "cache.name", "cache.result")).toEqual(results);
      expect(last.by("repomind.cache.operation.duration", "cache.name", "cache.result")).toEqual(
        results,
      );
      expect(last.by("repomind.cache.evictions", "cache.name", "cache.eviction.reason")).toEqual({
        "squares explicit": 1,
      });
      expect(last.served).toEqual({
        "GET /squares/:n 200 - http": 3,
        "DELETE /squares/:n 200 - http": 1,
      });
    });
  });
});

test("own-metrics", async () => {
  const app = await start("own-metrics");
  const asked = [
    await app.ask("GET /search?q=monad"),
    await app.ask("GET /search?q=no"),
    await app.ask("GET /search?q=a-lot-to-search-for", { "x-channel": "app" }),
    await app.ask("GET /search?q=monad", { "x-channel": "my-own-robot" }),
    ...(await app.askAll("GET /search?q=monad", "GET /search?q=monad", "GET /search?q=monad")),
  ];
  expect(asked).toEqual([
    "200 burritos",
    "200",
    "200",
    "200 burritos",
    "200 burritos",
    "429",
    "429",
  ]);
  const last = await ended(app, bySignal);
  expect(last.services).toEqual(["own-metrics-example"]);
  expect(last.by("shop.searches", "channel")).toEqual({ web: 3, app: 1, _OTHER: 1 });
  expect(last.buckets("shop.search.length")).toEqual([1, 3, 0, 1, 0]);
  expect(last.by("shop.documents")).toEqual({ "": 1 });
  expect(last.by("repomind.queue.size", "queue.name")).toEqual({ index: 2 });
  expect(last.by("repomind.queue.capacity", "queue.name")).toEqual({ index: 100 });
  expect(last.by("repomind.rate_limit.requests", "rate_limit.policy", "rate_limit.result")).toEqual(
    {
      "per_minute allowed": 5,
      "per_minute limited": 2,
      "per_minute queued": 0,
    },
  );
  expect(last.by("repomind.rate_limit.utilization", "rate_limit.policy")).toEqual({
    per_minute: 1,
  });
  expect(last.by("repomind.query.duration", "repomind.query.type", "outcome")).toEqual({
    "search answered": 3,
    "search empty": 2,
    "search error": 0,
    "search cancelled": 0,
  });
  expect(last.by("repomind.query.feedback", "repomind.query.type", "rating")).toEqual({
    "search up": 0,
    "search down": 0,
  });
  expect(last.served).toEqual({ "GET /search 200 - http": 5, "GET /search 429 - http": 2 });
});

describe("other ways out", () => {
  test("prometheus-scrape sends nothing", async () => {
    const app = await start("prometheus-scrape");
    await app.askAll("GET /orders", "GET /orders", "GET /metrics");
    const lines = (await app.ask("GET /metrics")).split("\n");
    expect(lines).toContain("shop_orders_total 2");
    expect(lines).toContain("# TYPE http_server_request_duration_seconds histogram");
    const counts = lines.filter((line) =>
      line.startsWith("http_server_request_duration_seconds_count"),
    );
    expect(counts).toHaveLength(1);
    expect(counts[0]).toMatch(/http_route="\/orders".* 2$/u);
    expect(lines.find((line) => line.startsWith("target_info"))).toContain(
      'service_name="prometheus-scrape-example"',
    );
    await ended(app, bySignal);
    expect(sink.requests).toBe(0);
  });

  test("opentelemetry-sdk sends both", async () => {
    const app = await start("opentelemetry-sdk");
    await app.askAll("GET /orders", "GET /orders", "GET /orders");
    const last = await ended(app, byItself);
    expect(last.services).toEqual(["opentelemetry-sdk-example"]);
    expect(last.by("shop.orders")).toEqual({ "": 3 });
    expect(last.served).toEqual({ "GET /orders 200 - http": 3 });
  });
});

describe("a service that does not answer delays the end by 500 ms at most", () => {
  test.each([
    ["express", bySignal],
    ["node-http", byItself],
  ] as const)("%s", async (name, how) => {
    sink.reply = () => "hang";
    const app = await project.start(name, sink, { isPatient: false });
    await app.ask("GET /repos");
    const at = performance.now();
    const stderr = expect.stringContaining("0 of 1 requests arrived in time");
    expect(await app.stop()).toEqual({ ...how, stderr });
    // 500 and the end itself, where the machine has time for it; a busy one wakes late.
    expect(performance.now() - at).toBeLessThan(3000);
    expect(sink.taken).toEqual([]);
  });
});

describe("as a user finds them", () => {
  const readme = readFileSync(join(root, "examples", "README.md"), "utf8");

  test("every example has its line in the README", () => {
    const yaml = readdirSync(join(root, "examples")).filter((name) => name.endsWith(".yaml"));
    const all = [...yaml, ...exampleNames.map((name) => `apps/${name}.ts`)];
    const listed = [...readme.matchAll(/^\| \[[^\]]+\]\(([^)]+)\) \|/gmu)].map(([, path]) => path!);
    expect(listed.toSorted()).toEqual(all.toSorted());
  });

  test.each(exampleNames)("%s is short, and says what it shows and how to run it", (name) => {
    const source = readFileSync(join(root, "examples", "apps", `${name}.ts`), "utf8");
    expect(source.split("\n").length).toBeLessThanOrEqual(60);
    expect(source).toMatch(/^\/\*\*\n \* \S/u);
    expect(source).toContain(`node examples/apps/${name}.ts\n`);
    expect(source).toMatch(/ \* {5}curl /u);
  });

  test("they find the package within this repository once it is built", () => {
    const found = execFileSync(
      process.execPath,
      ["--print", "require.resolve('repomind-telemetry/instrument')"],
      { cwd: join(root, "examples", "apps"), env: { ...process.env, NODE_OPTIONS: "" } },
    );
    expect(found.toString().trim()).toBe(join(root, "dist", "src", "instrument", "index.js"));
  });
});
