import type { Context, Exporter, PushResult, Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import type { LogFields } from "../../src/log.ts";
import { loopSlicer, type Slicer, sliceMs } from "../../src/pdata/json/slices.ts";
import type { Payload } from "../../src/pdata/payload.ts";
import type { LogStreams } from "../../src/self-telemetry/log-sink.ts";
import type { DebugConfig } from "./config.ts";
import { countHeads } from "./otlp-json.ts";
import { LogOutput, type Output, StreamOutput } from "./output.ts";
import { Sampler } from "./sampler.ts";

/** Writes what it is sent as text for people. */
export class DebugExporter implements Exporter {
  readonly #config: DebugConfig;
  readonly #settings: Settings;
  readonly #streams: LogStreams;
  readonly #slicer: Slicer;
  readonly #sampler: Sampler;
  #output: Output | undefined;

  constructor(
    config: DebugConfig,
    settings: Settings,
    streams: LogStreams = process,
    slicer: Slicer = loopSlicer,
  ) {
    this.#config = config;
    this.#settings = settings;
    this.#streams = streams;
    this.#slicer = slicer;
    const { sampling_initial: initial, sampling_thereafter: thereafter } = config;
    this.#sampler = new Sampler(initial, thereafter, settings.clock);
  }

  /** Opens the outputs, so that a wrong path shows at start. */
  async start(): Promise<void> {
    this.#openOutput();
  }

  async push(payload: Payload, _context: Context, abort: AbortSignal): Promise<PushResult> {
    const [message, fields] = summaryOf(payload);
    await this.#write(message, fields);
    if (this.#config.verbosity === "basic") return {};
    const text = await this.#textOf(payload, abort);
    await this.#write(text);
    return {};
  }

  async shutdown(): Promise<void> {
    const output = this.#output;
    this.#output = undefined;
    await output?.close();
  }

  /** All lines, each with its end; made in slices so that the event loop is not held up. */
  async #textOf(payload: Payload, abort: AbortSignal): Promise<string> {
    const lines: string[] = [];
    const steps = await this.#stepsOf(payload, lines);
    let sliceEndMs = this.#slicer.now() + sliceMs;
    for (const _ of steps) {
      if (this.#slicer.now() < sliceEndMs) continue;
      await this.#slicer.pause();
      if (abort.aborted) {
        throw new TelemetryError("SHUTTING_DOWN", "cannot write text: the service is stopping", {
          retryable: true,
        });
      }
      sliceEndMs = this.#slicer.now() + sliceMs;
    }
    return lines.map((line) => `${line}\n`).join("");
  }

  /** What verbosity basic does not need is not loaded for it. */
  async #stepsOf(payload: Payload, lines: string[]): Promise<Generator<void>> {
    if (this.#config.verbosity === "detailed") {
      return (await import("./detailed.ts")).detailedLines(payload, lines);
    }
    return (await import("./normal.ts")).normalLines(payload, lines);
  }

  async #write(message: string, fields?: LogFields): Promise<void> {
    if (this.#sampler.passes(message)) await this.#openOutput().write(message, fields);
  }

  #openOutput(): Output {
    const { use_internal_logger: usesLog, output_paths: paths } = this.#config;
    const { log } = this.#settings;
    this.#output ??= usesLog ? new LogOutput(log) : new StreamOutput(paths, this.#streams, log);
    return this.#output;
  }
}

/** The line of verbosity basic, which stands before the text of the others, too. */
function summaryOf(payload: Payload): [message: string, fields: LogFields] {
  const { resources, items } = countHeads(payload);
  if (payload.signal === "traces") return ["Traces", { "resource spans": resources, spans: items }];
  if (payload.signal === "logs") {
    return ["Logs", { "resource logs": resources, "log records": items }];
  }
  return [
    "Metrics",
    { "resource metrics": resources, metrics: items, "data points": payload.itemCount },
  ];
}
