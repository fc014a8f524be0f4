import { afterEach, describe, expect, test } from "@jest/globals";
import { zpagesRoutes } from "../../../extensions/zpages/zpages.ts";
import type { EdgeCounts, ServiceView } from "../../../src/component.ts";
import { CardinalityGuard } from "../../../src/metrics/cardinality-guard.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { httpSpec, httpTestServer } from "../../support/http-listen.ts";
import { testSettings } from "../../support/settings.ts";

const startedMs = 1_700_000_000_000;
const edge: EdgeCounts = {
  from: "otlp",
  to: "batch/<b>",
  pipeline: "metrics/in",
  signal: "metrics",
  requests: 12,
  items: 1_234_567,
  bytes: 89_000_000,
  refusedItems: 5,
  heldItems: 42,
  heldBytes: 4200,
  dropped: new Map([
    ["queue_full", 7],
    ["shutdown", 1],
  ]),
};
const service: ServiceView = {
  startedMs,
  isReady: () => true,
  edges: () => [edge],
  components: () => [
    {
      id: { kind: "exporter", type: "otlp_grpc", text: "otlp_grpc/eu" },
      status: { state: "recoverable", message: 'backend said "<script>alert(1)</script>"' },
      held: { items: 30, bytes: 3000 },
      dropped: new Map([["permanent_error", 2]]),
    },
  ],
  extensions: () => ["zpages", "health_check/a"],
  recentErrors: () => [
    { atMs: startedMs + 1000, component: "otlp_grpc/eu", message: "first\u001b[31m" },
    { atMs: startedMs + 60_000, component: "service", message: "second" },
  ],
};

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(view: ServiceView = service) {
  const clock = new FakeClock(startedMs + 90_000);
  const server = httpTestServer();
  const listener = await server.listen(
    httpSpec("localhost:55679", zpagesRoutes("localhost:55679", view, clock)),
  );
  closers.push(() => listener.close(AbortSignal.timeout(1000)));
  return async (path: string, accept = "*/*", init: RequestInit = {}) => {
    const response = await fetch(server.url() + path, { headers: { accept }, ...init });
    return { response, text: await response.text() };
  };
}

describe("as text", () => {
  test("pipelinez shows the counts of every edge, what was dropped by reason, and the latest errors first", async () => {
    const get = await serve();
    const { response, text } = await get("/debug/pipelinez");
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(text).toBe(
      [
        "Pipelines",
        "",
        "Items are spans, data points or log records since the start. Held: taken over and not delivered yet. Refused: the sender still has them. Dropped: taken over and lost.",
        "",
        "Edges",
        "  Pipeline    Edge              Signal   Requests      Items       Bytes  Held items  Held bytes  Refused  Dropped  Reasons",
        "  metrics/in  otlp → batch/<b>  metrics        12  1,234,567  89,000,000          42       4,200        5        8  queue_full: 7, shutdown: 1",
        "",
        "Components",
        "  Kind      Id            Pipeline  State        Held items  Held bytes  Dropped  Reasons and message",
        '  exporter  otlp_grpc/eu            recoverable          30       3,000        2  permanent_error: 2; backend said "<script>alert(1)</script>"',
        "",
        "Recent errors",
        "  Time                                  Component     Error",
        "  2023-11-14T22:14:20.000Z (30s ago)    service       second",
        "  2023-11-14T22:13:21.000Z (1m29s ago)  otlp_grpc/eu  first [31m",
        "",
      ].join("\n"),
    );
  });

  test("servicez shows readiness, uptime and components", async () => {
    const { text } = await (await serve())("/debug/servicez");
    expect(text).toMatch(/Ready +yes\n +Started +2023-11-14T22:13:20.000Z\n +Uptime +1m30s\n/u);
    expect(text).toMatch(/exporter +otlp_grpc\/eu +recoverable +30 +3,000 +2 +permanent_error: 2/u);
  });

  test("edges stand along one pipeline after the other", async () => {
    const edges = ["traces", "metrics", "traces"].map((pipeline, i) => ({
      ...edge,
      pipeline,
      from: `c${i}`,
    }));
    const { text } = await (await serve({ ...service, edges: () => edges }))("/debug/pipelinez");
    expect(text.match(/c\d/gu)).toEqual(["c1", "c0", "c2"]);
  });

  test("seriesz shows what stateful components keep, and the metrics with the most series first", async () => {
    const get = await serve();
    expect((await get("/debug/seriesz")).text).toContain("No component keeps series.");
    const guard = new CardinalityGuard(testSettings({ id: "statsd" }), 3);
    for (const metric of ["small", "large", "large"]) guard.admit(metric);
    guard.countOverflow("large", 1000);
    const { text } = await get("/debug/seriesz");
    guard.close();
    expect(text).toMatch(/\n +statsd +3 +3 +0 +1,000\n/u);
    expect(text).toMatch(/\n +statsd +large +2 +1,000\n +statsd +small +1 +0\n/u);
  });

  test.each([
    ["/debug/extensionz", "health_check/a"],
    ["/debug/featurez", "--feature-gates"],
    ["/debug/tracez", "Not in this version"],
    ["/", "/debug/pipelinez"],
  ])("%s says %s", async (path, words) => {
    const { response, text } = await (await serve())(path);
    expect(response.status).toBe(200);
    expect(text).toContain(words);
  });

  test("a service without pipelines and errors says so", async () => {
    const quiet = {
      ...service,
      edges: () => [],
      components: () => [],
      recentErrors: () => [],
      isReady: () => false,
    };
    const get = await serve(quiet);
    expect((await get("/debug/pipelinez")).text).toMatch(
      /No pipeline is running.\n\nComponents\n {2}None.\n\nRecent errors\n {2}No errors./u,
    );
    expect((await get("/debug/servicez")).text).toMatch(/Ready +no\n/u);
  });
});

describe("as HTML", () => {
  const browser = "text/html,application/xhtml+xml,*/*;q=0.8";

  test("values are escaped and the page can load and run nothing", async () => {
    const get = await serve();
    const { response, text } = await get("/debug/servicez", browser);
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(response.headers.get("content-security-policy")).toMatch(
      /^default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'/u,
    );
    expect(text).toContain(
      "<td>permanent_error: 2; backend said &quot;&lt;script&gt;alert(1)&lt;/script&gt;&quot;</td>",
    );
    expect(text).not.toContain("<script");
    expect((await get("/debug/pipelinez", browser)).text).toContain("otlp → batch/&lt;b&gt;");
  });

  test("numbers stand to the right, and every page links to the others", async () => {
    const { text } = await (await serve())("/debug/pipelinez", browser);
    expect(text).toContain('<th class="n">Items</th>');
    expect(text).toContain('<td class="n">1,234,567</td>');
    expect(text).toContain('<a href="servicez">servicez</a>');
  });

  test("the links of the index lead to pages", async () => {
    const get = await serve();
    const { text } = await get("/", browser);
    const links = [...text.matchAll(/href="([^"]+)"/gu)].map(([, href]) => href);
    expect(links).toHaveLength(6);
    for (const link of links) expect((await get(`/${link}`)).response.status).toBe(200);
  });
});

test("only GET and HEAD are answered", async () => {
  const get = await serve();
  expect((await get("/debug/servicez", "*/*", { method: "POST" })).response.status).toBe(405);
  expect((await get("/debug/servicez", "*/*", { method: "HEAD" })).response.status).toBe(200);
});
