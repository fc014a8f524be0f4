import process from "node:process";
import { loadOrExplain } from "./load.ts";
import type { Options } from "./options.ts";

/** Checks everything that `run` checks before it starts something; 0 when the configuration is good. */
export async function validate(options: Options): Promise<number> {
  const { notices } = await loadOrExplain(options);
  for (const notice of notices) process.stderr.write(`${notice.level}: ${notice.message}\n`);
  return 0;
}
