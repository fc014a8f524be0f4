/** Where records go: one file, or one per value of a resource attribute. */
import { dirname, join, normalize, sep } from "node:path";
import type { Settings } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { countItems } from "../../src/pdata/count.ts";
import type { Payload, Signal } from "../../src/pdata/payload.ts";
import type { FileConfig } from "./config.ts";
import { causeOf, type FileSystem } from "./file-system.ts";
import { FileWriter } from "./file-writer.ts";
import { Gate } from "./gate.ts";
import { groupByAttribute, pathOf } from "./groups.ts";
import { encodeRecord, isLines, type RecordFormat } from "./record.ts";

export interface Destination {
  open(): Promise<void>;
  /** Resolves when all of the payload is written; rejects retryably with what is missing remembered. */
  write(payload: Payload): Promise<void>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What every destination needs. */
export interface DestinationOptions {
  readonly config: FileConfig;
  readonly settings: Settings;
  readonly files: FileSystem;
}

const formatOf = (config: FileConfig): RecordFormat => ({
  format: config.format === "proto" ? "proto" : "json",
  isCompressed: config.compression === "zstd",
});

const directoryMode = (config: FileConfig) =>
  Number.parseInt(config.directory_permissions === "" ? "0755" : config.directory_permissions, 8);

/** Encodes and appends; the record is a second copy of the data and counts as such. */
async function writeRecord(
  writer: FileWriter,
  signal: Signal,
  parts: readonly Uint8Array[],
  { config, settings }: DestinationOptions,
): Promise<void> {
  const record = await encodeRecord(signal, parts, formatOf(config));
  // Refusing here could stop all delivery: payloads that fill the budget wait for this very write.
  settings.budget.reserve(record.byteLength);
  try {
    await writer.append(record);
  } finally {
    settings.budget.release(record.byteLength);
  }
}

export class SingleFile implements Destination {
  readonly #options: DestinationOptions;
  readonly #writer: FileWriter;

  constructor(options: DestinationOptions) {
    this.#options = options;
    const { config, settings, files } = options;
    const { rotation } = config;
    this.#writer = new FileWriter({
      path: config.path,
      isAppending: config.append,
      isLines: isLines(formatOf(config)),
      rotation: rotation && {
        maxBytes: (rotation.max_megabytes || 100) * 1024 * 1024,
        maxDays: rotation.max_days,
        maxBackups: rotation.max_backups,
        isLocalTime: rotation.localtime,
      },
      files,
      clock: settings.clock,
      log: settings.log,
    });
  }

  async open(): Promise<void> {
    const { config, files } = this.#options;
    if (config.create_directory) await files.mkdir(dirname(config.path), directoryMode(config));
    await this.#writer.open();
  }

  write(payload: Payload): Promise<void> {
    return writeRecord(this.#writer, payload.signal, payload.parts, this.#options);
  }

  sync(): Promise<void> {
    return this.#writer.sync();
  }

  close(): Promise<void> {
    return this.#writer.close();
  }
}

/** Paths remembered as written to since the start; a path beyond them is never emptied, only added to. */
const maxRememberedPaths = 100_000;

interface OpenWriter {
  readonly writer: FileWriter;
  /** Its directory exists and lies below the root. */
  readonly ready: Promise<void>;
  /** Writes that use it; it is closed only without any. */
  users: number;
}

export class GroupedFiles implements Destination {
  readonly #options: DestinationOptions;
  readonly #prefix: string;
  readonly #suffix: string;
  /** Each write uses one file, so as many run at a time as may be open. */
  readonly #slots: Gate;
  /** By path, the one unused for longest first. */
  readonly #open = new Map<string, OpenWriter>();
  readonly #closing = new Map<string, Promise<void>>();
  readonly #writtenPaths = new Set<string>();
  /** What is already written of payloads that failed in part, so that a retry repeats nothing. */
  readonly #progress = new WeakMap<Payload, Set<string>>();

  constructor(options: DestinationOptions) {
    this.#options = options;
    this.#slots = new Gate(options.config.group_by.max_open_files);
    const [prefix = "", suffix = ""] = options.config.path.split("*");
    this.#prefix = prefix;
    this.#suffix = suffix;
  }

  async open(): Promise<void> {
    const { config, files } = this.#options;
    if (config.create_directory) await files.mkdir(this.#rootPath(), directoryMode(config));
  }

  /** The directory that everything lies below. */
  #rootPath(): string {
    return dirname(join(this.#prefix, "x"));
  }

  async write(payload: Payload): Promise<void> {
    const { config, settings } = this.#options;
    const { bySegment, missing } = groupByAttribute(
      payload.parts,
      config.group_by.resource_attribute,
    );
    const done = this.#progress.get(payload) ?? new Set<string>();
    const failures: TelemetryError[] = [];
    await Promise.all(
      [...bySegment].map(async ([segment, parts]) => {
        if (done.has(segment)) return;
        try {
          await this.#writeGroup(payload.signal, segment, parts);
          done.add(segment);
        } catch (error) {
          failures.push(asWriteError(error));
        }
      }),
    );
    const failure = failures[0];
    if (failure !== undefined) {
      this.#progress.set(payload, done);
      throw failure;
    }
    if (missing.length > 0) {
      settings.log.debug("resource lacks the attribute to group by", {
        attribute: config.group_by.resource_attribute,
      });
      settings.drop("missing_attribute", itemsOf(payload.signal, missing));
    }
  }

  async #writeGroup(signal: Signal, segment: string, parts: readonly Uint8Array[]): Promise<void> {
    const { settings } = this.#options;
    const path = pathOf(this.#prefix, segment, this.#suffix);
    await this.#slots.enter(1);
    try {
      const entry = await this.#acquire(path);
      try {
        await this.#ready(path, entry);
        await writeRecord(entry.writer, signal, parts, this.#options);
      } finally {
        entry.users--;
      }
    } catch (error) {
      const failure = asWriteError(error);
      if (failure.retryable) throw failure;
      // One value that makes no file name must not hold up the others.
      settings.log.error(failure.message);
      settings.drop("file_write_failed", itemsOf(signal, parts));
    } finally {
      this.#slots.leave(1);
    }
  }

  /** The path's writer, counted as used. Waits until old files are closed, so that never too many are open. */
  async #acquire(path: string): Promise<OpenWriter> {
    for (;;) {
      const known = this.#open.get(path);
      if (known !== undefined) {
        this.#open.delete(path);
        this.#open.set(path, known);
        known.users++;
        return known;
      }
      // A file is closed before it is opened again, or two writers would both cut it.
      const closing = this.#closing.get(path) ?? this.#makeRoom();
      if (closing === undefined) break;
      await closing;
    }
    const ready = this.#checkDirectory(path);
    const entry: OpenWriter = { writer: this.#createWriter(path), ready, users: 1 };
    this.#open.set(path, entry);
    return entry;
  }

  /** Where the directory fails, the next write looks at it again. */
  async #ready(path: string, entry: OpenWriter): Promise<void> {
    try {
      await entry.ready;
    } catch (error) {
      if (this.#open.get(path) === entry) this.#open.delete(path);
      throw error;
    }
  }

  #createWriter(path: string): FileWriter {
    const { config, settings, files } = this.#options;
    const isKnown = this.#writtenPaths.has(path) || this.#writtenPaths.size >= maxRememberedPaths;
    if (!isKnown) this.#writtenPaths.add(path);
    return new FileWriter({
      path,
      isAppending: config.append || isKnown,
      isLines: isLines(formatOf(config)),
      isLinkRefused: true,
      files,
      clock: settings.clock,
      log: settings.log,
    });
  }

  /** Creates the file's directory, and sees to it that no symbolic link leads out of the root. */
  async #checkDirectory(path: string): Promise<void> {
    const { config, files } = this.#options;
    const directory = dirname(path);
    await files.mkdir(directory, directoryMode(config));
    const root = await files.realpath(this.#rootPath());
    const real = await files.realpath(directory);
    if (real === root || real.startsWith(normalize(root + sep))) return;
    throw new TelemetryError(
      "FILE_WRITE_FAILED",
      `cannot write file ${path}: its directory is outside of ${this.#rootPath()}`,
    );
  }

  /** Closes the file that is unused for longest if no further one may be opened; undefined: there is room. */
  #makeRoom(): Promise<void> | undefined {
    const maxOpen = this.#options.config.group_by.max_open_files;
    if (this.#open.size + this.#closing.size < maxOpen) return undefined;
    for (const [path, entry] of this.#open) {
      if (entry.users > 0) continue;
      this.#open.delete(path);
      const closing = entry.writer
        .close()
        .catch((error: unknown) => {
          const fields = { path, error: causeOf(error).message };
          this.#options.settings.log.warn("cannot close file", fields);
        })
        .finally(() => this.#closing.delete(path));
      this.#closing.set(path, closing);
      return closing;
    }
    // All others are in use or being closed already.
    return this.#closing.values().next().value;
  }

  async sync(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ writer }) => writer.sync()));
  }

  async close(): Promise<void> {
    const writers = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(writers.map(({ writer }) => writer.close()));
    await Promise.all(this.#closing.values());
  }
}

const itemsOf = (signal: Signal, parts: readonly Uint8Array[]) =>
  parts.reduce((sum, part) => sum + countItems(signal, part), 0);

function asWriteError(error: unknown): TelemetryError {
  if (error instanceof TelemetryError) return error;
  const message = `cannot write file: ${causeOf(error).message}`;
  return new TelemetryError("FILE_WRITE_FAILED", message, { retryable: true, cause: error });
}
