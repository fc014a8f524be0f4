/** Where the exporter's text goes: the service's log, or streams and files of its own. */
import { once } from "node:events";
import { Writable } from "node:stream";
import type { LogFields, Logger } from "../../src/log.ts";
import { type LogSink, type LogStreams, openSink } from "../../src/self-telemetry/log-sink.ts";

export interface Output {
  write(message: string, fields?: LogFields): Promise<void>;
  close(): Promise<void>;
}

export class LogOutput implements Output {
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  write(message: string, fields?: LogFields): Promise<void> {
    this.#log.info(message, fields);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Lines as zap's console encoder writes them without time and level: message TAB {"key": value}. */
export class StreamOutput implements Output {
  readonly #streams: LogStreams;
  readonly #sinks: LogSink[];

  constructor(paths: readonly string[], streams: LogStreams, log: Logger) {
    this.#streams = streams;
    this.#sinks = paths.map((path) => openSink(path, streams, (message) => log.warn(message)));
  }

  async write(message: string, fields?: LogFields): Promise<void> {
    const line = fields === undefined ? `${message}\n` : `${message}\t${spacedJson(fields)}\n`;
    for (const sink of this.#sinks) sink.write(line);
    // A reader of stdout that is slow slows the pipeline down instead of filling the memory.
    await Promise.all([drained(this.#streams.stdout), drained(this.#streams.stderr)]);
  }

  async close(): Promise<void> {
    await Promise.all(this.#sinks.splice(0).map((sink) => sink.close()));
  }
}

async function drained(stream: object): Promise<void> {
  if (stream instanceof Writable && stream.writableNeedDrain) await once(stream, "drain");
}

const spacedJson = (fields: LogFields) =>
  `{${Object.entries(fields)
    .map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`)
    .join(", ")}}`;
