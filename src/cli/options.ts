/** Command-line flags: the Collector's, and ours. */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { parseDuration } from "../config/duration.ts";
import { nearest } from "../config/suggest.ts";

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
  /** At most as many as the verb takes. */
  readonly positionals: readonly string[];
}

/** A mistake on the command line; printed with a pointer to the help. */
export class UsageError extends Error {
  readonly help: string;
  constructor(message: string, help = "repomind-telemetry --help") {
    super(message);
    this.help = help;
  }
}

/** As node:util's parseArgs takes them. */
export type FlagTable = NonNullable<ParseArgsConfig["options"]>;

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

export type Flag = keyof typeof flags;

/** What a verb takes beside --help and --version. */
export interface Accepts<F extends string = Flag> {
  readonly flags: readonly F[];
  readonly positionals?: number;
}

/** Parses the arguments behind the verb; throws UsageError. */
export function parseOptions(args: readonly string[], accepts: Accepts): Options {
  const { values, positionals } = parseFlags(flags, args, accepts);
  const gates = (values["feature-gates"] ?? []).flatMap((list) => list.split(","));
  if (values.config?.includes("")) throw new UsageError("--config must not be empty");
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

/** The flags of a table that are accepted; throws UsageError. */
export function parseFlags<T extends FlagTable>(
  table: T,
  args: readonly string[],
  accepts: Accepts<string>,
) {
  const known: readonly string[] = [...accepts.flags, "help", "version"];
  const options = { args: withValues(table, args), options: table, allowPositionals: true };
  const { tokens } = parseArgs({ ...options, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind !== "option" || known.includes(token.name)) continue;
    // A short flag is known under its long name by now.
    throw new UsageError(unknownFlag(table, token.rawName, known));
  }
  const positionals = tokens.filter((token) => token.kind === "positional");
  const extra = positionals[accepts.positionals ?? 0]?.value;
  if (extra !== undefined) throw new UsageError(unexpected(extra, accepts));
  try {
    return parseArgs({ ...options, strict: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** `--flag -value` as `--flag=-value`: a value may begin with a dash (`--feature-gates -a`). */
function withValues(table: FlagTable, args: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const name = arg.slice(2);
    const takesValue = Object.hasOwn(table, name) && table[name]!.type === "string";
    if (arg.startsWith("--") && takesValue && i + 1 < args.length)
      joined.push(`${arg}=${args[++i]}`);
    else joined.push(arg);
  }
  return joined;
}

function unknownFlag(table: FlagTable, rawName: string, known: readonly string[]): string {
  const near = nearest(rawName.replace(/^-+/u, ""), known);
  if (near !== undefined) return `unknown flag ${rawName}; did you mean --${near}?`;
  const elsewhere = Object.hasOwn(table, rawName.replace(/^-+/u, ""));
  return elsewhere ? `${rawName} is a flag of other verbs` : `unknown flag ${rawName}`;
}

/** Most likely the configuration, without its flag. */
function unexpected(argument: string, { flags: taken }: Accepts<string>): string {
  const text = `unexpected argument "${argument}"`;
  return taken.includes("config") ? `${text}; did you mean --config ${argument}?` : text;
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
