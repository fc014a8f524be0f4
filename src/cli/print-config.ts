import process from "node:process";
import { printConfig } from "../config/redact.ts";
import { registry } from "../registry.ts";
import { loadOrExplain, loadTree } from "./load.ts";
import type { Options } from "./options.ts";

/** Prints the merged and expanded configuration; secrets only with --mode unredacted. */
export async function printConfigVerb(options: Options): Promise<number> {
  const root = options.validate ? (await loadOrExplain(options)).root : loadTree(options);
  process.stdout.write(
    await printConfig(root, { mode: options.mode, format: options.format, registry }),
  );
  return 0;
}
