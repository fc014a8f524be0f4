/** From command-line flags to a checked configuration, or to one error that lists every mistake. */
import { existsSync } from "node:fs";
import process from "node:process";
import { type LoadedConfig, loadConfig, readConfigFile } from "../config/load.ts";
import {
  type Notice as ConfigNotice,
  formatNotice,
  formatProblems,
  type Problem,
} from "../config/problems.ts";
import { type ResolvedConfig, resolveLoaded } from "../config/service-config.ts";
import type { MapNode } from "../config/tree.ts";
import { TelemetryError } from "../errors.ts";
import { registry } from "../registry.ts";
import { applyFeatureGates, type GateSettings } from "./feature-gates.ts";
import { type Options, UsageError } from "./options.ts";

export interface Notice {
  readonly level: "info" | "warn";
  readonly message: string;
}

export interface CheckedConfig {
  readonly config: ResolvedConfig;
  readonly root: MapNode;
  readonly notices: readonly Notice[];
  readonly gates: GateSettings;
}

/** Used when no --config is given. */
const defaultConfig = "pipelines.yaml";

/** Loads, merges, expands and checks; throws CONFIG_INVALID with all mistakes. */
export async function loadOrExplain(options: Options): Promise<CheckedConfig> {
  const gates = applyFeatureGates(options.featureGates);
  const loaded = load(options, gates.mergeAppend);
  const { config, problems, notices: findings } = await resolveLoaded(loaded, registry);
  if (config === undefined) throw invalid(problems, [...loaded.warnings, ...findings]);
  const gateNotes = gates.notes.map((message) => ({ level: "info", message }) as const);
  const notices = [...loaded.warnings, ...config.notices].map(toLine);
  return { config, root: loaded.root, notices: [...gateNotes, ...notices], gates };
}

const toLine = (notice: ConfigNotice): Notice => ({
  level: notice.level,
  message: formatNotice(notice),
});

/** Loads, merges and expands only. */
export function loadTree(options: Options): MapNode {
  const loaded = load(options, applyFeatureGates(options.featureGates).mergeAppend);
  if (loaded.errors.length > 0) throw invalid(loaded.errors, loaded.warnings);
  return loaded.root;
}

function load(options: Options, mergeAppend: boolean): LoadedConfig {
  const isDefault = options.configs.length === 0;
  if (isDefault && !existsSync(defaultConfig)) {
    throw new UsageError(
      `there is no ${defaultConfig} here: name a configuration with --config, or write one with repomind-telemetry init`,
    );
  }
  const configs = isDefault ? [defaultConfig] : options.configs;
  return loadConfig({
    configs,
    sets: options.sets,
    env: process.env,
    readFile: readConfigFile,
    mergeAppend,
  });
}

/** With the warnings: an unset variable is often what is behind a problem. */
function invalid(problems: readonly Problem[], notices: readonly ConfigNotice[]): TelemetryError {
  const warnings = notices
    .filter(({ level }) => level === "warn")
    .map((notice) => `warn: ${formatNotice(notice)}`);
  const text = [formatProblems(problems), warnings.join("\n")].filter((part) => part !== "");
  return new TelemetryError("CONFIG_INVALID", text.join("\n\n"));
}
