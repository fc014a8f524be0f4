/** The file operations the exporter uses, as an interface so that tests can make them fail. */
import { type FileHandle, mkdir, open, readdir, realpath, rename, unlink } from "node:fs/promises";

export type OpenFile = Pick<
  FileHandle,
  "write" | "read" | "stat" | "truncate" | "datasync" | "close"
>;

export interface FileSystem {
  open(path: string, flags: number, mode: number): Promise<OpenFile>;
  mkdir(path: string, mode: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  list(directory: string): Promise<string[]>;
  realpath(path: string): Promise<string>;
}

export const nodeFileSystem: FileSystem = {
  open,
  mkdir: async (path, mode) => void (await mkdir(path, { recursive: true, mode })),
  rename,
  unlink,
  list: (directory) => readdir(directory),
  realpath: (path) => realpath(path),
};

/** What a failed operation says. By its shape: errors of another realm are no instances of our Error. */
export function causeOf(error: unknown): { readonly message: string; readonly code: string } {
  if (typeof error !== "object" || error === null) return { message: String(error), code: "" };
  return {
    message: "message" in error ? String(error.message) : "unknown cause",
    code: "code" in error ? String(error.code) : "",
  };
}
