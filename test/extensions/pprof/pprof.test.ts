import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "@jest/globals";
import { factory } from "../../../extensions/pprof/factory.ts";
import { ProfileFile } from "../../../extensions/pprof/profile-file.ts";
import { Profiler } from "../../../extensions/pprof/profiler.ts";
import { pprofRoutes } from "../../../extensions/pprof/routes.ts";
import { silentLogger } from "../../../src/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { httpSpec, httpTestServer } from "../../support/http-listen.ts";
import { testSettings } from "../../support/settings.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve() {
  const clock = new FakeClock();
  const server = httpTestServer();
  const routes = pprofRoutes("localhost:1777", new Profiler(), clock);
  const listener = await server.listen(httpSpec("localhost:1777", routes));
  closers.push(() => listener.close(AbortSignal.timeout(1000)));
  const get = (path: string, init?: RequestInit) =>
    fetch(`${server.url()}/debug/pprof${path}`, init);
  return { clock, get };
}

/** Resolves when a profile waits for its end. */
async function underWay(clock: FakeClock): Promise<void> {
  while (clock.pending === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe("profile", () => {
  test("answers a V8 CPU profile of the asked time", async () => {
    const { clock, get } = await serve();
    const answer = get("/profile?seconds=2");
    await underWay(clock);
    for (const endMs = Date.now() + 60; Date.now() < endMs; ) Math.sqrt(endMs);
    await clock.advance(2000);
    const response = await answer;
    expect(response.headers.get("content-disposition")).toBe(
      'attachment; filename="cpu.cpuprofile"',
    );
    const profile: unknown = await response.json();
    expect(profile).toMatchObject({
      nodes: expect.arrayContaining([expect.objectContaining({ callFrame: expect.anything() })]),
      samples: expect.arrayContaining([expect.any(Number)]),
      startTime: expect.any(Number),
    });
  });

  test("only one is taken at a time; the next one may follow", async () => {
    const { clock, get } = await serve();
    const first = get("/profile?seconds=1");
    await underWay(clock);
    const second = await get("/heap?seconds=1");
    expect(second.status).toBe(500);
    expect(await second.text()).toBe(
      "Could not enable heap profiling: cpu profiling already in use\n",
    );
    await clock.advance(1000);
    expect((await first).status).toBe(200);
    const third = get("/profile?seconds=1");
    await underWay(clock);
    await clock.advance(1000);
    expect((await third).status).toBe(200);
  });

  test("ends when the client goes away", async () => {
    const { clock, get } = await serve();
    const abort = new AbortController();
    const answer = get("/profile?seconds=300", { signal: abort.signal });
    await underWay(clock);
    abort.abort();
    await expect(answer).rejects.toThrow("aborted");
    while (clock.pending > 0) await new Promise((resolve) => setImmediate(resolve));
    const next = get("/profile?seconds=1");
    await underWay(clock);
    await clock.advance(1000);
    expect((await next).status).toBe(200);
  });

  test.each(["0", "-1", "301", "abc", "NaN", "Infinity"])(
    "seconds=%s is refused",
    async (seconds) => {
      const { get } = await serve();
      const response = await get(`/profile?seconds=${seconds}`);
      expect(response.status).toBe(400);
      expect(await response.text()).toContain("at most 300");
    },
  );

  test("takes 30 seconds unless told otherwise", async () => {
    const { clock, get } = await serve();
    const answer = get("/profile");
    await underWay(clock);
    await clock.advance(29_999);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    expect((await answer).status).toBe(200);
  });
});

describe("heap", () => {
  test("answers a sampling profile of the asked time", async () => {
    const { clock, get } = await serve();
    const answer = get("/heap?seconds=1");
    await underWay(clock);
    const kept = Array.from({ length: 200_000 }, (_, i) => ({ i }));
    await clock.advance(1000);
    const response = await answer;
    expect(kept).toHaveLength(200_000);
    expect(response.headers.get("content-disposition")).toContain("heap.heapprofile");
    expect(await response.json()).toMatchObject({
      head: { callFrame: { functionName: "(root)" } },
      samples: expect.arrayContaining([expect.objectContaining({ size: expect.any(Number) })]),
    });
  });

  test("answers a snapshot when asked for one", async () => {
    const { get } = await serve();
    const response = await get("/heap?snapshot=true");
    expect(response.headers.get("content-disposition")).toContain("heap.heapsnapshot");
    const text = await response.text();
    expect(text.startsWith('{"snapshot":{"meta"')).toBe(true);
    expect(text.trimEnd().endsWith("}")).toBe(true);
  });
});

test("the index names what there is, and other methods and paths are refused", async () => {
  const { get } = await serve();
  expect(await (await get("/")).text()).toContain("profile?seconds=N");
  expect((await get("/profile", { method: "POST" })).status).toBe(405);
  expect((await get("/goroutine")).status).toBe(404);
});

describe("save_to_file", () => {
  test("writes a profile from start to shutdown, and finishing works twice", async () => {
    const directory = await mkdtemp(join(tmpdir(), "pprof-"));
    closers.push(() => rm(directory, { recursive: true }));
    const path = join(directory, "service.cpuprofile");
    const clock = new FakeClock();
    const file = await ProfileFile.start(path, new Profiler(), clock, silentLogger);
    await underWay(clock);
    await file.finish();
    await file.finish();
    expect(JSON.parse(await readFile(path, "utf8"))).toHaveProperty("nodes");
  });

  test("ends by itself after an hour, which is said", async () => {
    const directory = await mkdtemp(join(tmpdir(), "pprof-"));
    closers.push(() => rm(directory, { recursive: true }));
    const path = join(directory, "service.cpuprofile");
    const clock = new FakeClock();
    const warnings: string[] = [];
    const log = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
    const profiler = new Profiler();
    const file = await ProfileFile.start(path, profiler, clock, log);
    await underWay(clock);
    await clock.advance(60 * 60 * 1000);
    await file.finish();
    expect(warnings).toEqual(["The CPU profile reached an hour and ends here."]);
    expect(await profiler.profile("cpu", Promise.resolve())).toContain('"nodes"');
  });

  test("a file that cannot be written is an error at start", async () => {
    const clock = new FakeClock();
    const start = ProfileFile.start("/nowhere/a.prof", new Profiler(), clock, silentLogger);
    await expect(start).rejects.toThrow(
      'cannot write CPU profile to "/nowhere/a.prof": ENOENT: no such file or directory',
    );
  });
});

describe("the extension", () => {
  test("listens on localhost:1777, records to its file, and shuts down twice and without start", async () => {
    const directory = await mkdtemp(join(tmpdir(), "pprof-"));
    closers.push(() => rm(directory, { recursive: true }));
    const path = join(directory, "a.cpuprofile");
    const server = httpTestServer();
    const clock = new FakeClock();
    const settings = testSettings({ id: "pprof", clock, listen: server.listen });
    const abort = AbortSignal.timeout(1000);
    const pprof = factory.create({
      config: factory.config.parse({ save_to_file: path }),
      settings,
    });
    await pprof.shutdown?.(abort);
    await pprof.start?.();
    expect(server.spec()).toMatchObject({ endpoint: "localhost:1777" });
    expect((await fetch(`${server.url()}/debug/pprof/`)).status).toBe(200);
    expect((await fetch(`${server.url()}/debug/pprof/profile?seconds=1`)).status).toBe(500);
    await underWay(clock);
    await pprof.shutdown?.(abort);
    await pprof.shutdown?.(abort);
    expect(JSON.parse(await readFile(path, "utf8"))).toHaveProperty("samples");
    await expect(fetch(server.url())).rejects.toThrow("fetch failed");
  });

  test.each([
    [{ block_profile_fraction: 3, mutex_profile_fraction: 5, dialer: { timeout: "1s" } }, true],
    [{ block_profile_fraction: "3" }, false],
    [{ unknown: 1 }, false],
  ])("config %j is valid: %s", (input, valid) => {
    expect(factory.config.safeParse(input).success).toBe(valid);
  });
});
