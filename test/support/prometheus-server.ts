/** A Prometheus of a test: Debian's `prometheus`, on a free port of loopback. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { freePort } from "./free-port.ts";

/** Told aloud; in CI it is an error. */
export function isPrometheusMissing(testFile: string): boolean {
  const isMissing = ["prometheus", "promtool"].some(
    (program) => spawnSync(program, ["--version"]).error !== undefined,
  );
  if (isMissing && process.env["CI"] !== undefined) {
    throw new Error("CI needs Debian's prometheus package");
  }
  if (isMissing) {
    process.stderr.write(`SKIPPED: ${testFile} needs the programs prometheus and promtool\n`);
  }
  return isMissing;
}

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

interface AlertingRule {
  readonly name: string;
  readonly query: string;
  readonly state: "inactive" | "pending" | "firing";
  readonly health: "ok" | "err" | "unknown";
  readonly lastError?: string;
}

export class PrometheusServer {
  readonly #process: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #base: string;
  readonly #directory: string;
  /** What it said above level info. */
  readonly complaints: string[] = [];

  private constructor(process: ChildProcess, port: number, directory: string) {
    this.#process = process;
    this.#exited = once(process, "exit");
    this.#base = `http://127.0.0.1:${port}`;
    this.#directory = directory;
  }

  /** @param config As of prometheus.yml; paths in it are absolute. */
  static async start(config: unknown, ...flags: readonly string[]): Promise<PrometheusServer> {
    const directory = mkdtempSync(join(tmpdir(), "rmt-prometheus-"));
    const configPath = join(directory, "prometheus.yml");
    // JSON is YAML.
    writeFileSync(configPath, JSON.stringify(config));
    const port = await freePort();
    const options = [
      `--config.file=${configPath}`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...flags,
    ];
    const child = spawn("prometheus", options, { stdio: ["ignore", "ignore", "pipe"] });
    const server = new PrometheusServer(child, port, directory);
    await server.#ready();
    return server;
  }

  /** An instant query; rejects with what Prometheus says of it. */
  async query(expression: string): Promise<readonly Sample[]> {
    const { result, resultType } = await this.get<{
      result: Sample[];
      resultType: string;
    }>("query", { query: expression });
    if (resultType !== "vector") throw new Error(`a ${resultType}: ${expression}`);
    return result;
  }

  /** The same once it is not empty: scrapes come by themselves. */
  async queryUntilFound(expression: string): Promise<readonly Sample[]> {
    for (;;) {
      const found = await this.query(expression);
      if (found.length > 0) return found;
    }
  }

  /** Values of a label, of the series that a selector names. */
  values(label: string, selector: string): Promise<readonly string[]> {
    return this.get(`label/${label}/values`, { "match[]": selector });
  }

  async alertingRules(): Promise<readonly AlertingRule[]> {
    const { groups } = await this.get<{ groups: { rules: AlertingRule[] }[] }>("rules", {
      type: "alert",
    });
    return groups.flatMap(({ rules }) => rules);
  }

  async get<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
    const response = await fetch(
      `${this.#base}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`,
    );
    const answer = (await response.json()) as { data?: T; error?: string };
    if (!response.ok) throw new Error(`${answer.error}: ${Object.values(parameters).join()}`);
    return answer.data!;
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#exited;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #ready(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lines = createInterface(this.#process.stderr!);
    lines.on("line", (line) => {
      if (line.includes("Server is ready to receive web requests")) resolve();
      if (!/(?:^| )level=(?:debug|info) /u.test(line)) this.complaints.push(line);
    });
    const text = () => `prometheus ended before it was ready:\n${this.complaints.join("\n")}`;
    lines.on("close", () => reject(new Error(text())));
    return promise;
  }
}
