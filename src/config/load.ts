/** From `--config` and `--set` to one expanded tree. */
import { isUtf8 } from "node:buffer";
import { readFileSync, statSync } from "node:fs";
import { type ConfigIo, Expander, ExpansionError } from "./expand.ts";
import { mergeConfig, splitKeys } from "./merge.ts";
import type { Notice, Problem } from "./problems.ts";
import { type Position, Source } from "./source.ts";
import { type ConfigNode, isNull, type MapNode, mapNode, typeName } from "./tree.ts";
import { maxYamlBytes } from "./yaml.ts";

export interface LoadOptions extends ConfigIo {
  /** Values of `--config`: a path, or `file:`, `env:`, `yaml:` URIs; merged left to right. */
  readonly configs: readonly string[];
  /** Values of `--set`: `a.b=value`; applied last. */
  readonly sets: readonly string[];
  /** Gate confmap.enableMergeAppendOption. */
  readonly mergeAppend?: boolean;
}

export interface LoadedConfig {
  /** What could be read; complete when there are no errors. */
  readonly root: MapNode;
  readonly warnings: readonly Notice[];
  readonly errors: readonly Problem[];
}

/** Reads, merges and expands the configuration; never throws for what the user wrote. */
export function loadConfig(options: LoadOptions): LoadedConfig {
  const expander = new Expander(options);
  const errors: Problem[] = [];
  let root: MapNode | undefined;
  for (const { uri, name } of sourcesOf(options, errors)) {
    const at = startOf(name);
    const source = readSource(expander, uri, at, errors);
    if (source === undefined) continue;
    const merge = { append: options.mergeAppend === true };
    root = root === undefined ? source : mergeConfig(root, source, merge);
  }
  const empty = mapNode(new Map(), startOf(options.configs[0] ?? "no configuration"));
  const expanded = expander.expand(root ?? empty) as MapNode;
  return {
    root: expanded,
    warnings: expander.notices,
    errors: [...errors, ...expander.problems],
  };
}

/** Reads a configuration file; for `LoadOptions.readFile`. Refuses what is no regular file or far too large. */
export function readConfigFile(path: string): string {
  const stats = statSync(path);
  if (stats.isFile() && stats.size > maxYamlBytes) {
    throw new Error(`${path} is larger than ${maxYamlBytes} bytes`);
  }
  if (!stats.isFile() && !stats.isFIFO() && !stats.isDirectory()) {
    throw new Error(`${path} is not a regular file`);
  }
  const bytes = readFileSync(path);
  if (!isUtf8(bytes)) throw new Error(`${path} is not UTF-8 text: save it as UTF-8`);
  return bytes.toString("utf8");
}

interface NamedSource {
  readonly uri: string;
  /** Shown in errors; never the content of a `yaml:` URI. */
  readonly name: string;
}

function sourcesOf(options: LoadOptions, errors: Problem[]): NamedSource[] {
  const sources = options.configs.map(nameConfig);
  if (sources.length === 0) {
    errors.push({
      stage: "resolve",
      message: "at least one config flag must be provided",
      path: [],
      hint: "for example: --config pipelines.yaml",
    });
  }
  for (const text of options.sets) {
    const equals = text.indexOf("=");
    if (equals < 0) {
      const message = `missing equal sign for set flag ${JSON.stringify(text)}`;
      errors.push({ stage: "resolve", message, path: [], hint: "write --set a.b=value" });
      continue;
    }
    const key = text.slice(0, equals).trim();
    const value = text.slice(equals + 1).trim();
    sources.push({ uri: `yaml:${key.replaceAll(".", "::")}: ${value}`, name: `--set ${key}` });
  }
  return sources;
}

/** No scheme, or a drive letter, means a file. */
function nameConfig(config: string, index: number): NamedSource {
  if (/^[A-Za-z]:/u.test(config) || !config.includes(":")) {
    return { uri: `file:${config}`, name: config };
  }
  if (config.startsWith("yaml:")) return { uri: config, name: `--config yaml: (${index + 1})` };
  if (config.startsWith("file:")) return { uri: config, name: config.slice("file:".length) };
  return { uri: config, name: config.replace(/:-.*/su, ":-…") };
}

const startOf = (name: string): Position => ({
  source: new Source(name, ""),
  line: 1,
  column: 1,
  endLine: 1,
  endColumn: 2,
});

function readSource(
  expander: Expander,
  uri: string,
  at: Position,
  errors: Problem[],
): MapNode | undefined {
  let node: ConfigNode;
  try {
    node = expander.retrieveSource(uri, at);
  } catch (error) {
    if (!(error instanceof ExpansionError)) throw error;
    const message = `cannot retrieve the configuration: ${error.message}`;
    const own: Problem = { stage: "resolve", message, path: [] };
    errors.push(...(error.inside.length > 0 ? error.inside : [own]));
    return undefined;
  }
  if (isNull(node)) return mapNode(new Map(), at);
  if (node.kind === "map") return splitKeys(node);
  errors.push({
    stage: "resolve",
    message: `cannot retrieve the configuration: retrieved value (type=${typeName(node)}) cannot be used as a Conf`,
    path: [],
    at: node.at,
    hint: "A configuration is a map with the keys receivers, processors, exporters and service.",
  });
  return undefined;
}
