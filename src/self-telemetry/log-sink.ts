/** Where log lines go: the process's streams, or files that are appended to. */
import { createWriteStream, openSync, type WriteStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { TelemetryError } from "../errors.ts";
import { causeText } from "./cause.ts";

/** A stream that takes text, such as process.stderr. */
export interface TextStream {
  write(text: string): unknown;
}

export interface LogStreams {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
}

export interface LogSink extends TextStream {
  close(): Promise<void>;
}

/** A disk that hangs must not fill the memory: lines beyond this are lost and counted. */
const maxBufferedBytes = 4 * 1024 * 1024;

/**
 * Opens an output path. Throws CONFIG_INVALID with zap's text when a file cannot be opened.
 * `onFailure` hears of later write errors and of lost lines.
 */
export function openSink(
  path: string,
  streams: LogStreams,
  onFailure: (message: string) => void,
): LogSink {
  if (path === "stdout" || path === "stderr") {
    const stream = streams[path];
    return { write: (text) => stream.write(text), close: () => Promise.resolve() };
  }
  return new FileSink(path, onFailure);
}

class FileSink implements LogSink {
  readonly #path: string;
  readonly #stream: WriteStream;
  readonly #onFailure: (message: string) => void;
  #lostLines = 0;
  #broken = false;

  constructor(path: string, onFailure: (message: string) => void) {
    this.#path = path;
    this.#onFailure = onFailure;
    this.#stream = createWriteStream("", { fd: openForAppend(path) });
    this.#stream.on("error", (error) => {
      this.#broken = true;
      onFailure(`write error: ${error.message}`);
    });
    this.#stream.on("drain", () => this.#reportLost());
  }

  write(text: string): void {
    if (this.#broken) return;
    if (this.#stream.writableLength > maxBufferedBytes) {
      this.#lostLines += 1;
      return;
    }
    this.#stream.write(text);
  }

  async close(): Promise<void> {
    if (this.#broken) return;
    await new Promise<void>((resolve) => {
      // Closed comes after an error too, and after the listener above heard of it.
      this.#stream.once("close", () => resolve());
      this.#stream.end();
    });
    this.#reportLost();
  }

  #reportLost(): void {
    if (this.#lostLines === 0) return;
    this.#onFailure(`${this.#lostLines} log lines lost: ${this.#path} is too slow`);
    this.#lostLines = 0;
  }
}

function openForAppend(path: string): number {
  try {
    return openSync(path.startsWith("file://") ? fileURLToPath(path) : path, "a");
  } catch (error) {
    const message = `open sink ${JSON.stringify(path)}: ${causeText(error)}`;
    throw new TelemetryError("CONFIG_INVALID", message, { cause: error });
  }
}
