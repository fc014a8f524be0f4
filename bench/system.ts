/** A pipeline process under measurement: ours, or a peer that reads the same configuration. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface SystemKind {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

export const ours: SystemKind = {
  name: "ours",
  command: process.execPath,
  args: [fileURLToPath(new URL("../dist/src/main.js", import.meta.url))],
};

export const peer = (path: string): SystemKind => ({ name: "peer", command: path, args: [] });

/** Kernel clock ticks a second, as /proc reports CPU time. */
const ticksPerSecond = 100;

export class RunningSystem {
  readonly #child: ChildProcess;
  readonly #directory: string;
  #stderr = "";

  private constructor(child: ChildProcess, directory: string) {
    this.#child = child;
    this.#directory = directory;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString()).slice(-20_000);
    });
    child.stdout?.resume();
  }

  /** Starts the system with the YAML text and waits until the port takes connections. */
  static async start(kind: SystemKind, yaml: string, port: number): Promise<RunningSystem> {
    const directory = mkdtempSync(join(tmpdir(), "rmt-bench-"));
    const config = join(directory, "pipelines.yaml");
    writeFileSync(config, yaml);
    const child = spawn(kind.command, [...kind.args, "--config", config], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: directory,
    });
    const system = new RunningSystem(child, directory);
    const deadline = performance.now() + 15_000;
    while (!(await canConnect(port))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        throw new Error(`cannot start ${kind.name}: ${system.#stderr}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return system;
  }

  /** User and system CPU seconds so far. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.#child.pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
  }

  rssMegabytes(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1] ?? 0) / 1024;
  }

  get stderr(): string {
    return this.#stderr;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      this.#child.kill("SIGTERM");
      await once(this.#child, "exit");
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
