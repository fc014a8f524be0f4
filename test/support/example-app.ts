/** The examples for applications, each a process of its own with the package installed as a user has it. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { OtlpHttpSink } from "./otlp-http-sink.ts";

const root = join(__dirname, "..", "..");
const examples = join(root, "examples", "apps");

export const exampleNames = readdirSync(examples)
  .filter((name) => name.endsWith(".ts"))
  .map((name) => name.slice(0, -".ts".length));

interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/**
 * A project of a user: the examples, `repomind-telemetry` as it would be published, built from the sources of now, and
 * what else is installed here.
 */
export class UserProject {
  readonly #folder = mkdtempSync(join(tmpdir(), "rmt-examples-"));
  readonly #app = join(this.#folder, "app");
  readonly #running = new Set<ExampleApp>();

  constructor() {
    const own = join(this.#app, "node_modules", "repomind-telemetry");
    mkdirSync(own, { recursive: true });
    symlinkSync(join(root, "node_modules"), join(this.#folder, "node_modules"));
    copyFileSync(join(root, "package.json"), join(own, "package.json"));
    writeFileSync(join(this.#app, "package.json"), '{"type":"module"}');
    const build = JSON.stringify(join(root, "tools", "build.ts"));
    const program = `const { buildInstrument } = await import(${build});
      await buildInstrument(${JSON.stringify(join(own, "dist", "src"))});`;
    execFileSync(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: root,
      env: withoutOtel({ NODE_OPTIONS: "" }),
    });
  }

  /** Where leaving may take as long as it must, a busy machine changes no result. */
  #copy(name: string, isPatient: boolean): void {
    const source = readFileSync(join(examples, `${name}.ts`), "utf8");
    const patient = source.replace("start({", "start({ exitFlushMs: 20_000,");
    if (patient === source) throw new Error(`${name} does not call start()`);
    writeFileSync(join(this.#app, `${name}.ts`), isPatient ? patient : source);
  }

  async start(
    name: string,
    sink: OtlpHttpSink,
    options: { readonly env?: Readonly<Record<string, string>>; readonly isPatient?: boolean } = {},
  ): Promise<ExampleApp> {
    this.#copy(name, options.isPatient ?? true);
    const child = spawn(process.execPath, [`${name}.ts`], {
      cwd: this.#app,
      env: withoutOtel({
        NODE_OPTIONS: "",
        NODE_NO_WARNINGS: "",
        PORT: "0",
        OTEL_EXPORTER_OTLP_ENDPOINT: sink.url,
        OTEL_METRIC_EXPORT_INTERVAL: "3600000",
        ...options.env,
      }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const app = new ExampleApp(child);
    this.#running.add(app);
    await app.listening();
    return app;
  }

  /** Ends what a failed test left. */
  async close(): Promise<void> {
    for (const app of this.#running) await app.stop("SIGKILL");
    rmSync(this.#folder, { recursive: true });
  }
}

function withoutOtel(own: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith("OTEL_"));
  return { ...Object.fromEntries(inherited), ...own };
}

export class ExampleApp {
  readonly #child: ChildProcess;
  readonly #ended: Promise<Ending>;
  #stdout = "";
  #stderr = "";
  #port: string | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr!.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString();
    });
    this.#ended = new Promise((resolve) => {
      child.on("close", (code, signal) => resolve({ code, signal, stderr: this.#stderr }));
    });
  }

  /** All examples print where they listen: an address, or what `server.address()` gives. */
  async listening(): Promise<void> {
    const printed = new Promise<void>((resolve) => {
      this.#child.stdout!.on("data", (chunk: Buffer) => {
        this.#stdout += chunk.toString();
        this.#port = /listening on .*?(?:port: |127\.0\.0\.1:)(\d+)/su.exec(this.#stdout)?.[1];
        if (this.#port !== undefined) resolve();
      });
    });
    await Promise.race([printed, this.#ended]);
    if (this.#port === undefined) throw new Error(`it does not listen:\n${this.#stderr}`);
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Sends `METHOD /path` and reads the answer: `STATUS body`. */
  async ask(line: string, headers: Record<string, string> = {}): Promise<string> {
    const [method = "", path = ""] = line.split(" ");
    const response = await fetch(this.url + path, { method, headers });
    return `${response.status} ${await response.text()}`.trim();
  }

  /** One after another. */
  async askAll(...lines: readonly string[]): Promise<string[]> {
    const answers: string[] = [];
    for (const line of lines) answers.push(await this.ask(line));
    return answers;
  }

  stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ending> {
    this.#child.kill(signal);
    return this.#ended;
  }
}
