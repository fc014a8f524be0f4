/** `save_to_file`: a CPU profile from start to shutdown, written when it ends. */
import { type FileHandle, open } from "node:fs/promises";
import { type Clock, sleep } from "../../src/clock.ts";
import { TelemetryError } from "../../src/errors.ts";
import type { Logger } from "../../src/log.ts";
import { causeText } from "../../src/net/cause.ts";
import type { Profiler } from "./profiler.ts";

/** V8 keeps every sample in memory: at 100 samples a second an hour is about 10 MB. */
const maxMs = 60 * 60 * 1000;

export class ProfileFile {
  readonly #path: string;
  readonly #end = new AbortController();
  readonly #written: Promise<void>;

  /** Opens the file, so that a wrong path is an error at start, and begins to profile. Throws FILE_WRITE_FAILED. */
  static async start(path: string, profiler: Profiler, clock: Clock, log: Logger) {
    const file = await openForWriting(path);
    return new ProfileFile(path, file, profiler, clock, log);
  }

  private constructor(
    path: string,
    file: FileHandle,
    profiler: Profiler,
    clock: Clock,
    log: Logger,
  ) {
    this.#path = path;
    const until = sleep(clock, maxMs, this.#end.signal).then(
      () => log.warn("The CPU profile reached an hour and ends here.", { file: path }),
      () => undefined,
    );
    this.#written = writeProfile(profiler.profile("cpu", until), file);
    // A failure is told by `finish`; until then it must not count as unhandled.
    this.#written.catch(() => undefined);
  }

  /** Ends the profile and writes it. Throws FILE_WRITE_FAILED. Works twice. */
  async finish(): Promise<void> {
    this.#end.abort(new Error("shutdown"));
    try {
      await this.#written;
    } catch (error) {
      throw writeFailed(this.#path, error);
    }
  }
}

async function writeProfile(profile: Promise<string>, file: FileHandle): Promise<void> {
  try {
    await file.writeFile(await profile);
  } finally {
    await file.close();
  }
}

async function openForWriting(path: string): Promise<FileHandle> {
  try {
    return await open(path, "w", 0o600);
  } catch (error) {
    throw writeFailed(path, error);
  }
}

function writeFailed(path: string, cause: unknown): TelemetryError {
  return new TelemetryError(
    "FILE_WRITE_FAILED",
    `cannot write CPU profile to ${JSON.stringify(path)}: ${causeText(cause)}`,
    { cause },
  );
}
