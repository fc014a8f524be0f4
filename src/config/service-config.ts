/** The whole document: from the expanded tree to what the engine builds, with every mistake in one run. */
import {
  type ComponentSections,
  type Findings,
  type ResolvedComponent,
  readComponents,
} from "./components.ts";
import { decode } from "./decode.ts";
import { checkGraph } from "./graph-check.ts";
import type { LoadedConfig } from "./load.ts";
import { PipelineReader, type ResolvedPipeline, type WrittenPipeline } from "./pipelines.ts";
import type { Notice, Problem } from "./problems.ts";
import { kinds, type Registry, sections } from "./registry-contract.ts";
import type { Position } from "./source.ts";
import { hintFor, nearest } from "./suggest.ts";
import { type TelemetryConfig, telemetry } from "./telemetry.ts";
import { type ConfigNode, child, isNull, kindName, type MapNode } from "./tree.ts";

export type { ResolvedComponent, ResolvedPipeline, TelemetryConfig };

/** A configuration without mistakes. */
export interface ResolvedConfig {
  /** By `kind:id`, the id as the user wrote it. */
  readonly components: ReadonlyMap<string, ResolvedComponent>;
  readonly pipelines: readonly ResolvedPipeline[];
  /** In the order of `service::extensions`. */
  readonly extensions: readonly string[];
  readonly telemetry: TelemetryConfig;
  readonly notices: readonly Notice[];
}

export interface Resolution {
  /** Absent when there are problems. */
  readonly config?: ResolvedConfig;
  readonly problems: readonly Problem[];
  readonly notices: readonly Notice[];
  /** Nodes of the tree that must not be shown. */
  readonly secrets: ReadonlySet<ConfigNode>;
}

const topLevelKeys = [...kinds.map((kind) => sections[kind]), "service"];
const serviceKeys = ["telemetry", "extensions", "pipelines"];

/**
 * Checks what was loaded, with the mistakes of loading. The rest is checked too unless what is missing could
 * make everything else look wrong: a file, a whole section or body.
 */
export async function resolveLoaded(loaded: LoadedConfig, registry: Registry): Promise<Resolution> {
  const { root, errors } = loaded;
  if (!errors.every(isInsideBody)) {
    return { problems: errors, notices: [], secrets: new Set() };
  }
  const resolution = await resolveConfig(root, registry);
  const problems = [...errors, ...resolution.problems];
  const { notices, secrets } = resolution;
  return problems.length > 0 ? { problems, notices, secrets } : resolution;
}

const isInsideBody = ({ path: [section, name, ...rest] }: Problem) =>
  rest.length > 0 && (section !== "service" || name === "telemetry");

/** Checks a loaded configuration against the components that exist. */
export async function resolveConfig(root: MapNode, registry: Registry): Promise<Resolution> {
  const findings: Findings = { problems: [], notices: [], secrets: new Set() };
  const misspelt = checkKeys(root, topLevelKeys, [], findings);
  const components = await readComponents(root, registry, findings);
  const service = serviceSection(root, findings);
  const { notices, problems, secrets } = findings;
  const written = service?.entries.get("telemetry");
  const keyAt = written?.keyAt ?? root.at;
  const decoded = decode(telemetry, written?.value, ["service", "telemetry"], keyAt);
  for (const issue of decoded.issues) problems.push(inService(issue));
  notices.push(...decoded.notices);
  for (const secret of decoded.secrets) secrets.add(secret);
  if (isEmpty(root)) {
    problems.push({
      stage: "validate",
      message: "empty configuration file",
      path: [],
      at: root.at,
      hint: "repomind-telemetry init writes one to begin with",
    });
    return { problems, notices, secrets };
  }
  const reader = new PipelineReader(components, registry, findings);
  const pipelines = misspelt.has("service")
    ? []
    : reader.read(child(service, "pipelines"), service?.at ?? root.at);
  const extensions = reader.extensions(child(service, "extensions"));
  checkSections(root, components, misspelt, findings);
  checkGraph(pipelines, components, findings);
  notices.push(...unusedNotices(components, pipelines, extensions));
  if (problems.length > 0) return { problems, notices, secrets };
  const config: ResolvedConfig = {
    components: components.resolved,
    pipelines: pipelines.map(({ id, signal, receivers, processors, exporters }) => ({
      id,
      signal,
      receivers,
      processors,
      exporters,
    })),
    extensions: [...new Set(extensions)],
    telemetry: decoded.value as TelemetryConfig,
    notices,
  };
  return { config, problems, notices, secrets };
}

/** Ids that are all wrong have their own problems. */
const isEmpty = (root: MapNode) =>
  kinds.every((kind) => {
    const node = child(root, sections[kind]);
    return node === undefined || isNull(node) || (node.kind === "map" && node.entries.size === 0);
  });

/** The message names fields below `service`, as the Collector does. */
function inService(issue: Problem): Problem {
  const message =
    issue.stage === "decode"
      ? issue.message.replace(/^'(?!')/u, "'telemetry.").replace(/^''/u, "'telemetry'")
      : issue.message;
  return { ...issue, message, section: "service" };
}

/** The keys that were probably meant by those that are unknown: what is missing then is no news. */
function checkKeys(
  node: MapNode,
  valid: readonly string[],
  path: readonly string[],
  { problems }: Findings,
): ReadonlySet<string> {
  const meant = new Set<string>();
  for (const [key, { keyAt }] of node.entries) {
    if (valid.includes(key)) continue;
    const near = nearest(key, valid);
    if (near !== undefined) meant.add(near);
    problems.push({
      stage: "decode",
      message: `'${path.join(".")}' has invalid keys: ${key}`,
      section: path[0],
      path: [...path, key],
      at: keyAt,
      hint: hintFor(key, valid, "keys"),
    });
  }
  return meant;
}

function serviceSection(root: MapNode, findings: Findings): MapNode | undefined {
  const node = child(root, "service");
  if (node === undefined || isNull(node)) return undefined;
  if (node.kind === "map") {
    checkKeys(node, serviceKeys, ["service"], findings);
    return node;
  }
  const message = `'service' expected a map or struct, got ${JSON.stringify(kindName(node))}`;
  findings.problems.push({
    stage: "decode",
    message,
    section: "service",
    path: ["service"],
    at: node.at,
  });
  return undefined;
}

/** Sections that must not be empty, and ids that are both connector and something else. */
function checkSections(
  root: MapNode,
  components: ComponentSections,
  misspelt: ReadonlySet<string>,
  { problems }: Findings,
): void {
  const declared = [...components.declared.values()];
  for (const kind of ["receiver", "exporter"] as const) {
    if (declared.some((component) => component.kind === kind)) continue;
    if (misspelt.has(sections[kind])) continue;
    // A section whose ids are all wrong has its own problems.
    const section = child(root, sections[kind]);
    if (section?.kind === "map" && section.entries.size > 0) continue;
    const message = `no ${kind} configuration specified in config`;
    problems.push({ stage: "validate", message, path: [], at: root.at });
  }
  for (const { kind, text, keyAt } of declared) {
    if (kind !== "connector") continue;
    for (const other of ["exporter", "receiver"] as const) {
      if (components.declared.has(`${other}:${text}`)) {
        problems.push(ambiguous(text, other, keyAt));
      }
    }
  }
}

function ambiguous(text: string, other: string, at: Position): Problem {
  const id = JSON.stringify(text);
  return {
    stage: "validate",
    message: `connectors::${text}: ambiguous ID: Found both ${id} ${other} and ${id} connector. Change one of the components' IDs to eliminate ambiguity (e.g. rename ${id} connector to ${JSON.stringify(`${text}/connector`)})`,
    path: ["connectors", text],
    at,
  };
}

/** Configured and unused is allowed, but rarely meant. */
function unusedNotices(
  components: ComponentSections,
  pipelines: readonly WrittenPipeline[],
  extensions: readonly string[],
): Notice[] {
  const used = new Set(
    pipelines.flatMap(({ receivers, processors, exporters }) => [
      ...receivers.flatMap((text) => [`receiver:${text}`, `connector:${text}`]),
      ...processors.map((text) => `processor:${text}`),
      ...exporters.flatMap((text) => [`exporter:${text}`, `connector:${text}`]),
    ]),
  );
  for (const text of extensions) used.add(`extension:${text}`);
  return [...components.declared]
    .filter(([key, { factory }]) => factory !== undefined && !used.has(key))
    .map(([, { kind, text, keyAt }]) => ({
      level: "info",
      message: `${kind} ${JSON.stringify(text)} is configured but ${kind === "extension" ? "not named in service::extensions" : "used in no pipeline"}`,
      path: [sections[kind], text],
      at: keyAt,
    }));
}
