/** `rmt demo` in a process of its own, on free ports. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const main = join(__dirname, "..", "..", "src", "main.ts");

/** Arguments that move the listeners of the shipped pipelines.yaml, but for the service's own metrics. */
export const movedListeners = [
  "receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
  "receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
  "receivers.statsd.endpoint=127.0.0.1:0",
  "receivers.http_metrics.endpoint=127.0.0.1:0",
  "exporters.prometheus.endpoint=127.0.0.1:0",
  "extensions.health_check.endpoint=127.0.0.1:0",
].flatMap((set) => ["--set", set]);

export class DemoProcess {
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  output = "";

  constructor(args: readonly string[]) {
    // A process group of its own, as a terminal gives it.
    this.#child = spawn(process.execPath, [main, "demo", "--port", "0", ...args], {
      detached: true,
      env: { ...process.env, NODE_OPTIONS: "" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        this.output += text;
        this.#wake();
      });
    }
    this.exited = new Promise((resolve) => {
      this.#child.on("close", (code) => {
        resolve(code);
        this.#wake();
      });
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** The first match in what it says. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.output);
      if (found !== null) return found;
      if (this.#child.exitCode !== null)
        throw new Error(`it ended without ${pattern}:\n${this.output}`);
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Its processes, by their role. */
  get children(): Record<string, number> {
    const pids = readFileSync(`/proc/${this.pid}/task/${this.pid}/children`, "utf8");
    return Object.fromEntries(
      pids
        .trim()
        .split(" ")
        .map((pid) => [readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[3], Number(pid)]),
    ) as Record<string, number>;
  }

  /** As Ctrl-C does: to the whole group. */
  interrupt(): void {
    process.kill(-this.pid, "SIGINT");
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
