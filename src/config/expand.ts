/**
 * `${…}` expansion, the Collector's algorithm: find the first `}` and the last `${` before it, replace, repeat.
 * A value that is one single reference takes the parsed content and keeps its text; inside a longer string the
 * text is inserted. `$${` stops an expansion; at the very end every `$$` becomes `$`.
 */
import type { Notice, Problem } from "./problems.ts";
import type { Position } from "./source.ts";
import {
  brokenNode,
  type ConfigNode,
  listNode,
  type MapEntry,
  mapNode,
  scalarNode,
  withOriginal,
} from "./tree.ts";
import { parseYaml } from "./yaml.ts";

/** Where values come from. */
export interface ConfigIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Reads a text file; throws as node:fs does. */
  readonly readFile: (path: string) => string;
}

/** Expansions one after another in one value. */
const maxRounds = 1000;
/** Expansions in a whole configuration, and the longest text: what doubling references run into. */
const maxExpansions = 10_000;
const maxTextLength = 1024 * 1024;

const tooMany = "too many recursive expansions";
const uriPattern = /^([A-Za-z][A-Za-z0-9+.-]+):(.*)$/su;
const envName = /^[a-zA-Z_][a-zA-Z0-9_]*$/u;

/** What a reference stands for. */
interface Retrieved {
  readonly node: ConfigNode;
  readonly text: string;
}

/** A value that cannot be expanded, or a source that cannot be read. */
export class ExpansionError extends Error {
  /** What is wrong inside a text that was read; else the message says it all. */
  readonly inside: readonly Problem[];
  readonly hint: string | undefined;
  constructor(message: string, inside: readonly Problem[] = [], hint?: string) {
    super(message);
    this.inside = inside;
    this.hint = hint;
  }
}

export class Expander {
  readonly problems: Problem[] = [];
  readonly notices: Notice[] = [];
  readonly #io: ConfigIo;
  readonly #noticed = new Set<string>();
  #expansions = 0;

  constructor(io: ConfigIo) {
    this.#io = io;
  }

  /** The tree with everything expanded; problems and notices are collected. */
  expand(node: ConfigNode): ConfigNode {
    return unescape(this.#tree(node, 0, []));
  }

  /** What a source URI such as `file:x` or `yaml:a::b: c` stands for; not yet expanded. Throws. */
  retrieveSource(uri: string, at: Position): ConfigNode {
    return this.#retrieve(uri, at, true).node;
  }

  #tree(node: ConfigNode, round: number, path: readonly string[]): ConfigNode {
    if (node.kind === "list") {
      const items = node.items.map((item, index) =>
        this.#tree(item, round, [...path, String(index)]),
      );
      return listNode(items, node.at, node.original);
    }
    if (node.kind === "map") {
      const entries = new Map<string, MapEntry>();
      for (const [key, { keyAt, value }] of node.entries) {
        entries.set(key, { keyAt, value: this.#tree(value, round, [...path, key]) });
      }
      return mapNode(entries, node.at, node.original);
    }
    if (typeof node.value !== "string") return node;
    try {
      return this.#string(node.value, node.at, round, path);
    } catch (error) {
      if (!(error instanceof ExpansionError)) throw error;
      const { message, hint } = error;
      const own: Problem = { stage: "resolve", message, path, at: node.at, hint };
      this.problems.push(...(error.inside.length > 0 ? error.inside : [own]));
      return brokenNode(node.at);
    }
  }

  /** Expands one string until nothing is left to expand. */
  #string(start: string, at: Position, firstRound: number, path: readonly string[]): ConfigNode {
    let text = start;
    for (let round = firstRound; ; round++) {
      const reference = findReference(text);
      if (reference === undefined) return scalarNode(text, at);
      this.#countExpansion(round);
      const retrieved = this.#retrieve(locationOf(reference), at, false);
      if (reference !== text) {
        text = text.replaceAll(reference, () => retrieved.text);
        if (text.length > maxTextLength) throw new ExpansionError(tooMany);
        continue;
      }
      const { node } = retrieved;
      if (node.kind === "scalar" && typeof node.value === "string") {
        text = node.value;
        continue;
      }
      const original = this.#original(retrieved.text, at, round + 1);
      return withOriginal(this.#tree(node, round + 1, path), original);
    }
  }

  /** The text behind a value, itself expanded; undefined where that is impossible (as in a comment). */
  #original(text: string, at: Position, round: number): string | undefined {
    try {
      const node = this.#string(text, at, round, []);
      return node.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
    } catch (error) {
      if (error instanceof ExpansionError && error.message !== tooMany) return undefined;
      throw error;
    }
  }

  #countExpansion(round: number): void {
    if (round >= maxRounds || ++this.#expansions > maxExpansions) throw new ExpansionError(tooMany);
  }

  #retrieve(uri: string, at: Position, source: boolean): Retrieved {
    const match = uriPattern.exec(uri);
    if (match === null) {
      const shown = JSON.stringify(withoutDefault(uri));
      throw new ExpansionError(`invalid uri: ${shown}`, [], shellHint(uri));
    }
    const [, scheme, value] = match as unknown as [string, string, string];
    if (!source && value.includes("$")) {
      const shown = JSON.stringify(withoutDefault(uri));
      throw new ExpansionError(`the uri ${shown} contains unsupported characters ('$')`);
    }
    switch (scheme) {
      case "env":
        return this.#parse(this.#readEnv(value, at), `env:${value.split(":-")[0]}`, at, source);
      case "file":
        return this.#parseFile(value, at, source);
      case "yaml":
        return this.#parse(value, source ? at.source.name : "yaml:…", at, source);
      default:
        throw new ExpansionError(unsupportedScheme(scheme, uri), [], shellHint(uri));
    }
  }

  /** The text of a variable; "" (which is null as YAML) when it is not set. */
  #readEnv(reference: string, at: Position): string {
    const separator = reference.indexOf(":-");
    const name = separator < 0 ? reference : reference.slice(0, separator);
    if (!envName.test(name)) {
      throw new ExpansionError(
        `environment variable ${JSON.stringify(name)} has invalid name: must match regex ${envName.source}`,
        [],
        groupHint(name),
      );
    }
    const value = Object.hasOwn(this.#io.env, name) ? this.#io.env[name] : undefined;
    if (value === undefined && separator >= 0) return reference.slice(separator + 2);
    if (value === undefined) {
      const hint = `Configuration references unset environment variable ${name}`;
      this.#notice({ level: "warn", message: hint, at });
    } else if (value === "") {
      const hint = `Configuration references empty environment variable ${name}`;
      this.#notice({ level: "info", message: hint, at });
    }
    return value ?? "";
  }

  #notice(notice: Notice): void {
    if (this.#noticed.has(notice.message)) return;
    this.#noticed.add(notice.message);
    this.notices.push(notice);
  }

  #parseFile(path: string, at: Position, source: boolean): Retrieved {
    let text: string;
    try {
      text = this.#io.readFile(path);
    } catch (error) {
      throw new ExpansionError(
        `unable to read the file file:${path}: ${fileError(path, error as NodeJS.ErrnoException)}`,
      );
    }
    // A byte order mark is no part of the text, and the newline that ends a file no part of a value in it.
    const bare = text.replace(/^\u{feff}/u, "");
    const parsed = parseYaml(bare, path);
    if (parsed.node !== undefined && (source || parsed.node.kind !== "scalar")) {
      return { node: parsed.node, text: bare };
    }
    if (source || parsed.refused) throw inside(parsed.problems);
    return this.#parse(bare.replace(/[\r\n]+$/u, ""), path, at, false);
  }

  #parse(text: string, name: string, at: Position, source: boolean): Retrieved {
    const parsed = parseYaml(text, name, source ? undefined : at);
    if (parsed.refused || (source && parsed.node === undefined)) throw inside(parsed.problems);
    const { node } = parsed;
    // What is no YAML is a string; and a string is taken as it stands, quotes and tags included.
    const isText = node === undefined || (node.kind === "scalar" && typeof node.value === "string");
    return { node: isText ? scalarNode(text, at) : node, text };
  }
}

const inside = (problems: readonly Problem[]) =>
  new ExpansionError(problems.map((problem) => problem.message).join("\n"), problems);

/** The first `${…}` that is to be expanded; one behind an odd run of `$` is not. */
export function findReference(text: string): string | undefined {
  let start = 0;
  for (;;) {
    const close = text.indexOf("}", start);
    if (close < 0) return undefined;
    const open = text.lastIndexOf("${", close);
    if (open >= start) {
      let dollars = 0;
      while (open - dollars > start && text[open - dollars - 1] === "$") dollars++;
      if (dollars % 2 === 0) return text.slice(open, close + 1);
    }
    start = close + 1;
  }
}

/** `${X}` means `${env:X}`. */
function locationOf(reference: string): string {
  const inner = reference.slice(2, -1);
  return inner.includes(":") ? inner : `env:${inner}`;
}

/** A default may be a secret; it is not shown. */
const withoutDefault = (uri: string) => uri.replace(/:-.*/su, ":-…");

/** `${X:-default}` is what a shell understands. */
function shellHint(uri: string): string | undefined {
  const name = /^(\w+):-/u.exec(uri)?.[1];
  if (name === undefined) return undefined;
  return `write \${env:${name}:-…}: only env: references have defaults`;
}

/** `${1}` of a relabel rule looks like a variable. */
function groupHint(name: string): string | undefined {
  if (!/^\d+$/u.test(name)) return undefined;
  return `write $\${${name}} for a group of a regex: \${…} is expanded before the component sees it`;
}

function unsupportedScheme(scheme: string, uri: string): string {
  const shown = withoutDefault(uri)
    .replace(/\/\/[^/@]*@/u, "//…@")
    .replace(/\?.*/su, "?…");
  const remote = scheme === "http" || scheme === "https";
  const why = remote ? ": this version reads no configuration over the network, use a file" : "";
  return `scheme ${JSON.stringify(scheme)} is not supported for uri ${JSON.stringify(shown)}${why}`;
}

const fileErrors: Readonly<Record<string, (path: string) => string>> = {
  ENOENT: (path) => `open ${path}: no such file or directory`,
  EACCES: (path) => `open ${path}: permission denied`,
  EISDIR: (path) => `read ${path}: is a directory`,
  ENOTDIR: (path) => `open ${path}: not a directory`,
};

const fileError = (path: string, error: NodeJS.ErrnoException) =>
  fileErrors[error.code ?? ""]?.(path) ?? error.message;

/** The last step: every `$$` becomes `$`, also in what came from the environment. */
function unescape(node: ConfigNode): ConfigNode {
  const original = node.original?.replaceAll("$$", () => "$");
  if (node.kind === "list") return listNode(node.items.map(unescape), node.at, original);
  if (node.kind === "map") {
    const entries = new Map<string, MapEntry>();
    for (const [key, { keyAt, value }] of node.entries) {
      entries.set(key, { keyAt, value: unescape(value) });
    }
    return mapNode(entries, node.at, original);
  }
  const { value } = node;
  if (node.broken === true) return node;
  return scalarNode(
    typeof value === "string" ? value.replaceAll("$$", () => "$") : value,
    node.at,
    original,
  );
}
