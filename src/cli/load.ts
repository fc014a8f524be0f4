/** From command-line flags to a checked configuration, or to one error that lists every mistake. */
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
import { applyFeatureGates } from "./feature-gates.ts";
import type { Options } from "./options.ts";

export interface Notice {
  readonly level: "info" | "warn";
  readonly message: string;
}

export interface CheckedConfig {
  readonly config: ResolvedConfig;
  readonly root: MapNode;
  readonly notices: readonly Notice[];
}

/** Used when no --config is given. */
const defaultConfig = "pipelines.yaml";

/** Loads, merges, expands and checks; throws CONFIG_INVALID with all mistakes. */
export async function loadOrExplain(options: Options): Promise<CheckedConfig> {
  const gates = applyFeatureGates(options.featureGates);
  const loaded = load(options, gates.mergeAppend);
  const { config, problems } = await resolveLoaded(loaded, registry);
  if (config === undefined) throw invalid(problems);
  const gateNotes = gates.notes.map((message) => ({ level: "info", message }) as const);
  const notices = [...loaded.warnings, ...config.notices].map(toLine);
  return { config, root: loaded.root, notices: [...gateNotes, ...notices] };
}

const toLine = (notice: ConfigNotice): Notice => ({
  level: notice.level,
  message: formatNotice(notice),
});

/** Loads, merges and expands only. */
export function loadTree(options: Options): Promise<MapNode> {
  const loaded = load(options, applyFeatureGates(options.featureGates).mergeAppend);
  if (loaded.errors.length > 0) return Promise.reject(invalid(loaded.errors));
  return Promise.resolve(loaded.root);
}

function load(options: Options, mergeAppend: boolean): LoadedConfig {
  const configs = options.configs.length > 0 ? options.configs : [defaultConfig];
  return loadConfig({
    configs,
    sets: options.sets,
    env: process.env,
    readFile: readConfigFile,
    mergeAppend,
  });
}

function invalid(problems: readonly Problem[]): TelemetryError {
  return new TelemetryError("CONFIG_INVALID", formatProblems(problems));
}
