/** The ways out of a process, each in a process of its own: the last increments arrive, the end is unchanged. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "@jest/globals";
import { OtlpHttpSink } from "../../../support/otlp-http-sink.ts";

const entry = join(__dirname, "..", "..", "..", "..", "src", "instrument", "index.ts");
const certificates = join(__dirname, "..", "..", "..", "testdata", "tls-server");
const pem = (name: string) => readFileSync(join(certificates, name));
let sink: OtlpHttpSink;
/** Takes connections and never answers. */
let hanging: Server;

beforeAll(async () => {
  hanging = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
  });
  await new Promise<void>((resolve) => hanging.listen(0, "127.0.0.1", resolve));
});
afterAll(() => {
  hanging.close();
});
beforeEach(async () => {
  sink = await OtlpHttpSink.start();
});
afterEach(() => sink.close());

interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly signal?: NodeJS.Signals;
  readonly start?: string;
  readonly env?: Record<string, string>;
}

/** Runs a program that has `counter` and `telemetry`; when it prints "ready" it gets the signal. */
function run(program: string, options: RunOptions = {}): Promise<Ending> {
  return runWithChild(program, options).ended;
}

function runWithChild(
  program: string,
  options: RunOptions,
): { readonly child: ChildProcess; readonly ended: Promise<Ending> } {
  const source = `
    import { start } from ${JSON.stringify(entry)};
    const telemetry = start({ endpoint: ${JSON.stringify(sink.url)}, intervalMs: 3600000, exitFlushMs: 20000, http: false, system: false, ${options.start ?? ""} });
    const counter = telemetry.meter.counter("c");
    counter.add(1);
    ${program}`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "--eval", source], {
    env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1", ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    if (options.signal !== undefined && stdout.includes("ready")) child.kill(options.signal);
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<Ending>((resolve) => {
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  return { child, ended };
}

/** Stays alive, and says so once listeners stand. */
const alive = `setInterval(() => {}, 1000); console.log("ready");`;

describe("the last increments arrive", () => {
  test("process.exit", async () => {
    expect(await run("counter.add(41); process.exit(7);")).toMatchObject({ code: 7, signal: null });
    expect(sink.values("c")).toEqual([42]);
  });

  test("a throw", async () => {
    const { code, stderr } = await run(`counter.add(1); throw new Error("as before");`);
    expect(code).toBe(1);
    expect(stderr).toContain("as before");
    expect(sink.values("c")).toEqual([2]);
  });

  test("a rejection that nobody handles", async () => {
    const program = `counter.add(1); void Promise.reject(new Error("as before"));${alive}`;
    const { code, stderr } = await run(program);
    expect(code).toBe(1);
    expect(stderr).toContain("as before");
    expect(sink.values("c")).toEqual([2]);
  });

  test("an exit code that was set before the end", async () => {
    expect(await run("process.exitCode = 5;")).toMatchObject({ code: 5, signal: null });
    expect(sink.values("c")).toEqual([1]);
  });

  test("a natural end, which nothing here delays", async () => {
    expect(await run("counter.add(1);")).toMatchObject({ code: 0, signal: null, stderr: "" });
    expect(sink.values("c")).toEqual([2]);
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
    "%s that nobody listens to",
    async (signal) => {
      expect(await run(alive, { signal })).toMatchObject({ code: null, signal });
      expect(sink.values("c")).toEqual([1]);
    },
  );

  test.each(["on", "once"])("SIGTERM with a listener of the application, by %s", async (how) => {
    const program = `process.${how}("SIGTERM", () => { counter.add(9); setImmediate(() => process.exit(3)); });${alive}`;
    expect(await run(program, { signal: "SIGTERM" })).toMatchObject({ code: 3, signal: null });
    expect(sink.values("c").at(-1)).toBe(10);
  });

  test("a second SIGINT, which the application does not listen to any more", async () => {
    const program = `
      const again = () => console.log("again");
      process.once("SIGINT", () => { counter.add(1); setImmediate(setImmediate, again); });${alive}`;
    expect(await run(program, { signal: "SIGINT" })).toMatchObject({
      code: null,
      signal: "SIGINT",
    });
    expect(sink.values("c").at(-1)).toBe(2);
  });

  test("a second signal while the last metrics are sent: npm sends one, its terminal another", async () => {
    const ending = runWithChild(`for (let i = 0; i < 30000; i++) counter.add(1, { i });${alive}`, {
      signal: "SIGINT",
      start: "maxSeriesPerMetric: 50000",
    });
    sink.reply = () => {
      ending.child.kill("SIGINT");
      return { status: 200 };
    };
    expect(await ending.ended).toMatchObject({ code: null, signal: "SIGINT" });
    expect(sink.requests).toBeGreaterThan(1);
    expect(sink.points()).toHaveLength(30_001);
  });

  test("a listener from before start is seen too", async () => {
    const program = `
      process.removeAllListeners("SIGTERM"); await telemetry.shutdown();
      process.once("SIGTERM", () => setImmediate(() => process.exit(4)));
      start({ endpoint: ${JSON.stringify(sink.url)}, exitFlushMs: 20000, http: false, system: false }).meter.counter("d").add(5);${alive}`;
    expect(await run(program, { signal: "SIGTERM" })).toMatchObject({ code: 4, signal: null });
    expect(sink.values("d").at(-1)).toBe(5);
  });

  test("a library that decides by the number of listeners decides as without us", async () => {
    const program = `
      const own = () => {
        if (process.listenerCount("SIGTERM") !== 1) return;
        process.off("SIGTERM", own); process.kill(process.pid, "SIGTERM");
      };
      process.on("SIGTERM", own);${alive}`;
    expect(await run(program, { signal: "SIGTERM" })).toMatchObject({ signal: "SIGTERM" });
  });

  test.each([
    ["3", `process.__signal_exit_emitter__`],
    ["4", `globalThis[Symbol.for("signal-exit emitter")]`],
  ])("SIGTERM that only signal-exit %s listens to", async (_version, emitter) => {
    const program = `
      ${emitter} = { count: 1 };
      const own = () => {
        if (process.listenerCount("SIGTERM") !== ${emitter}.count) return;
        process.off("SIGTERM", own); process.kill(process.pid, "SIGTERM");
      };
      process.on("SIGTERM", own);${alive}`;
    expect(await run(program, { signal: "SIGTERM" })).toMatchObject({ signal: "SIGTERM" });
    expect(sink.values("c")).toEqual([1]);
  });

  test("delta: what failed before and what came since", async () => {
    let answers = 0;
    sink.reply = () => ({ status: answers++ === 0 ? 503 : 200 });
    const program = `await telemetry.flush(1); while (telemetry.stats().failures === 0) await new Promise((r) => setTimeout(r, 5));
      counter.add(10); process.exit(0);`;
    await run(program, { start: `temporality: "delta", onProblem() {}` });
    expect(sink.values("c").reduce<number>((sum, value) => sum + value!, 0)).toBe(11);
  });

  test("over TLS, by the certificates that the process trusts", async () => {
    const secure = await OtlpHttpSink.start({ cert: pem("server.pem"), key: pem("server.key") });
    const program = `await telemetry.flush(); counter.add(1); process.exit(0);`;
    const options = {
      start: `endpoint: ${JSON.stringify(secure.url)}`,
      env: { NODE_EXTRA_CA_CERTS: join(certificates, "ca.pem") },
    };
    expect(await run(program, options)).toMatchObject({ code: 0, stderr: "" });
    expect(secure.values("c")).toEqual([1, 2]);
    await run(program, { start: `${options.start}, timeoutMs: 500`, env: {} });
    expect(secure.requests).toBe(2);
    await secure.close();
  });

  test("100,000 series in many requests", async () => {
    const program = `for (let i = 0; i < 100000; i++) counter.add(1, { i }); process.exit(0);`;
    await run(program, { start: "maxSeriesPerMetric: 200000, exitFlushMs: 20000" });
    expect(sink.points()).toHaveLength(100_001);
  });
});

describe("a dead endpoint", () => {
  /** Prints when the exit handlers before and after ours ran. */
  const timed = `
    const at = performance.now();
    process.on("exit", () => console.log("took " + (performance.now() - at)));
    process.exit(0);`;
  const tookMs = ({ stdout }: Ending) => Number(/took ([\d.]+)/u.exec(stdout)![1]);

  test("that hangs delays the exit by at most 500 ms", async () => {
    const { port } = hanging.address() as AddressInfo;
    const ending = await run(timed, {
      start: `endpoint: "http://127.0.0.1:${port}", exitFlushMs: undefined`,
    });
    expect(ending.code).toBe(0);
    expect(tookMs(ending)).toBeGreaterThan(300);
    // 500 where the machine has time for it; a busy one wakes late.
    expect(tookMs(ending)).toBeLessThanOrEqual(1000);
  });

  test("that refuses costs no wait", async () => {
    const gone = await OtlpHttpSink.start();
    const dead = gone.url;
    await gone.close();
    const ending = await run(timed, {
      start: `endpoint: ${JSON.stringify(dead)}, exitFlushMs: 60000`,
    });
    expect(ending.code).toBe(0);
    expect(tookMs(ending)).toBeLessThan(30_000);
  });

  describe("is told, once", () => {
    const refuse = async (program: string, options: { start?: string; warnings?: string }) => {
      const gone = await OtlpHttpSink.start();
      const { url } = gone;
      await gone.close();
      const ending = await run(program, {
        start: `endpoint: ${JSON.stringify(url)}, ${options.start ?? ""}`,
        env: { NODE_NO_WARNINGS: options.warnings ?? "" },
      });
      expect(ending.code).toBe(0);
      return {
        ...ending,
        message: `cannot send the last metrics to ${url}/v1/metrics: 0 of 1 requests arrived in time`,
      };
    };

    test("as a process warning, which --no-warnings leaves out", async () => {
      const { stderr, message } = await refuse("process.exit(0);", {});
      expect(stderr).toContain(`[export_failed] TelemetryWarning: ${message}\n`);
      expect((await refuse("process.exit(0);", { warnings: "1" })).stderr).toBe("");
    });

    test("by onProblem", async () => {
      const start = "onProblem: ({ code, message }) => console.log(code, message)";
      const { stdout, message } = await refuse("process.exit(0);", { start });
      expect(stdout).toBe(`export_failed ${message}\n`);
    });

    test("not again at the end", async () => {
      const program =
        "await telemetry.flush(1); while (telemetry.stats().failures === 0) await new Promise((r) => setTimeout(r, 5)); process.exit(0);";
      const { stderr } = await refuse(program, {});
      expect(stderr.split("TelemetryWarning")).toHaveLength(2);
      expect(stderr).toContain("it is tried again");
    });
  });

  test("exitFlushMs: 0 sends nothing", async () => {
    expect(await run("process.exit(0)", { start: "exitFlushMs: 0" })).toMatchObject({ code: 0 });
    expect(sink.requests).toBe(0);
  });

  test("that hangs does not keep a process alive that has nothing more to do", async () => {
    const { port } = hanging.address() as AddressInfo;
    const program = `void telemetry.flush(1).then(() => console.log("flushed"));`;
    const ending = await run(program, {
      start: `endpoint: "http://127.0.0.1:${port}", timeoutMs: 600000, exitFlushMs: 50`,
    });
    expect(ending).toMatchObject({ code: 0, stdout: "flushed\n" });
  });
});
