/** A pipeline process under measurement: ours, or a peer that reads the same configuration. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface SystemKind {
  readonly isOurs: boolean;
  readonly command: string;
  readonly args: readonly string[];
}

export const ours: SystemKind = {
  isOurs: true,
  command: process.execPath,
  args: [fileURLToPath(new URL("../dist/src/main.js", import.meta.url))],
};

export const peer = (path: string): SystemKind => ({ isOurs: false, command: path, args: [] });

/** What both ours and the Collector print when everything listens. */
const readyText = "Everything is ready";
const startDeadlineMs = 30_000;
/** Kernel clock ticks a second, as /proc reports CPU time. */
const ticksPerSecond = 100;

/** Below those that the kernel gives to clients, which could take one between the choice and its use. */
const firstPort = 20_000;
const portCount = 10_000;
const givenPorts = new Set<number>();

/** A port that nobody listens on; each is given once. */
export async function freePort(): Promise<number> {
  const port = firstPort + Math.floor(Math.random() * portCount);
  if (givenPorts.has(port) || !(await canListen(port))) return freePort();
  givenPorts.add(port);
  return port;
}

function canListen(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

export class RunningSystem {
  readonly #child: ChildProcess;
  readonly #directory: string;
  readonly #startedMs = performance.now();
  #output = "";
  #isStopping = false;
  /** From spawn to ready. */
  startMs = 0;
  /** Aborted when the process ended by itself. */
  readonly died: AbortSignal;

  private constructor(kind: SystemKind, directory: string, args: readonly string[]) {
    this.#directory = directory;
    this.#child = spawn(kind.command, [...kind.args, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: directory,
    });
    const died = new AbortController();
    this.died = died.signal;
    this.#child.on("exit", (code, signal) => {
      if (this.#isStopping) return;
      died.abort(new Error(`the system ended (${code ?? signal}): ${this.#output.slice(-2000)}`));
    });
  }

  /** Starts the system with the YAML text and waits until it says that it is ready. */
  static async start(
    kind: SystemKind,
    yaml: string,
    args: readonly string[] = [],
  ): Promise<RunningSystem> {
    const directory = mkdtempSync(join(tmpdir(), "telemetry-bench-"));
    const config = join(directory, "pipelines.yaml");
    writeFileSync(config, yaml);
    const system = new RunningSystem(kind, directory, ["--config", config, ...args]);
    await system.#ready();
    return system;
  }

  #ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = AbortSignal.timeout(startDeadlineMs);
      late.addEventListener("abort", () => {
        this.#child.kill("SIGKILL");
        reject(new Error(`not ready in time: ${this.#output.slice(-2000)}`));
      });
      this.died.addEventListener("abort", () => reject(this.died.reason));
      const read = (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-20_000);
        if (this.startMs > 0 || !this.#output.includes(readyText)) return;
        this.startMs = performance.now() - this.#startedMs;
        resolve();
      };
      this.#child.stdout!.on("data", read);
      this.#child.stderr!.on("data", read);
    });
  }

  /** User and system CPU seconds so far. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  rssMegabytes(): number {
    return this.#statusMegabytes("VmRSS");
  }

  peakRssMegabytes(): number {
    return this.#statusMegabytes("VmHWM");
  }

  #statusMegabytes(field: string): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(new RegExp(`${field}:\\s+(\\d+)`, "u").exec(status)?.[1] ?? 0) / 1024;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, "exit");
      this.#child.kill("SIGTERM");
      await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Starts the system, works with it, stops it; rejects when it dies meanwhile. */
export async function withSystem<T>(
  kind: SystemKind,
  yaml: string,
  work: (system: RunningSystem) => Promise<T>,
  args: readonly string[] = [],
): Promise<T> {
  const system = await RunningSystem.start(kind, yaml, args);
  const died = new Promise<never>((_, reject) => {
    system.died.addEventListener("abort", () => reject(system.died.reason));
  });
  try {
    return await Promise.race([work(system), died]);
  } finally {
    await system.stop();
  }
}
