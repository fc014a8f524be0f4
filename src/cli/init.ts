import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { TelemetryError } from "../errors.ts";
import { type Options, UsageError } from "./options.ts";

/** Writes the commented default pipelines.yaml (or the named file); never over an existing one without --force. */
export async function init(options: Options): Promise<number> {
  const target = options.positionals[0] ?? "pipelines.yaml";
  const shipped = shippedConfig();
  const schema = schemaReference(target, join(dirname(shipped), "schema/pipelines.schema.json"));
  const text = readFileSync(shipped, "utf8").replace(/(?<=\$schema=)\S+/u, () => schema);
  try {
    writeFileSync(target, text, { flag: options.force ? "w" : "wx" });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") throw new UsageError(`${target} exists already; --force overwrites it`);
    throw new TelemetryError("FILE_WRITE_FAILED", `cannot write ${target}: ${message}`, {
      cause: error,
    });
  }
  process.stdout.write(
    `Wrote ${target}. Start the service with: repomind-telemetry --config ${target}\n`,
  );
  return 0;
}

/** Where an editor finds the schema: relative to the file where the package lies below it, so that both can move. */
function schemaReference(target: string, schema: string): string {
  const path = relative(dirname(resolve(target)), schema);
  const reference = path.startsWith("..") ? schema : `./${path}`;
  return reference.replaceAll("\\", "/");
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
