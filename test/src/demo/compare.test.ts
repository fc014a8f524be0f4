/** What was sent against a page of metrics. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "@jest/globals";
import type { AppCounts } from "../../../src/demo/app/app.ts";
import { compare } from "../../../src/demo/compare.ts";
import { missingOn } from "../../../src/demo/expected.ts";
import type { OutsideReport } from "../../../src/demo/outside.ts";
import { type Page, readPage } from "../../../src/demo/page.ts";
import { comparisonText, progressHeader, progressRow } from "../../../src/demo/texts.ts";
import { Watch } from "../../../src/demo/watch.ts";

let server: Server | undefined;
afterEach(stopServing);

function stopServing(): void {
  server?.close();
  server?.closeAllConnections();
  server = undefined;
}

/** Serves a page; returns its URL. */
async function serve(text: string, status = 200): Promise<string> {
  stopServing();
  server = createServer((_, response) => response.writeHead(status).end(text));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`;
}

const own = `job="repomind",instance="run"`;
const line = (name: string, labels: string, value: number) =>
  `${name}{${labels}${labels === "" ? "" : ","}${own}} ${value}\n`;
const type = (name: string, kind: string) => `# TYPE ${name} ${kind}\n`;
const histogram = (name: string, labels: string, count: number, sum = 0) =>
  line(`${name}_bucket`, labels === "" ? `le="+Inf"` : `${labels},le="+Inf"`, count) +
  line(`${name}_sum`, labels, sum) +
  line(`${name}_count`, labels, count);

const duration = "http_server_request_duration_seconds";
const get = (route: string, status: number) =>
  `http_request_method="GET",http_route="${route}",http_response_status_code="${status}"`;
const aborted = (route: string) =>
  `error_type="aborted",http_request_method="GET",http_route="${route}"`;

const pageOf = async (text: string): Promise<Page> => readPage(await serve(text), "run");

const quiet: OutsideReport = {
  sent: 0,
  answered: {},
  aborted: {},
  failed: {},
  feedback: {},
  skipped: 0,
  models: [],
};
const noCache = { hits: 0, misses: 0, evicted: 0, expired: 0, entries: 0 };
const idle: AppCounts = {
  caches: { repos: noCache, searches: noCache },
  allowed: 0,
  limited: 0,
  queries: {},
};

async function differences(
  text: string,
  outside: Partial<OutsideReport>,
  app: Partial<AppCounts> = {},
): Promise<string[]> {
  const truth = { outside: { ...quiet, ...outside }, app: { ...idle, ...app } };
  return compare(truth, await pageOf(text)).flatMap((comparison) => comparison.differences);
}

test("a page is read as far as it belongs to this run", async () => {
  const foreign = `repomind_queue_size{job="repomind",instance="other"} 7\n`;
  const page = await pageOf(
    type("repomind_queue_size", "gauge") +
      foreign +
      line("repomind_queue_size", `queue_name="index"`, 3) +
      type(duration, "histogram") +
      histogram(duration, get("/repos", 200), 5, 1.5),
  );
  expect(page.value("repomind_queue_size")).toBe(3);
  expect([page.value(duration), page.sum(duration)]).toEqual([5, 1.5]);
  expect(page.value(duration, { http_route: "/search" })).toBe(0);
  expect(page.series(duration, { error_type: "" })).toHaveLength(1);
});

test("a page that is none is told", async () => {
  await expect(readPage(await serve("", 503), "run")).rejects.toThrow("answered 503");
});

describe("requests", () => {
  const durations = (...lines: [string, number][]) =>
    type(duration, "histogram") +
    lines.map(([labels, count]) => histogram(duration, labels, count)).join("");

  test("the same on both sides", async () => {
    const text = durations(
      [get("/repos", 200), 5],
      [get("/repos", 500), 1],
      [get("/_demo", 200), 2],
    );
    const answered = { "GET /repos 200": 5, "GET /repos 500": 1 };
    expect(await differences(text, { answered })).toEqual([]);
  });

  test("too few, too many, and what nobody sent", async () => {
    const text = durations([get("/repos", 200), 4], [get("/search", 200), 3], [get("/x", 404), 1]);
    const answered = { "GET /repos 200": 5, "GET /search 200": 2 };
    expect(await differences(text, { answered })).toEqual([
      "GET /repos 200: 5 sent, 4 arrived",
      "GET /search 200: 2 sent, 3 arrived",
      "GET /x 404: 0 sent, 1 arrived",
    ]);
  });

  test("without a route", async () => {
    const labels = `http_request_method="GET",http_response_status_code="404"`;
    expect(await differences(durations([labels, 2]), { answered: { "GET - 404": 2 } })).toEqual([]);
  });

  test("of those whose client went away each stands somewhere", async () => {
    const sent = { answered: { "GET /repos 200": 5 }, aborted: { "GET /repos": 3 } };
    const text = durations([get("/repos", 200), 6], [aborted("/repos"), 2]);
    expect(await differences(text, sent)).toEqual([]);
    const lost = durations([get("/repos", 200), 5], [aborted("/repos"), 2]);
    expect(await differences(lost, sent)).toEqual(["GET /repos aborted: 3 sent, 1 missing"]);
    const fewer = durations([get("/repos", 200), 4], [aborted("/repos"), 4]);
    expect(await differences(fewer, sent)).toContain("GET /repos 200: 5 sent, 4 arrived");
  });

  test("neither answered nor aborted is a difference of its own", async () => {
    expect(await differences("", { failed: { timeout: 2 } })).toEqual([
      "2 neither answered nor aborted: timeout",
    ]);
  });

  test("still under way", async () => {
    const text =
      type("http_server_active_requests", "gauge") +
      line("http_server_active_requests", `http_request_method="GET"`, 1);
    expect(await differences(text, {})).toEqual(["active requests: 0 sent, 1 arrived"]);
  });

  test("by endpoint, where the service makes the seed's metric", async () => {
    const seed = "repomind_api_request_duration_seconds";
    const text =
      durations([get("/repos", 200), 5]) +
      type(seed, "histogram") +
      histogram(seed, `endpoint="/repos",method="GET"`, 4);
    const answered = { "GET /repos 200": 5 };
    expect(await differences(text, { answered })).toEqual(["GET /repos: 5 sent, 4 arrived"]);
  });
});

test("language models: attempts are operations and retries, tokens are sums", async () => {
  const labels = `gen_ai_provider_name="openai",gen_ai_request_model="m"`;
  const operations = "gen_ai_client_operation_duration_seconds";
  const tokens = "gen_ai_client_token_usage";
  const text =
    type(operations, "histogram") +
    histogram(operations, labels, 4) +
    type("repomind_llm_retries_total", "counter") +
    line("repomind_llm_retries_total", `${labels},error_type="rate_limit"`, 2) +
    type(tokens, "histogram") +
    histogram(tokens, `${labels},gen_ai_token_type="input"`, 4, 100) +
    histogram(tokens, `${labels},gen_ai_token_type="output"`, 4, 70);
  const counts = {
    provider: "openai",
    model: "m",
    attempts: 6,
    answers: 4,
    inputTokens: 100,
    outputTokens: 70,
  };
  expect(await differences(text, { models: [counts] })).toEqual([]);
  const more = { ...counts, attempts: 7, outputTokens: 71 };
  expect(await differences(text, { models: [more] })).toEqual([
    "openai m: 7 sent, 6 arrived",
    "openai m output: 71 sent, 70 arrived",
  ]);
});

test("rate limit, questions, feedback and caches", async () => {
  const queries = "repomind_query_duration_seconds";
  const text =
    type("repomind_rate_limit_requests_total", "counter") +
    line("repomind_rate_limit_requests_total", `rate_limit_result="allowed"`, 9) +
    line("repomind_rate_limit_requests_total", `rate_limit_result="limited"`, 1) +
    type(queries, "histogram") +
    histogram(queries, `repomind_query_type="explain",outcome="answered"`, 3) +
    histogram(queries, `repomind_query_type="explain",outcome="empty"`, 0) +
    type("repomind_query_feedback_total", "counter") +
    line("repomind_query_feedback_total", `repomind_query_type="explain",rating="up"`, 2) +
    type("repomind_cache_requests_total", "counter") +
    line("repomind_cache_requests_total", `cache_name="repos",cache_result="hit"`, 5) +
    type("repomind_cache_entries", "gauge") +
    line("repomind_cache_entries", `cache_name="repos"`, 500);
  const app = {
    allowed: 9,
    limited: 1,
    queries: { "explain answered": 3 },
    caches: { repos: { ...noCache, hits: 5, entries: 500 }, searches: noCache },
  };
  const feedback = { "explain up": 2 };
  expect(await differences(text, { feedback }, app)).toEqual([]);
  const other = {
    ...app,
    limited: 2,
    queries: { "explain answered": 2, "explain error": 1 },
    caches: { repos: { ...noCache, hits: 5, expired: 1, entries: 500 }, searches: noCache },
  };
  expect(await differences(text, { feedback: {} }, other)).toEqual([
    "limited: 2 sent, 1 arrived",
    "explain answered: 2 sent, 3 arrived",
    "explain error: 1 sent, 0 arrived",
    "explain up: 0 sent, 2 arrived",
    "repos, expired: 1 sent, 0 arrived",
  ]);
});

test("the result names each subject, and of many differences the first ten", () => {
  const text = comparisonText([
    { subject: "a (3)", differences: [] },
    { subject: "b (20)", differences: Array.from({ length: 12 }, (_, i) => `x${i}`) },
  ]);
  expect(text.split("\n").slice(1, 4)).toEqual([
    "  same       a (3)",
    "  DIFFERENT  b (20)",
    "             x0",
  ]);
  expect(text).toContain("x9\n             and 2 more");
  expect(text).not.toContain("x10");
});

test("a row of progress says what came since the one before", () => {
  const report = (sent: number, status: number) => ({
    ...quiet,
    sent,
    answered: { "GET /repos 200": sent, [`POST /ask ${status}`]: 4 },
    aborted: { "GET /repos": 1 },
    models: [
      { provider: "p", model: "m", attempts: sent, answers: 0, inputTokens: 0, outputTokens: 0 },
    ],
  });
  const before = { report: { ...quiet, sent: 10 }, elapsedMs: 5000 };
  const now = { report: report(160, 502), elapsedMs: 10_000 };
  expect(
    progressHeader()
      .trim()
      .split(/\s{2,}/u),
  ).toEqual(["time", "req/s", "4xx", "5xx", "aborted", "asks", "LLM"]);
  expect(
    progressRow(now, before)
      .trim()
      .split(/\s{2,}/u),
  ).toEqual(["10 s", "30.0", "0", "4", "1", "4", "160"]);
  expect(progressRow(now, before)).toHaveLength(progressHeader().length);
});

describe("what has no data yet", () => {
  test("zeros count for current values, not for counters", async () => {
    const page = await pageOf(
      type("repomind_queue_size", "gauge") +
        line("repomind_queue_size", "", 0) +
        type("repomind_llm_cost_total", "counter") +
        line("repomind_llm_cost_total", "", 0) +
        type("repomind_query_feedback_total", "counter") +
        line("repomind_query_feedback_total", "", 1),
    );
    const { metrics, percentiles } = missingOn(page, true);
    expect(metrics).toContain("repomind_llm_cost_total");
    expect(metrics).not.toContain("repomind_queue_size");
    expect(metrics).not.toContain("repomind_query_feedback_total");
    expect(metrics).toContain("repomind_api_request_duration_seconds");
    expect(percentiles).toHaveLength(3);
  });

  test("other pipelines owe neither percentiles nor the seed's metric", async () => {
    const { metrics, percentiles } = missingOn(await pageOf(""), false);
    expect(metrics).not.toContain("repomind_api_request_duration_seconds");
    expect(percentiles).toEqual([]);
  });
});

describe("watching", () => {
  const service = (hasShippedPipelines: boolean) => ({
    endpoint: "http://127.0.0.1:4318",
    scrapeUrl: "http://127.0.0.1:9090/metrics",
    hasShippedPipelines,
    own: undefined,
  });
  /** Everything there is, or all but the percentiles. */
  const everything = async (): Promise<Page> => {
    const { metrics, percentiles } = missingOn(await pageOf(""), true);
    const lines = (names: readonly string[]) => names.map((name) => line(name, "", 1)).join("");
    return pageOf(lines(metrics) + lines(percentiles));
  };

  test("it says when everything has data, and then looks no more", async () => {
    const said: string[] = [];
    const page = await everything();
    const watch = new Watch(
      service(true),
      () => Promise.resolve(page),
      (text) => said.push(text),
    );
    expect(await watch.look(3400)).toBe(true);
    expect(said).toEqual([
      "Every metric has data after 3.4 s.",
      "The percentiles too after 3.4 s.",
    ]);
  });

  test("what is still missing after ten seconds is named, once", async () => {
    const said: string[] = [];
    const page = await pageOf("");
    const watch = new Watch(
      service(true),
      () => Promise.resolve(page),
      (text) => said.push(text),
    );
    expect(await watch.look(9999)).toBe(false);
    expect(said).toEqual([]);
    for (const elapsedMs of [10_001, 10_300]) expect(await watch.look(elapsedMs)).toBe(false);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain("\n  repomind_llm_cost_total\n");
    expect(said[0]).toContain("--scrape URL");
  });

  test("a page that cannot be read is told with its cause", async () => {
    const said: string[] = [];
    const read = () =>
      Promise.reject(new TypeError("fetch failed", { cause: new Error("refused") }));
    const watch = new Watch(service(false), read, (text) => said.push(text));
    await watch.look(11_000);
    expect(said[0]).toMatch(/^Still missing after 11.0 s, at \S+: refused/u);
  });
});
