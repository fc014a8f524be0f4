/** The service of the demo: one that runs already, or one of its own. */
import process from "node:process";
import { TelemetryError } from "../errors.ts";
import { Child } from "./child.ts";

const probeTimeoutMs = 2000;
const startTimeoutMs = 30_000;
/** The service gives itself 25 s to deliver what it holds. */
const stopTimeoutMs = 30_000;
const readyLine = "Everything is ready. Begin running and processing data.";

export interface ServiceSettings {
  /** Where a service is looked for. */
  readonly endpoint: string;
  /** Its page of metrics; by default where the shipped configuration serves it. */
  readonly scrapeUrl: string | undefined;
  /** Configurations and single values for a service of its own; with any of them none is looked for. */
  readonly configs: readonly string[];
  readonly sets: readonly string[];
}

export interface DemoService {
  /** Of its OTLP receiver, HTTP. */
  readonly endpoint: string;
  readonly scrapeUrl: string;
  /** Runs the processors of the shipped pipelines.yaml, as far as the demo knows. */
  readonly hasShippedPipelines: boolean;
  /** Undefined: it ran before, and goes on. */
  readonly own: OwnService | undefined;
}

export async function findOrStartService(settings: ServiceSettings): Promise<DemoService> {
  const isOwn = settings.configs.length > 0 || settings.sets.length > 0;
  if (!isOwn && (await isOtlp(settings.endpoint))) {
    const port = process.env["TELEMETRY_PORT"] ?? "9090";
    const scrapeUrl = settings.scrapeUrl ?? `http://127.0.0.1:${port}/metrics`;
    return { endpoint: settings.endpoint, scrapeUrl, hasShippedPipelines: false, own: undefined };
  }
  const own = new OwnService(settings);
  try {
    await own.ready();
    return {
      endpoint: `http://${own.address("receiver otlp")}`,
      scrapeUrl: settings.scrapeUrl ?? `http://${own.address("exporter prometheus")}/metrics`,
      hasShippedPipelines: settings.configs.length === 0,
      own,
    };
  } catch (error) {
    await own.stop();
    throw error;
  }
}

/** Does an OTLP receiver answer there? An empty request is a valid one. */
async function isOtlp(endpoint: string): Promise<boolean> {
  let response: Response;
  try {
    response = await fetch(`${endpoint}/v1/metrics`, {
      method: "POST",
      headers: { "content-type": "application/x-protobuf" },
      signal: AbortSignal.timeout(probeTimeoutMs),
    });
  } catch (error) {
    if (isRefused(error)) return false;
    throw taken(endpoint, error instanceof Error ? error.message : String(error));
  }
  await response.body?.cancel();
  if (!response.ok) throw taken(endpoint, `it answered ${response.status}`);
  return true;
}

const isRefused = (error: unknown): boolean =>
  ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === "ECONNREFUSED";

const taken = (endpoint: string, cause: string) =>
  new TelemetryError(
    "ADDRESS_IN_USE",
    `what listens at ${endpoint} takes no OTLP (${cause}): end it, or name another receiver with --endpoint URL`,
  );

/** A service that belongs to the demo. */
export class OwnService {
  readonly child: Child<Record<string, never>>;
  readonly #listening: { readonly owner: string; readonly address: string }[] = [];
  readonly #ready = Promise.withResolvers<void>();

  constructor({ configs, sets }: Pick<ServiceSettings, "configs" | "sets">) {
    const args = [
      ...configs.flatMap((config) => ["--config", config]),
      ...sets.flatMap((set) => ["--set", set]),
    ];
    this.child = new Child("service", args, { onLine: (line) => this.#read(line) });
  }

  /** Rejects with what the service said when it could not start. */
  async ready(): Promise<void> {
    const timer = setTimeout(() => this.child.kill(), startTimeoutMs);
    await Promise.race([this.#ready.promise, this.child.exited]);
    clearTimeout(timer);
    if (!this.child.hasExited) return;
    const message = `the service could not start:\n${this.child.output}`;
    throw new TelemetryError("START_FAILED", message);
  }

  /** `host:port` of the first component of a kind and type that serves HTTP. */
  address(component: string): string {
    const found = this.#listening.find(({ owner }) => owner.replace(/\/.*$/u, "") === component);
    if (found !== undefined) return found.address;
    const message = `the demo needs a service with ${component} on HTTP, which the configuration has not`;
    throw new TelemetryError("START_FAILED", message);
  }

  async stop(): Promise<void> {
    await this.child.stop(stopTimeoutMs);
  }

  /** "Listening:" of src/cli/startup-text.ts: kind and id, protocol, addresses. */
  #read(line: string): void {
    const [, owner, address] = /^ {2}(\S+ \S+) +http +([^\s,]+)/u.exec(line) ?? [];
    if (owner !== undefined) this.#listening.push({ owner, address: address! });
    if (line.includes(readyLine)) this.#ready.resolve();
  }
}
