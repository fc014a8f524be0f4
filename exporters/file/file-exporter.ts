import type { Timer } from "../../src/clock.ts";
import type { Context, Exporter, PushResult, Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import type { Payload } from "../../src/pdata/payload.ts";
import type { FileConfig } from "./config.ts";
import { type Destination, GroupedFiles, SingleFile } from "./destinations.ts";
import { causeOf, type FileSystem, nodeFileSystem } from "./file-system.ts";
import { Gate } from "./gate.ts";

/** Payload bytes being encoded or waiting for the disk at a time; further pushes wait. */
const maxBufferedBytes = 16 * 1024 * 1024;
const defaultFlushMs = 1000;

/** Writes payloads to files; a push resolves when write(2) took all of its bytes. */
export class FileExporter implements Exporter {
  readonly #destination: Destination;
  readonly #settings: Settings;
  readonly #flushMs: number;
  readonly #gate = new Gate(maxBufferedBytes);
  #flushTimer: Timer | undefined;
  #isFailing = false;

  constructor(config: FileConfig, settings: Settings, files: FileSystem = nodeFileSystem) {
    const options = { config, settings, files };
    this.#settings = settings;
    this.#flushMs = config.flush_interval || defaultFlushMs;
    this.#destination = config.group_by.enabled
      ? new GroupedFiles(options)
      : new SingleFile(options);
  }

  async start(): Promise<void> {
    try {
      await this.#destination.open();
    } catch (error) {
      throw new TelemetryError("START_FAILED", causeOf(error).message, { cause: error });
    }
    this.#flushTimer = this.#settings.clock.every(this.#flushMs, () => {
      // Errors are logged where they happen, and the next tick tries again.
      void this.#destination.sync();
    });
  }

  async push(payload: Payload, _context: Context, abort: AbortSignal): Promise<PushResult> {
    if (payload.parts.length === 0) return {};
    try {
      await untilAborted(this.#write(payload, abort), abort);
      this.#report(undefined);
      return {};
    } catch (error) {
      this.#report(error);
      throw error;
    }
  }

  /** Closes the files. A disk that hangs holds the service up only until the signal aborts. */
  async shutdown(abort: AbortSignal): Promise<void> {
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    try {
      await untilAborted(this.#destination.close(), abort);
    } catch (error) {
      this.#settings.log.error("cannot close file", { error: causeOf(error).message });
    }
  }

  async #write(payload: Payload, abort: AbortSignal): Promise<void> {
    await this.#gate.enter(payload.byteLength);
    try {
      // Refused in the meantime: writing it now would only make the sender's next attempt a duplicate.
      if (!abort.aborted) await this.#destination.write(payload);
    } finally {
      this.#gate.leave(payload.byteLength);
    }
  }

  #report(error: unknown): void {
    const isFailing = error instanceof TelemetryError && error.code === "FILE_WRITE_FAILED";
    if (isFailing === this.#isFailing || (error !== undefined && !isFailing)) return;
    this.#isFailing = isFailing;
    this.#settings.report(
      isFailing ? { state: "recoverable", message: error.message } : { state: "ok" },
    );
  }
}

/** The work, or SHUTTING_DOWN once the signal aborts, whichever comes first. */
function untilAborted(work: Promise<void>, abort: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => {
    const message = "cannot write file: the service is stopping";
    reject(new TelemetryError("SHUTTING_DOWN", message, { retryable: true }));
  };
  if (abort.aborted) stop();
  else abort.addEventListener("abort", stop, { once: true });
  work.then(resolve, reject).finally(() => abort.removeEventListener("abort", stop));
  return promise;
}
