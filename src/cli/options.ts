/** Command-line flags: the Collector's, and ours. */
import { parseArgs } from "node:util";
import { parseDuration } from "../config/duration.ts";

export interface Options {
  readonly configs: readonly string[];
  readonly sets: readonly string[];
  readonly featureGates: readonly string[];
  readonly memoryBudgetBytes: number | undefined;
  readonly shutdownTimeoutMs: number;
  readonly mode: "redacted" | "unredacted";
  readonly format: "yaml" | "json";
  readonly validate: boolean;
  readonly force: boolean;
  readonly help: boolean;
  readonly version: boolean;
  readonly positionals: readonly string[];
}

/** A mistake on the command line; printed with a pointer to --help. */
export class UsageError extends Error {}

const flags = {
  config: { type: "string", multiple: true },
  set: { type: "string", multiple: true },
  "feature-gates": { type: "string", multiple: true },
  "memory-budget": { type: "string" },
  "shutdown-timeout": { type: "string" },
  mode: { type: "string" },
  format: { type: "string" },
  validate: { type: "boolean" },
  force: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "v" },
} as const;

/** Parses the arguments behind the verb; throws UsageError. */
export function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parse(args);
  const gates = (values["feature-gates"] ?? []).flatMap((list) => list.split(","));
  return {
    configs: values.config ?? [],
    sets: values.set ?? [],
    featureGates: gates.map((gate) => gate.trim()).filter((gate) => gate !== ""),
    memoryBudgetBytes: sizeFlag("--memory-budget", values["memory-budget"]),
    shutdownTimeoutMs: durationFlag("--shutdown-timeout", values["shutdown-timeout"]) ?? 25_000,
    mode: choice("--mode", values.mode, ["redacted", "unredacted"]),
    format: choice("--format", values.format, ["yaml", "json"]),
    validate: values.validate ?? false,
    force: values.force ?? false,
    help: values.help ?? false,
    version: values.version ?? false,
    positionals,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function choice<T extends string>(
  flag: string,
  value: string | undefined,
  valid: readonly [T, ...T[]],
): T {
  if (value === undefined) return valid[0];
  const found = valid.find((candidate) => candidate === value);
  if (found === undefined)
    throw new UsageError(`${flag} must be one of ${valid.join(", ")}, not "${value}"`);
  return found;
}

function durationFlag(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const ms = parseDuration(value);
  if (ms === undefined || ms < 0)
    throw new UsageError(`${flag} must be a duration such as 25s, not "${value}"`);
  return ms;
}

const sizeUnits: Readonly<Record<string, number>> = {
  "": 1,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
};

function sizeFlag(flag: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB|KB|MB|GB|)$/u.exec(value);
  const bytes = match === null ? Number.NaN : Number(match[1]) * sizeUnits[match[2]!]!;
  if (!(bytes >= 2 ** 20))
    throw new UsageError(`${flag} must be a size of at least 1MiB such as 512MiB, not "${value}"`);
  return Math.floor(bytes);
}
