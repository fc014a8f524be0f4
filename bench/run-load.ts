/** The load generator as a child process, and the sample that a run of it gives. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { LoadOptions, LoadResult } from "./load.ts";
import type { Sample } from "./row.ts";
import { type RunningSystem, type SystemKind, withSystem } from "./system.ts";

export class LoadProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  readonly hasSink: boolean;

  private constructor(options: LoadOptions) {
    this.hasSink = options.sinkPort !== undefined;
    const program = fileURLToPath(new URL("./load.ts", import.meta.url));
    this.#child = spawn(process.execPath, [program, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Resolves when the sink listens and the requests are prepared. */
  static async start(options: LoadOptions): Promise<LoadProcess> {
    const load = new LoadProcess(options);
    await load.#line();
    return load;
  }

  async send(requests: number): Promise<LoadResult> {
    this.#child.stdin.write(`${requests}\n`);
    return JSON.parse(await this.#line()) as LoadResult;
  }

  async #line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error("the load generator ended without a result");
    return value;
  }

  stop(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Runs a load generator, works with it, stops it. Begin it before the system: that finds its backend then. */
export async function withLoad<T>(
  options: LoadOptions,
  work: (load: LoadProcess) => Promise<T>,
): Promise<T> {
  const load = await LoadProcess.start(options);
  try {
    return await work(load);
  } finally {
    load.stop();
  }
}

/** Starts load and system, warms up with half of the requests, then measures: µs CPU an item. */
export function measureLoad(
  kind: SystemKind,
  yaml: string,
  options: LoadOptions,
  requests: number,
): Promise<Sample> {
  return withLoad(options, (load) =>
    withSystem(kind, yaml, (system) => measureRequests(system, load, requests)),
  );
}

async function measureRequests(
  system: RunningSystem,
  load: LoadProcess,
  requests: number,
): Promise<Sample> {
  await load.send(Math.ceil(requests / 2));
  const before = system.cpuSeconds();
  const result = await load.send(requests);
  const cpuSeconds = system.cpuSeconds() - before;
  if (process.env["BENCH_VERBOSE"] !== undefined) {
    process.stderr.write(`${JSON.stringify({ ...result, cpuSeconds })}\n`);
  }
  return {
    values: [(cpuSeconds * 1e6) / result.ackedItems],
    itemsPerSecond: result.ackedItems / result.wallSeconds,
    peakRssMegabytes: system.peakRssMegabytes(),
    lostItems: lostItems(load, result),
  };
}

/** Acknowledged and not arrived; a request that was not acknowledged counts as one. */
function lostItems({ hasSink }: LoadProcess, result: LoadResult): number {
  return result.failedRequests + (hasSink ? result.ackedItems - result.receivedItems : 0);
}
