import { constants, copyFileSync, existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Options, UsageError } from "./options.ts";

/** Writes the commented default pipelines.yaml (or the named file); never over an existing one without --force. */
export async function init(options: Options): Promise<number> {
  const target = options.positionals[0] ?? "pipelines.yaml";
  try {
    copyFileSync(shippedConfig(), target, options.force ? 0 : constants.COPYFILE_EXCL);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new UsageError(`${target} exists already; --force overwrites it`);
  }
  process.stdout.write(
    `Wrote ${target}. Start the service with: repomind-telemetry --config ${target}\n`,
  );
  return 0;
}

/** pipelines.yaml of the package: above src/ in the sources, above dist/src/ when built. */
export function shippedConfig(): string {
  const candidates = ["../../pipelines.yaml", "../../../pipelines.yaml"].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) throw new Error("BUG: the shipped pipelines.yaml is missing");
  return found;
}
