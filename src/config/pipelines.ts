/** `service::pipelines` and `service::extensions`: ids, members, references. */
import type { Signal } from "../pdata/payload.ts";
import type { ComponentSections, DeclaredComponent, Findings } from "./components.ts";
import { parseId, parsePipelineId } from "./ids.ts";
import { isCollectorType, missingTypeHint } from "./known-types.ts";
import { type Kind, kinds, type Registry, sections } from "./registry-contract.ts";
import type { Position } from "./source.ts";
import { hintFor, nearest } from "./suggest.ts";
import { type ConfigNode, isNull, kindName, type MapEntry, scalarNode, typeName } from "./tree.ts";

export interface ResolvedPipeline {
  readonly id: string;
  readonly signal: Signal;
  readonly receivers: readonly string[];
  readonly processors: readonly string[];
  readonly exporters: readonly string[];
}

/** A pipeline with the places of its parts. */
export interface WrittenPipeline extends ResolvedPipeline {
  readonly keyAt: Position;
  readonly receiversAt: ReadonlyMap<string, Position>;
  readonly processorsAt: ReadonlyMap<string, Position>;
  readonly exportersAt: ReadonlyMap<string, Position>;
}

interface Reference {
  readonly text: string;
  readonly at: Position;
}

const pipelineKeys = ["receivers", "processors", "exporters"] as const;
type PipelineKey = (typeof pipelineKeys)[number];

const memberKinds: Readonly<Record<PipelineKey, readonly Kind[]>> = {
  receivers: ["receiver", "connector"],
  processors: ["processor"],
  exporters: ["exporter", "connector"],
};

const singular: Readonly<Record<PipelineKey, Kind>> = {
  receivers: "receiver",
  processors: "processor",
  exporters: "exporter",
};

/** The ids of a list, each once. */
const texts = (list: readonly Reference[]) => [...new Set(list.map(({ text }) => text))];

export class PipelineReader {
  readonly #components: ComponentSections;
  readonly #registry: Registry;
  readonly #findings: Findings;

  constructor(components: ComponentSections, registry: Registry, findings: Findings) {
    this.#components = components;
    this.#registry = registry;
    this.#findings = findings;
  }

  /** All pipelines; those whose id is wrong are left out. */
  read(node: ConfigNode | undefined, missingAt: Position): WrittenPipeline[] {
    if (node !== undefined && !isNull(node) && node.kind !== "map") {
      this.#decode(`'pipelines' expected a map, got '${kindName(node)}'`, ["pipelines"], node.at);
      return [];
    }
    const pipelines = new Map<string, WrittenPipeline>();
    for (const [key, entry] of node?.kind === "map" ? node.entries : []) {
      this.#pipeline(key, entry, pipelines);
    }
    if (pipelines.size === 0 && !(node?.kind === "map" && node.entries.size > 0)) {
      const message = "service::pipelines: service must have at least one pipeline";
      this.#validate(message, ["pipelines"], node?.at ?? missingAt);
    }
    return [...pipelines.values()];
  }

  /** `service::extensions`, in order. */
  extensions(node: ConfigNode | undefined): string[] {
    return this.#list(node, ["extensions"]).map(({ text, at }) => {
      if (!this.#components.declared.has(`extension:${text}`)) {
        const message = `service::extensions: references extension ${JSON.stringify(text)} which is not configured`;
        this.#validate(message, ["extensions"], at, this.#referenceHint(text, ["extension"]));
      }
      return text;
    });
  }

  #pipeline(
    key: string,
    { keyAt, value }: MapEntry,
    pipelines: Map<string, WrittenPipeline>,
  ): void {
    const path = ["pipelines", key];
    const id = parsePipelineId(key);
    if ("error" in id) {
      const near = nearest(key.split("/")[0]!.trim(), ["traces", "metrics", "logs"]);
      const hint = near === undefined ? undefined : `did you mean ${JSON.stringify(near)}?`;
      this.#decode(`'pipelines' ${id.error}`, path, keyAt, hint);
      return;
    }
    if (pipelines.has(id.text)) {
      const message = `duplicate name ${JSON.stringify(key)} after unmarshaling ${id.text}`;
      this.#decode(`'pipelines' ${message}`, path, keyAt);
      return;
    }
    const members = this.#members(value, path);
    this.#checkMembers(id.text, members, keyAt);
    pipelines.set(id.text, {
      id: id.text,
      signal: id.signal,
      keyAt,
      receivers: texts(members.receivers),
      processors: texts(members.processors),
      exporters: texts(members.exporters),
      receiversAt: new Map(members.receivers.map(({ text, at }) => [text, at])),
      processorsAt: new Map(members.processors.map(({ text, at }) => [text, at])),
      exportersAt: new Map(members.exporters.map(({ text, at }) => [text, at])),
    });
  }

  #members(node: ConfigNode, path: readonly string[]): Record<PipelineKey, Reference[]> {
    const members: Record<PipelineKey, Reference[]> = {
      receivers: [],
      processors: [],
      exporters: [],
    };
    if (isNull(node)) return members;
    if (node.kind !== "map") {
      const message = `expected a map or struct, got ${JSON.stringify(kindName(node))}`;
      this.#decode(`'${path.join(".")}' ${message}`, path, node.at);
      return members;
    }
    for (const [key, { keyAt, value }] of node.entries) {
      const known = pipelineKeys.find((candidate) => candidate === key);
      if (known !== undefined) members[known] = this.#list(value, [...path, key]);
      else {
        const message = `'${path.join(".")}' has invalid keys: ${key}`;
        this.#decode(message, [...path, key], keyAt, hintFor(key, pipelineKeys, "keys"));
      }
    }
    return members;
  }

  /** A list of ids; "a,b" is one too. */
  #list(node: ConfigNode | undefined, path: readonly string[]): Reference[] {
    if (node === undefined || isNull(node)) return [];
    const name = `'${path.join(".")}'`;
    if (node.kind === "scalar" && typeof node.value === "string") {
      const pieces = node.value === "" ? [] : node.value.split(",");
      return pieces.flatMap((piece) => this.#reference(scalarNode(piece, node.at), name, path));
    }
    if (node.kind !== "list") {
      const message = `source data must be an array or slice, got ${kindName(node)}`;
      this.#decode(`${name} ${message}`, path, node.at);
      return [];
    }
    return node.items.flatMap((item, index) => {
      const list = `'${path.join(".")}[${index}]'`;
      return this.#reference(item, list, path);
    });
  }

  #reference(node: ConfigNode, name: string, path: readonly string[]): Reference[] {
    node.at.source.reveal(node.at);
    const text = node.original ?? (node.kind === "scalar" ? node.value : undefined);
    if (typeof text !== "string") {
      const message = `expected type 'component.ID', got unconvertible type '${typeName(node)}'`;
      this.#decode(`${name} ${message}`, path, node.at);
      return [];
    }
    const id = parseId(text);
    if (!("error" in id)) return [{ text: id.text, at: node.at }];
    this.#decode(`${name} ${id.error}`, path, node.at);
    return [];
  }

  #checkMembers(id: string, members: Record<PipelineKey, Reference[]>, keyAt: Position): void {
    const prefix = `service::pipelines::${id}:`;
    const path = ["pipelines", id];
    if (members.receivers.length === 0) {
      this.#validate(`${prefix} must have at least one receiver`, path, keyAt);
    }
    if (members.exporters.length === 0) {
      this.#validate(`${prefix} must have at least one exporter`, path, keyAt);
    }
    const seen = new Set<string>();
    for (const { text, at } of members.processors) {
      if (seen.has(text)) {
        const message = `references processor ${JSON.stringify(text)} multiple times`;
        this.#validate(`${prefix} ${message}`, [...path, "processors"], at);
      }
      seen.add(text);
    }
    for (const key of pipelineKeys) {
      for (const { text, at } of members[key]) this.#checkReference(prefix, path, key, text, at);
    }
  }

  #checkReference(
    prefix: string,
    path: readonly string[],
    key: PipelineKey,
    text: string,
    at: Position,
  ): void {
    const allowed = memberKinds[key];
    if (allowed.some((kind) => this.#components.declared.has(`${kind}:${text}`))) return;
    const message = `references ${singular[key]} ${JSON.stringify(text)} which is not configured`;
    this.#validate(`${prefix} ${message}`, [...path, key], at, this.#referenceHint(text, allowed));
  }

  #referenceHint(text: string, allowed: readonly Kind[]): string | undefined {
    const declared: DeclaredComponent[] = [...this.#components.declared.values()];
    const other = kinds.find((kind) => this.#components.declared.has(`${kind}:${text}`));
    if (other !== undefined) return `${text} is configured in ${sections[other]}`;
    const candidates = declared.filter(({ kind }) => allowed.includes(kind)).map((c) => c.text);
    if (nearest(text, candidates) !== undefined) return hintFor(text, candidates, "ids");
    const listed =
      candidates.length === 0 ? "" : `; valid ids: ${candidates.toSorted().join(", ")}`;
    return `${this.#howToConfigure(text, allowed)}${listed}`;
  }

  /** What is named and exists, or something like it, only lacks its section. */
  #howToConfigure(text: string, allowed: readonly Kind[]): string {
    const [type = "", ...name] = text.split("/");
    for (const kind of allowed) {
      const types = this.#registry.types(kind).flatMap((row) => [row.type, ...row.aliases]);
      if (!types.includes(type) && isCollectorType(kind, type)) return missingTypeHint(kind, type);
      const near = types.includes(type) ? type : nearest(type, types);
      if (near !== undefined) return `add "${[near, ...name].join("/")}:" to ${sections[kind]}`;
    }
    return `add it to ${sections[allowed[0]!]}`;
  }

  #decode(message: string, path: readonly string[], at: Position, hint?: string): void {
    const full = ["service", ...path];
    this.#findings.problems.push({
      stage: "decode",
      message,
      section: "service",
      path: full,
      at,
      hint,
    });
  }

  #validate(message: string, path: readonly string[], at: Position, hint?: string): void {
    const full = ["service", ...path];
    this.#findings.problems.push({ stage: "validate", message, path: full, at, hint });
  }
}
