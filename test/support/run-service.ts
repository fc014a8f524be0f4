import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const main = join(__dirname, "..", "..", "src", "main.ts");

interface RunOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The service as a process of its own, as a user runs it; always stop it. */
export class ServiceProcess {
  readonly directory: string;
  readonly configPath: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number | null>;
  #stderr = "";
  #stdout = "";
  readonly #waiting = new Set<() => void>();

  private constructor(child: ChildProcess, directory: string, configPath: string) {
    this.#child = child;
    this.directory = directory;
    this.configPath = configPath;
    child.stderr!.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
      this.#wake();
    });
    child.stdout!.on("data", (chunk: Buffer) => {
      this.#stdout += chunk.toString();
      this.#wake();
    });
    this.#exit = new Promise((resolve) => {
      child.on("exit", (code) => {
        this.#wake();
        resolve(code);
      });
    });
  }

  /** Spawns `repomind-telemetry --config <yaml written to a file>`. */
  static spawn(yaml: string, options: RunOptions = {}): ServiceProcess {
    const directory = mkdtempSync(join(tmpdir(), "rmt-e2e-"));
    const configPath = join(directory, "pipelines.yaml");
    writeFileSync(configPath, yaml);
    const child = spawn(process.execPath, [main, "--config", configPath, ...(options.args ?? [])], {
      cwd: directory,
      env: { ...process.env, NODE_OPTIONS: "", ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    return new ServiceProcess(child, directory, configPath);
  }

  /** Spawns and waits until it is ready. */
  static async start(yaml: string, options: RunOptions = {}): Promise<ServiceProcess> {
    const service = ServiceProcess.spawn(yaml, options);
    await service.waitFor("Everything is ready. Begin running and processing data.");
    return service;
  }

  get stderr(): string {
    return this.#stderr;
  }
  get stdout(): string {
    return this.#stdout;
  }
  get pid(): number {
    return this.#child.pid!;
  }

  /** Resolves when stderr contains the text (from an offset); rejects when the process ends before. */
  async waitFor(text: string, from = 0): Promise<void> {
    while (!this.#stderr.slice(from).includes(text)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`the service ended before it said "${text}":\n${this.#stderr}`);
      }
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** `host:port` of what listens for `kind id` with a protocol, as printed at start. */
  address(owner: string, protocol: "grpc" | "http"): string {
    const line = this.#stderr
      .split("\n")
      .find(
        (candidate) =>
          candidate.trim().startsWith(`${owner} `) && candidate.includes(` ${protocol} `),
      );
    if (line === undefined)
      throw new Error(`nothing listens for ${owner} (${protocol}):\n${this.#stderr}`);
    const addresses = line.slice(line.indexOf(` ${protocol} `) + protocol.length + 2);
    return addresses.trim().split(", ")[0]!;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  exited(): Promise<number | null> {
    return this.#exit;
  }

  async stop(): Promise<number | null> {
    this.#child.kill("SIGTERM");
    return this.#exit;
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
