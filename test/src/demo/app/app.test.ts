/** The app as its users see it, and what its helpers tell about it. */
import { once } from "node:events";
import { createServer, request as open, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "@jest/globals";
import { App } from "../../../../src/demo/app/app.ts";
import { faultHeader } from "../../../../src/demo/faults.ts";
import { defaultKnobs, type Knobs } from "../../../../src/demo/knobs.ts";
import { FakeLlm } from "../../../../src/demo/llm/fake-llm.ts";
import { HttpServerMetrics } from "../../../../src/instrument/http/server.ts";
import { setRuntime } from "../../../../src/instrument/runtime.ts";
import { InstantClock } from "../../../support/instant-clock.ts";
import { Bench } from "../../../support/instrument-points.ts";

let bench: Bench;
let http: HttpServerMetrics;
let llm: FakeLlm;
let app: App;
let url = "";
let turned: Knobs[];
let clock: InstantClock;

/** With instruments of its own. */
async function startApp(llmUrl: string): Promise<void> {
  bench = new Bench();
  setRuntime(bench);
  http = new HttpServerMetrics(bench.meter, {}, bench.problems);
  app = new App({
    seed: 1,
    clock,
    meter: bench.meter,
    llmUrl,
    knobs: defaultKnobs,
    onKnobs: (knobs) => turned.push(knobs),
  });
  url = `http://127.0.0.1:${await app.start(0)}`;
}

beforeEach(async () => {
  turned = [];
  clock = new InstantClock();
  llm = new FakeLlm({ seed: 3, clock: new InstantClock(), knobs: () => defaultKnobs });
  await startApp(await llm.start());
});
afterEach(() => {
  stopApp();
  llm.stop();
});

function stopApp(): void {
  app.stop();
  http[Symbol.dispose]();
  setRuntime(undefined);
  expect(bench.said).toEqual([]);
}

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, { headers });
  return { status: response.status, body: await response.json() };
}
async function post(path: string, body: unknown, fault?: string) {
  const headers: Record<string, string> = fault === undefined ? {} : { [faultHeader]: fault };
  const response = await fetch(url + path, { method: "POST", headers, body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}
const question = (type: string) => ({ type, repo: 7, question: "Why?" });

/** The values of a metric by the values of its attributes. */
function values(metric: string, points = bench.collect()): Record<string, number> {
  return Object.fromEntries(
    points
      .filter((point) => point.metric === metric)
      .map(({ attributes, count, value }) => [
        Object.values(attributes).join(" "),
        (count ?? value)!,
      ])
      .filter(([, number]) => number !== 0),
  ) as Record<string, number>;
}

test("repositories are listed, read and searched, and what is not there is 404", async () => {
  expect(await get("/repos?page=2")).toMatchObject({ status: 200 });
  expect(await get("/repos?page=x")).toMatchObject({ status: 400 });
  expect(await get("/repos/7")).toMatchObject({ status: 200, body: { id: 7 } });
  expect(await get("/repos/5000")).toMatchObject({ status: 404 });
  expect(await get("/repos/seven")).toMatchObject({ status: 404 });
  expect(await get("/search?q=queue+3")).toMatchObject({ status: 200 });
  expect(await get("/search")).toMatchObject({ status: 400 });
  expect(await get("/nothing")).toMatchObject({ status: 404 });
  const routes = bench
    .collect()
    .filter(({ metric }) => metric === "http.server.request.duration")
    .map(({ attributes }) => attributes["http.route"]);
  expect(new Set(routes)).toEqual(new Set(["/repos", "/repos/:id", "/search", undefined]));
});

describe("questions", () => {
  test.each([
    ["explain", "gpt-5.4"],
    ["review", "claude-sonnet-4-6"],
  ])(
    "%s is answered by %s, and its tokens are those that the model counted",
    async (type, model) => {
      const { status, text } = await post("/ask", question(type));
      expect([status, text]).toEqual([200, expect.stringMatching(/\w/u)]);
      const [counts] = llm.counts;
      expect(counts).toMatchObject({ model, attempts: 1, answers: 1 });
      const usage = bench.collect().filter(({ metric }) => metric === "gen_ai.client.token.usage");
      const tokens = Object.fromEntries(
        usage.map(({ attributes, sum }) => [attributes["gen_ai.token.type"], sum]),
      );
      expect(tokens).toEqual({ input: counts!.inputTokens, output: counts!.outputTokens });
      expect(values("repomind.query.duration")).toEqual({ [`${type} answered`]: 1 });
      expect(app.counts.queries).toEqual({ [`${type} answered`]: 1 });
    },
  );

  test("the first attempt is refused, and the second comes when the model said", async () => {
    expect(await post("/ask", question("locate"), "llm_rate_limit")).toMatchObject({ status: 200 });
    expect(clock.waitsMs).toContain(1000);
    expect(llm.counts).toMatchObject([{ attempts: 2, answers: 1 }]);
    expect(values("repomind.llm.retries")).toEqual({
      [`openai gpt-5.4-mini locate rate_limit`]: 1,
    });
  });

  test("all attempts fail", async () => {
    const { status, text } = await post("/ask", question("summarize"), "llm_error");
    expect([status, text]).toEqual([502, expect.stringContaining("answered 500")]);
    expect(llm.counts).toMatchObject([{ attempts: 3, answers: 0 }]);
    expect(clock.waitsMs).toEqual(expect.arrayContaining([100, 200]));
    expect(values("repomind.query.duration")).toEqual({ "summarize error": 1 });
  });

  test("the model has no text", async () => {
    expect(await post("/ask", question("review"), "empty")).toEqual({ status: 200, text: "" });
    expect(app.counts.queries).toEqual({ "review empty": 1 });
  });

  test("the app fails before it asks", async () => {
    expect(await post("/ask", question("review"), "error")).toMatchObject({ status: 500 });
    expect(llm.counts).toEqual([]);
    expect(app.counts.queries).toEqual({ "review error": 1 });
  });

  test("what is no question is told what one is", async () => {
    for (const body of [{}, { type: "explain" }, question("why"), null]) {
      const { status, text } = await post("/ask", body);
      expect(status).toBe(400);
      expect(JSON.parse(text)).toEqual({ error: expect.stringContaining(`"explain" | "locate"`) });
    }
    expect(app.counts.queries).toEqual({});
  });
});

test("a client that goes away cancels its question, which is still read to its end", async () => {
  const held = Promise.withResolvers<ServerResponse>();
  const slow: Server = createServer((_, response) => held.resolve(response));
  slow.listen(0, "127.0.0.1");
  await once(slow, "listening");
  stopApp();
  await startApp(`http://127.0.0.1:${(slow.address() as AddressInfo).port}`);
  const request = open(`${url}/ask`, { method: "POST" });
  request.on("error", () => {});
  request.end(JSON.stringify(question("locate")));
  const response = await held.promise;
  let isIdle = false;
  const idle = app.idle().then(() => (isIdle = true));
  const gone = new Promise((resolve) => goneOnce(resolve));
  request.destroy();
  await gone;
  expect(isIdle).toBe(false);
  response.end("data: [DONE]\n\n");
  await idle;
  expect(app.counts.queries).toEqual({ "locate cancelled": 1 });
  expect(values("http.server.request.duration")).toMatchObject({ "/ask POST http aborted": 1 });
  slow.close();
  slow.closeAllConnections();
});

/** When the app has counted the abort. */
function goneOnce(done: (value: unknown) => void): void {
  const isCounted = Object.keys(values("http.server.request.duration")).some((key) =>
    key.endsWith("aborted"),
  );
  if (isCounted) done(undefined);
  else setImmediate(() => goneOnce(done));
}

test("feedback is counted, and what people do not like is read afresh", async () => {
  const rate = (rating: string) => post("/feedback", { type: "explain", rating, repo: 3 });
  expect(await rate("up")).toMatchObject({ status: 204 });
  const { entries } = app.counts.caches.repos;
  expect(await rate("down")).toMatchObject({ status: 204 });
  expect(app.counts.caches.repos.entries).toBe(entries - 1);
  expect(await rate("sideways")).toMatchObject({ status: 400 });
  expect(values("repomind.query.feedback")).toEqual({ "explain up": 1, "explain down": 1 });
  expect(values("repomind.cache.evictions")).toEqual({ "repos explicit": 1 });
});

test("more than 40 requests within a second are limited, those to /_demo are not counted", async () => {
  const statuses = [];
  for (let i = 0; i < 42; i++) statuses.push((await get("/nothing")).status);
  expect(statuses).toEqual([...Array.from({ length: 40 }, () => 404), 429, 429]);
  const limited = await fetch(`${url}/repos`);
  expect([limited.status, limited.headers.get("retry-after")]).toEqual([429, "1"]);
  await limited.text();
  expect(await get("/_demo")).toMatchObject({ status: 200 });
  expect(app.counts).toMatchObject({ allowed: 40, limited: 3 });
  const points = bench.collect();
  expect(values("repomind.rate_limit.requests", points)).toEqual({
    "api allowed": 40,
    "api limited": 3,
  });
  expect(values("repomind.rate_limit.utilization", points)).toEqual({ api: 1 });
});

test("both caches count as they themselves do", async () => {
  for (const id of [1, 1, 4999, 4999, 4998]) await get(`/repos/${id}`);
  for (const words of ["a", "a", "b"]) await get(`/search?q=${words}`);
  expect(app.counts.caches).toMatchObject({
    repos: { hits: 3, misses: 2, evicted: 2, entries: 500 },
    searches: { hits: 1, misses: 2, entries: 2 },
  });
  expect(values("repomind.cache.requests")).toEqual({
    "repos hit": 3,
    "repos miss": 2,
    "searches hit": 1,
    "searches miss": 2,
  });
  expect(values("repomind.cache.evictions")).toEqual({ "repos capacity": 2 });
  expect(values("repomind.cache.entries")).toEqual({ repos: 500, searches: 2 });
  expect(values("repomind.index.jobs")).toEqual({ queued: 2 });
});

describe("knobs", () => {
  test("are shown, and turned together or not at all", async () => {
    expect(await get("/_demo")).toMatchObject({
      body: { rps: 30, errors: 0, "llm-outage": false },
    });
    const taken = await post("/_demo", { errors: 0.5, latency: "x3" });
    expect(JSON.parse(taken.text)).toMatchObject({ errors: 0.5, latency: 3 });
    expect(turned).toEqual([{ ...defaultKnobs, errors: 0.5, latency: 3 }]);
    const refused = await post("/_demo", { rps: 5, erorrs: 1 });
    expect(refused.status).toBe(400);
    expect(refused.text).toContain("did you mean errors?");
    expect(await get("/_demo")).toMatchObject({ body: { rps: 30, errors: 0.5 } });
    expect(turned).toHaveLength(1);
  });

  test("errors is the share of requests that fail", async () => {
    app.setKnobs({ ...defaultKnobs, errors: 1 });
    const statuses = [];
    for (const path of ["/repos", "/repos/1", "/search?q=a"])
      statuses.push((await get(path)).status);
    expect(statuses).toEqual([500, 500, 500]);
    expect((await post("/feedback", { type: "explain", rating: "up" })).status).toBe(500);
  });

  test("cache-collapse leaves a few entries, queue-stall lets jobs wait, latency stretches the work", async () => {
    app.setKnobs({ ...defaultKnobs, cacheCollapse: true, queueStall: true, latency: 100 });
    clock.waitsMs.length = 0;
    for (const id of [4991, 4992, 4993]) await get(`/repos/${id}`);
    expect(app.counts.caches.repos).toMatchObject({ entries: 5, evicted: 498 });
    expect(values("repomind.queue.size")).toEqual({ index: 3 });
    expect(Math.min(...clock.waitsMs)).toBeGreaterThan(100);
  });
});
