/**
 * Appends records to one file. A record is acknowledged when write(2) took all of its bytes; records that
 * arrive while a write is running go out together with the next one.
 *
 * After a failed write the file may end with a piece of a record. That piece is cut off before anything else
 * is written, so the file consists of whole records at all times but that moment.
 */
import { constants } from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../../src/clock.ts";
import { TelemetryError } from "../../src/errors.ts";
import type { Logger } from "../../src/log.ts";
import { causeOf, type FileSystem, type OpenFile } from "./file-system.ts";
import type { FileRecord } from "./record.ts";
import { prune, putAside, type Rotation } from "./rotation.ts";

/** Bytes that go out in one write(2), unless one record alone is larger. */
const maxGroupBytes = 1024 * 1024;
const fileMode = 0o600;
const rotationDirectoryMode = 0o755;

/** Causes that waiting does not mend. */
const permanentCauses: ReadonlySet<string> = new Set([
  "ENAMETOOLONG",
  "EISDIR",
  "ENOTDIR",
  "ELOOP",
]);

export interface FileWriterOptions {
  readonly path: string;
  /** Keep what the file holds when it is opened for the first time. */
  readonly isAppending: boolean;
  readonly isLines: boolean;
  readonly rotation?: Rotation | undefined;
  /** Refuse to follow a symbolic link at the path. */
  readonly isLinkRefused?: boolean;
  readonly files: FileSystem;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiting {
  readonly record: FileRecord;
  readonly resolve: () => void;
  readonly reject: (error: TelemetryError) => void;
}

export class FileWriter {
  readonly #options: FileWriterOptions;
  #handle: OpenFile | undefined;
  /** Pipes and devices can be neither cut nor put aside. */
  #isRegular = true;
  #sizeBytes = 0;
  /** Length of the piece of a record at the end of the file. */
  #tornBytes = 0;
  #wasOpened = false;
  #isDirty = false;
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;

  constructor(options: FileWriterOptions) {
    this.#options = options;
  }

  /** Resolves when the record is in the file; rejects with FILE_WRITE_FAILED. */
  append(record: FileRecord): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ record, resolve, reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Opens the file ahead of the first record, so that mistakes show at start. */
  async open(): Promise<void> {
    try {
      await this.#open();
    } catch (error) {
      throw this.#failed("open", error);
    }
    if (this.#options.rotation !== undefined) await this.#prune(this.#options.rotation);
  }

  /** Forces what was written to the disk. */
  async sync(): Promise<void> {
    if (!this.#isDirty || !this.#isRegular || this.#syncing !== undefined) return;
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#isDirty = false;
    this.#syncing = handle.datasync().catch((error: unknown) => {
      this.#isDirty = true;
      this.#options.log.error("cannot sync file", this.#facts(error));
    });
    await this.#syncing;
    this.#syncing = undefined;
  }

  /** Writes what waits, and closes. A later append opens the file again and adds to it. */
  async close(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
    await this.#closeHandle();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      let group: Waiting[] = [];
      try {
        await this.#prepare();
        group = this.#takeGroup();
        await this.#write(group);
      } catch (error) {
        // What fails before a group was taken fails all that wait, or they would wait for ever.
        const failed = group.length > 0 ? group : this.#waiting.splice(0);
        await this.#reject(failed, error);
      }
    }
    this.#running = undefined;
  }

  /** The file is open, ends with a whole record, and has room for the next one. */
  async #prepare(): Promise<void> {
    await this.#open();
    await this.#cutTorn();
    const { rotation, clock, path, files } = this.#options;
    if (rotation === undefined || !this.#isRegular || this.#sizeBytes === 0) return;
    if (this.#sizeBytes + this.#waiting[0]!.record.byteLength <= rotation.maxBytes) return;
    await this.#closeHandle();
    await putAside(files, path, clock.now(), rotation.isLocalTime);
    await this.#open();
    await this.#prune(rotation);
  }

  #takeGroup(): Waiting[] {
    const maxFileBytes = this.#options.rotation?.maxBytes ?? Number.POSITIVE_INFINITY;
    const room = Math.min(maxGroupBytes, maxFileBytes - this.#sizeBytes);
    let count = 0;
    for (let bytes = 0; count < this.#waiting.length; count++) {
      bytes += this.#waiting[count]!.record.byteLength;
      if (bytes > room && count > 0) break;
    }
    return this.#waiting.splice(0, count);
  }

  /** Writes a group; records that are whole in the file are acknowledged even when a later one fails. */
  async #write(group: Waiting[]): Promise<void> {
    const bytes = Buffer.concat(group.flatMap(({ record }) => record.chunks));
    let written = 0;
    let acknowledged = 0;
    try {
      while (written < bytes.length) {
        const { bytesWritten } = await this.#handle!.write(bytes, written, bytes.length - written);
        if (bytesWritten === 0) throw new Error("the file takes no more bytes");
        written += bytesWritten;
      }
    } finally {
      while (group.length > 0 && acknowledged + group[0]!.record.byteLength <= written) {
        const done = group.shift()!;
        acknowledged += done.record.byteLength;
        done.resolve();
      }
      this.#isDirty ||= written > 0;
      this.#sizeBytes += acknowledged;
      this.#tornBytes = written - acknowledged;
    }
  }

  async #reject(failed: readonly Waiting[], cause: unknown): Promise<void> {
    const error = this.#failed("write", cause);
    try {
      await this.#cutTorn();
    } catch (cutError) {
      // Tried again before the next write.
      this.#options.log.warn("cannot cut a torn record off the file", this.#facts(cutError));
    }
    for (const waiting of failed) waiting.reject(error);
  }

  /** Counted from the end of the file, because somebody else may have emptied it in the meantime. */
  async #cutTorn(): Promise<void> {
    if (this.#tornBytes === 0 || this.#handle === undefined) return;
    if (this.#isRegular) {
      const { size } = await this.#handle.stat();
      const end = Math.max(0, size - this.#tornBytes);
      await this.#handle.truncate(end);
      this.#sizeBytes = end;
    }
    this.#tornBytes = 0;
  }

  async #open(): Promise<void> {
    if (this.#handle !== undefined) return;
    const { path, isAppending, isLinkRefused, rotation, files } = this.#options;
    const { O_RDWR, O_WRONLY, O_CREAT, O_APPEND, O_TRUNC, O_NOFOLLOW } = constants;
    const keeps = isAppending || rotation !== undefined || this.#wasOpened;
    if (rotation !== undefined) await files.mkdir(dirname(path), rotationDirectoryMode);
    // Reading is for the last byte of what is kept; a pipe would block on being opened for it.
    const access = keeps ? O_RDWR : O_WRONLY | O_TRUNC;
    const link = isLinkRefused === true ? O_NOFOLLOW : 0;
    const handle = await files.open(path, access | O_CREAT | O_APPEND | link, fileMode);
    try {
      const found = await handle.stat();
      this.#isRegular = found.isFile();
      this.#sizeBytes = this.#isRegular ? found.size : 0;
      if (this.#isRegular && this.#options.isLines) await this.#endLine(handle);
    } catch (error) {
      await handle.close();
      throw error;
    }
    this.#handle = handle;
    this.#wasOpened = true;
  }

  /** A process that died while writing leaves half a line; what is added must not become part of it. */
  async #endLine(handle: OpenFile): Promise<void> {
    if (this.#sizeBytes === 0 || this.#tornBytes > 0) return;
    const last = Buffer.alloc(1);
    await handle.read(last, 0, 1, this.#sizeBytes - 1);
    if (last[0] === 0x0a) return;
    await handle.write(Uint8Array.of(0x0a), 0, 1);
    this.#sizeBytes++;
  }

  async #prune(rotation: Rotation): Promise<void> {
    const { files, path, clock, log } = this.#options;
    try {
      await prune(files, path, clock.now(), rotation);
    } catch (error) {
      // The records themselves are safe; the next rotation tries again.
      log.warn("cannot delete old files", this.#facts(error));
    }
  }

  async #closeHandle(): Promise<void> {
    await this.#syncing;
    await this.sync();
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  #failed(verb: string, cause: unknown): TelemetryError {
    const { message: what, code } = causeOf(cause);
    const message = `cannot ${verb} file ${this.#options.path}: ${what}`;
    const retryable = !permanentCauses.has(code);
    return new TelemetryError("FILE_WRITE_FAILED", message, { retryable, cause });
  }

  #facts(error: unknown): { path: string; error: string } {
    return { path: this.#options.path, error: causeOf(error).message };
  }
}
