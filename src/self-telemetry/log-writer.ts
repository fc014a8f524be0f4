/**
 * The service's log: levels, encodings, sampling and outputs of `service::telemetry::logs`, and the last errors
 * for the debug pages.
 */
import type { Clock } from "../clock.ts";
import type { LogFields, Logger, LogLevel } from "../log.ts";
import type { LogLevelName, LogsConfig } from "./config.ts";
import { encodeConsole, encodeJson, type Fields, type LogEncoder } from "./log-encoder.ts";
import { LogSampler } from "./log-sampler.ts";
import { type LogSink, type LogStreams, openSink } from "./log-sink.ts";

export interface RecentError {
  /** Wall clock, milliseconds. */
  readonly atMs: number;
  /** The component's id, or "service". */
  readonly component: string;
  readonly message: string;
}

export interface LogWriter {
  readonly logger: Logger;
  /** The last error lines, oldest first, sampled away or not; at most 50. */
  recentErrors(): readonly RecentError[];
  /** Writes out what is buffered for files. */
  close(): Promise<void>;
}

const maxRecentErrors = 50;

const rank: Readonly<Record<LogLevelName, number>> = {
  debug: 0,
  info: 1,
  warn: 2,
  error: 3,
  dpanic: 4,
  panic: 5,
  fatal: 6,
};

/**
 * Makes the log. Throws CONFIG_INVALID when an output file cannot be opened.
 * Of the levels the service uses debug to error; a threshold above silences the log.
 */
export function createLogger(
  config: LogsConfig,
  clock: Clock,
  streams: LogStreams = process,
): LogWriter {
  const core = new LogCore(config, streams, clock);
  return {
    logger: loggerOver(core, {}),
    recentErrors: () => core.recentErrors(),
    close: () => core.close(),
  };
}

function loggerOver(core: LogCore, fixed: Fields): Logger {
  const at = (level: LogLevel) => (message: string, fields?: LogFields) =>
    core.write(level, message, fixed, fields);
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => loggerOver(core, { ...fixed, ...fields }),
  };
}

class LogCore {
  readonly #clock: Clock;
  readonly #threshold: number;
  readonly #encode: LogEncoder;
  readonly #sampler: LogSampler;
  readonly #initialFields: Fields;
  readonly #failureSinks: readonly LogSink[];
  readonly #sinks: readonly LogSink[];
  readonly #recent: RecentError[] = [];

  constructor(config: LogsConfig, streams: LogStreams, clock: Clock) {
    this.#clock = clock;
    this.#threshold = rank[config.level];
    this.#encode = config.encoding === "json" ? encodeJson : encodeConsole;
    this.#sampler = new LogSampler(config.sampling);
    this.#initialFields = config.initial_fields;
    // A failure of the failure output has nowhere left to go.
    this.#failureSinks = config.error_output_paths.map((path) => openSink(path, streams, () => {}));
    this.#sinks = config.output_paths.map((path) =>
      openSink(path, streams, (message) => this.#tellFailure(message)),
    );
  }

  write(level: LogLevel, message: string, fixed: Fields, fields: LogFields | undefined): void {
    if (level === "error") this.#remember(message, fixed, fields);
    if (rank[level] < this.#threshold) return;
    if (!this.#sampler.passes(level, message, this.#clock.monotonicMs())) return;
    const line = this.#encode(this.#clock.now(), level, message, {
      ...this.#initialFields,
      ...fixed,
      ...fields,
    });
    for (const sink of this.#sinks) sink.write(line);
  }

  recentErrors(): readonly RecentError[] {
    return this.#recent.slice();
  }

  async close(): Promise<void> {
    for (const sink of this.#sinks) await sink.close();
    for (const sink of this.#failureSinks) await sink.close();
  }

  #remember(message: string, fixed: Fields, fields: LogFields | undefined): void {
    const id = fields?.["otelcol.component.id"] ?? fixed["otelcol.component.id"];
    const cause = fields?.["error"];
    if (this.#recent.length === maxRecentErrors) this.#recent.shift();
    this.#recent.push({
      atMs: this.#clock.now(),
      component: typeof id === "string" ? id : "service",
      message: cause === undefined ? message : `${message.replace(/\.$/u, "")}: ${String(cause)}`,
    });
  }

  /** zap's form: time, then what went wrong. */
  #tellFailure(message: string): void {
    const line = `${new Date(this.#clock.now()).toISOString()} ${message}\n`;
    for (const sink of this.#failureSinks) sink.write(line);
  }
}
