/**
 * Putting full files aside. `name.ext` becomes `name-2006-01-02T15-04-05.000.ext` (the time of rotation),
 * as lumberjack, which the Collector uses, names them.
 */
import { basename, dirname, extname, join } from "node:path";
import type { FileSystem } from "./file-system.ts";

export interface Rotation {
  readonly maxBytes: number;
  /** 0: no limit. */
  readonly maxDays: number;
  /** 0: no limit. */
  readonly maxBackups: number;
  readonly isLocalTime: boolean;
}

const dayMs = 24 * 60 * 60 * 1000;

/** The name that a file gets when it is put aside. */
export function backupPath(path: string, timeMs: number, isLocalTime: boolean): string {
  const extension = extname(path);
  const stem = basename(path, extension);
  return join(dirname(path), `${stem}-${formatStamp(timeMs, isLocalTime)}${extension}`);
}

function formatStamp(timeMs: number, isLocalTime: boolean): string {
  // Shifted by the zone's offset, the UTC form shows local time.
  const offsetMs = isLocalTime ? new Date(timeMs).getTimezoneOffset() * 60_000 : 0;
  return new Date(timeMs - offsetMs).toISOString().slice(0, 23).replaceAll(":", "-");
}

const stampPattern = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)-(\d\d)-(\d\d)\.(\d{3})$/;

/** The time in a put-aside file's name; undefined: the name is not of this form. */
function parseStamp(stamp: string, isLocalTime: boolean): number | undefined {
  const match = stampPattern.exec(stamp);
  if (match === null) return undefined;
  const [, year = "", month, day, hour, minute, second, ms] = match;
  const zone = isLocalTime ? "" : "Z";
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}.${ms}${zone}`);
  return Number.isNaN(time) ? undefined : time;
}

/** Renames the file; never over another put-aside file, even when two are put aside in one millisecond. */
export async function putAside(
  files: FileSystem,
  path: string,
  timeMs: number,
  isLocalTime: boolean,
): Promise<void> {
  const taken = new Set(await files.list(dirname(path)));
  let at = timeMs;
  let target = backupPath(path, at, isLocalTime);
  while (taken.has(basename(target))) target = backupPath(path, ++at, isLocalTime);
  await files.rename(path, target);
}

/** Deletes the put-aside files that are too many or too old. */
export async function prune(
  files: FileSystem,
  path: string,
  nowMs: number,
  rotation: Rotation,
): Promise<void> {
  const { maxDays, maxBackups, isLocalTime } = rotation;
  if (maxDays === 0 && maxBackups === 0) return;
  const directory = dirname(path);
  const backups = backupsAmong(await files.list(directory), path, isLocalTime);
  for (const [index, { name, timeMs }] of backups.entries()) {
    const isTooMany = maxBackups > 0 && index >= maxBackups;
    const isTooOld = maxDays > 0 && timeMs < nowMs - maxDays * dayMs;
    if (isTooMany || isTooOld) await files.unlink(join(directory, name));
  }
}

/** Put-aside files of `path`, the youngest first; other files, whatever their names, are left alone. */
function backupsAmong(names: readonly string[], path: string, isLocalTime: boolean) {
  const extension = extname(path);
  const prefix = `${basename(path, extension)}-`;
  const backups: { name: string; timeMs: number }[] = [];
  for (const name of names) {
    if (!name.startsWith(prefix) || !name.endsWith(extension)) continue;
    const stamp = name.slice(prefix.length, name.length - extension.length);
    const timeMs = parseStamp(stamp, isLocalTime);
    if (timeMs !== undefined) backups.push({ name, timeMs });
  }
  return backups.toSorted((a, b) => b.timeMs - a.timeMs);
}
