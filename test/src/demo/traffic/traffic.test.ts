/** Arrivals, the mix of requests, the burst, and the tally. */
import { beforeEach, describe, expect, test } from "@jest/globals";
import { repoCount } from "../../../../src/demo/app/repos.ts";
import { defaultKnobs } from "../../../../src/demo/knobs.ts";
import { burst } from "../../../../src/demo/traffic/burst.ts";
import type { Result, Sent } from "../../../../src/demo/traffic/client.ts";
import { Mix } from "../../../../src/demo/traffic/mix.ts";
import { Tally } from "../../../../src/demo/traffic/tally.ts";
import { Traffic } from "../../../../src/demo/traffic/traffic.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { InstantClock } from "../../../support/instant-clock.ts";

const ok: Result = { kind: "answered", status: 200, bytes: 2 };

describe("traffic", () => {
  let clock: FakeClock;
  let sent: { readonly request: Sent; readonly atMs: number }[];
  let answer: (request: Sent) => Promise<Result>;
  let traffic: Traffic;
  const start = (rps: number, seed = 1) => {
    clock = new FakeClock(0);
    sent = [];
    const send = (request: Sent) => {
      sent.push({ request, atMs: clock.now() });
      return answer(request);
    };
    traffic = new Traffic({ seed, clock, client: { send }, knobs: { ...defaultKnobs, rps } });
    traffic.start();
  };
  beforeEach(() => {
    answer = () => Promise.resolve({ kind: "answered", status: 404, bytes: 0 });
  });

  test("30 a second arrive as a Poisson process: the variance of a second's count is its mean", async () => {
    start(30);
    await clock.advance(60_000);
    const counts = Array.from({ length: 60 }, () => 0);
    for (const { atMs } of sent) counts[Math.min(59, Math.floor(atMs / 1000))]!++;
    const mean = sent.length / 60;
    expect(mean).toBeGreaterThan(28);
    expect(mean).toBeLessThan(32);
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / 59;
    expect(variance / mean).toBeGreaterThan(0.6);
    expect(variance / mean).toBeLessThan(1.6);
  });

  test("the same seed sends the same requests at the same times", async () => {
    start(30, 7);
    await clock.advance(3000);
    const first = sent;
    start(30, 7);
    await clock.advance(3000);
    expect(sent).toEqual(first);
    start(30, 8);
    await clock.advance(3000);
    expect(sent).not.toEqual(first);
  });

  test("another rate holds at once, 0 is silence", async () => {
    start(0);
    await clock.advance(5000);
    expect(sent).toHaveLength(0);
    traffic.setKnobs({ ...defaultKnobs, rps: 200 });
    await clock.advance(5000);
    expect(sent.length).toBeGreaterThan(850);
    traffic.setKnobs({ ...defaultKnobs, rps: 0 });
    const before = sent.length;
    await clock.advance(5000);
    expect(sent).toHaveLength(before);
    expect(clock.pending).toBe(0);
  });

  test("while 1,000 are open no further one is sent, and those are counted", async () => {
    const open: ((result: Result) => void)[] = [];
    answer = () => new Promise((resolve) => open.push(resolve));
    start(1000);
    await clock.advance(2000);
    expect(sent).toHaveLength(1000);
    const { sent: counted, skipped } = traffic.tally.report;
    expect(counted).toBe(1000);
    expect(skipped).toBeGreaterThan(800);
    const finished = traffic.finish();
    for (const resolve of open) resolve(ok);
    await finished;
    expect(clock.pending).toBe(0);
  });

  test("it is finished when the open requests are, and sends nothing more", async () => {
    let release: (result: Result) => void = () => {};
    answer = () => new Promise((resolve) => (release = resolve));
    start(0);
    const asked = traffic.send({ method: "POST", path: "/ask", route: "/ask", body: {} });
    let isFinished = false;
    const finished = traffic.finish().then(() => (isFinished = true));
    await clock.advance(1000);
    expect(isFinished).toBe(false);
    release(ok);
    await Promise.all([finished, asked]);
    expect(sent).toHaveLength(1);
    await traffic.finish();
  });

  test("some answers are rated, by their type and repository", async () => {
    answer = () => Promise.resolve(ok);
    start(200);
    await clock.advance(10_000);
    const of = (route: string) =>
      sent.filter(({ request }) => request.route === route).map(({ request }) => request.body);
    const share = of("/feedback").length / of("/ask").length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.4);
    expect(of("/feedback")[0]).toEqual({
      type: expect.stringMatching(/^(explain|locate|summarize|review)$/u),
      rating: expect.stringMatching(/^(up|down)$/u),
      repo: expect.any(Number),
    });
  });
});

test("the mix is 40, 20, 25 and 15 %, with 2 % that are not there and 1 % that go away", () => {
  const mix = new Mix(1);
  const requests = Array.from({ length: 20_000 }, () => mix.next());
  const share = (is: (request: Sent) => boolean) => requests.filter(is).length / 20_000;
  const missing = ({ path }: Sent) => path === `/repos/${repoCount}` || path === "/favicon.ico";
  expect(share(missing)).toBeCloseTo(0.02, 2);
  expect(share(({ abortAfterMs }) => abortAfterMs !== undefined)).toBeCloseTo(0.01, 2);
  for (const [route, wanted] of [
    ["/repos", 0.4],
    ["/repos/:id", 0.2],
    ["/search", 0.25],
    ["/ask", 0.15],
  ] as const) {
    const found = share((request) => request.route === route && !missing(request));
    expect(Math.abs(found - wanted * 0.98)).toBeLessThan(0.01);
  }
});

test("the tally counts by method, route and status", () => {
  const tally = new Tally();
  const send = (request: Sent, result: Result) => {
    tally.begin();
    tally.end(request, result);
  };
  const list: Sent = { method: "GET", path: "/repos?page=1", route: "/repos" };
  const rated = { type: "explain", rating: "up" };
  const feedback: Sent = { method: "POST", path: "/feedback", route: "/feedback", body: rated };
  send(list, ok);
  send(list, ok);
  send(list, { kind: "aborted" });
  send({ ...list, route: undefined }, { kind: "answered", status: 404, bytes: 0 });
  send(list, { kind: "failed", reason: "timeout" });
  send(feedback, { kind: "answered", status: 204, bytes: 0 });
  send(feedback, { kind: "answered", status: 500, bytes: 0 });
  expect(tally.report).toEqual({
    sent: 7,
    answered: {
      "GET /repos 200": 2,
      "GET - 404": 1,
      "POST /feedback 204": 1,
      "POST /feedback 500": 1,
    },
    aborted: { "GET /repos": 1 },
    failed: { timeout: 1 },
    feedback: { "explain up": 1 },
    skipped: 0,
  });
});

describe("the burst", () => {
  const run = async (answer: (request: Sent, count: number) => Result) => {
    const sent: Sent[] = [];
    const clock = new InstantClock();
    let sentBeforeCalm = 0;
    const send = (request: Sent) => {
      sent.push(request);
      return Promise.resolve(answer(request, sent.length));
    };
    await burst(send, clock, () => (sentBeforeCalm = sent.length));
    return { sent, sentBeforeCalm, waitsMs: clock.waitsMs };
  };

  test("has one of everything that is rare, and ends when the rate limit was met", async () => {
    const { sent, waitsMs, sentBeforeCalm } = await run((_, count) =>
      count > 60 ? { kind: "answered", status: 429, bytes: 0 } : ok,
    );
    const faults = new Set(sent.map(({ fault }) => fault));
    expect(faults).toEqual(new Set([undefined, "error", "empty", "llm_rate_limit", "llm_error"]));
    expect(sent.some(({ abortAfterMs }) => abortAfterMs !== undefined)).toBe(true);
    expect(sent.some(({ route }) => route === undefined)).toBe(true);
    const ratings = sent.filter(({ route }) => route === "/feedback");
    expect(ratings.map(({ body }) => (body as { rating: string }).rating)).toEqual(["up", "down"]);
    expect(sent).toHaveLength(73);
    // The rate limit forgets within a second; until then nobody else is sent.
    expect([waitsMs, sentBeforeCalm]).toEqual([[1000], 73]);
  });

  test("floods again where the app was too slow to refuse, but not for ever", async () => {
    expect((await run(() => ok)).sent).toHaveLength(13 + 5 * 60);
  });
});
