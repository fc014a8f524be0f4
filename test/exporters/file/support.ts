import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { config, type FileConfig } from "../../../exporters/file/config.ts";
import {
  type FileSystem,
  nodeFileSystem,
  type OpenFile,
} from "../../../exporters/file/file-system.ts";
import { encodeJson } from "../../../src/pdata/json/encode.ts";
import type { Payload } from "../../../src/pdata/payload.ts";

export const configOf = (input: Record<string, unknown>): FileConfig => config.parse(input);

/** A new empty directory. */
export const temporaryDirectory = () => mkdtempSync(join(tmpdir(), "file-exporter-"));

export const lineOf = (payload: Payload) => `${encodeJson(payload)}\n`;

/** An error as the system reports it. */
export const systemError = (code: string) =>
  Object.assign(new Error(`${code}: as told by the test`), { code });

/** The real file system, some of whose operations can be made to fail. */
export class FaultyFileSystem implements FileSystem {
  /** Bytes that writes take before they fail with ENOSPC. */
  roomBytes = Number.POSITIVE_INFINITY;
  truncateFails = false;
  renameFails = false;
  openFails: string | undefined;
  writes = 0;
  syncs = 0;
  opens: string[] = [];
  openNow = 0;
  mostOpen = 0;
  /** Awaited before each write. */
  beforeWrite: Promise<void> = Promise.resolve();

  async open(path: string, flags: number, mode: number): Promise<OpenFile> {
    if (this.openFails !== undefined) throw systemError(this.openFails);
    this.opens.push(path);
    const handle = await nodeFileSystem.open(path, flags, mode);
    this.mostOpen = Math.max(this.mostOpen, ++this.openNow);
    return new Proxy(handle, {
      get: (target, name) => {
        if (name === "write") return this.#write.bind(this, target);
        if (name === "truncate" && this.truncateFails) {
          return () => Promise.reject(systemError("EIO"));
        }
        if (name === "datasync") this.syncs++;
        if (name === "close") this.openNow--;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  async #write(handle: OpenFile, buffer: Uint8Array, offset: number, length: number) {
    await this.beforeWrite;
    this.writes++;
    const taken = Math.min(length, this.roomBytes);
    if (taken === 0) throw systemError("ENOSPC");
    this.roomBytes -= taken;
    return handle.write(buffer, offset, taken);
  }

  mkdir(path: string, mode: number) {
    return nodeFileSystem.mkdir(path, mode);
  }

  rename(from: string, to: string) {
    if (this.renameFails) return Promise.reject(systemError("EPERM"));
    return nodeFileSystem.rename(from, to);
  }

  unlink(path: string) {
    return nodeFileSystem.unlink(path);
  }

  list(directory: string) {
    return nodeFileSystem.list(directory);
  }

  realpath(path: string) {
    return nodeFileSystem.realpath(path);
  }
}
