/** How much memory this process may use: the machine's, or less where a cgroup says so. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";

/** cgroup v2 and v1; a limit of "max" or beyond the machine's memory is none. */
const limitFiles = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/** Bytes; `read` and `machineBytes` are for tests. */
export function totalMemoryBytes(
  read: (path: string) => string | undefined = readIfThere,
  machineBytes = totalmem(),
): number {
  const limits = limitFiles
    .map((path) => Number(read(path)?.trim()))
    .filter((limit) => Number.isFinite(limit) && limit > 0);
  return Math.min(machineBytes, ...limits);
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No such cgroup file: no such limit.
    return undefined;
  }
}
