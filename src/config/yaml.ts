/**
 * YAML to the configuration tree, with positions. Every error of the text is reported at once; what could
 * exhaust memory or the stack (size, depth, aliases) is refused with a clear text.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  type ParsedNode,
  parseAllDocuments,
  visit,
  type YAMLError,
  type YAMLMap,
  type YAMLSeq,
  Scalar as YamlScalar,
} from "yaml";
import type { Problem } from "./problems.ts";
import { plainScalar } from "./scalars.ts";
import { type Position, Source, secretKey } from "./source.ts";
import {
  type ConfigNode,
  listNode,
  type MapEntry,
  mapNode,
  type Scalar,
  scalarNode,
} from "./tree.ts";

/** A configuration larger than this is a mistake; the parser needs about 100 times its size. */
export const maxYamlBytes = 1024 * 1024;
const maxDepth = 100;
/** Nodes a text may stand for once its aliases are followed. */
const maxNodes = 100_000;
const maxSyntaxErrors = 20;

const tooDeep = (name: string) => `${name} nests deeper than ${maxDepth} levels`;

export interface ParsedYaml {
  /** Absent when the text has problems. */
  readonly node?: ConfigNode;
  readonly problems: readonly Problem[];
  /** The text is refused for its size, depth or content, and must not be taken for a string instead. */
  readonly refused: boolean;
}

/**
 * Parses the first document of a text.
 *
 * @param at Position of all nodes, for text that stands in no file (an environment variable).
 */
export function parseYaml(text: string, name: string, at?: Position): ParsedYaml {
  const source = new Source(name, text.length > maxYamlBytes ? "" : text);
  const lines = new LineCounter();
  const start: Position = at ?? { source, line: 1, column: 1, endLine: 1, endColumn: 2 };
  if (Buffer.byteLength(text) > maxYamlBytes) {
    return refuse(start, `${name} is larger than ${maxYamlBytes} bytes`);
  }
  const document = parseAllDocuments(text, {
    // Scalars are resolved below, as go-yaml does. Duplicate keys too: the parser's check is quadratic.
    schema: "failsafe",
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "silent",
    lineCounter: lines,
  });
  const first = Array.isArray(document) ? document[0] : undefined;
  if (first === undefined) return { node: scalarNode(null, start), problems: [], refused: false };
  return new Builder(source, lines, at).build(first);
}

function refuse(at: Position, message: string): ParsedYaml {
  const problem: Problem = { stage: "resolve", message, path: [], at };
  return { problems: [problem], refused: true };
}

/** Thrown by the builder where going on makes no sense; turned into a refusal. */
class Refusal extends Error {
  readonly at: Position;
  constructor(message: string, at: Position) {
    super(message);
    this.at = at;
  }
}

class Builder {
  readonly #source: Source;
  readonly #lines: LineCounter;
  readonly #fixed: Position | undefined;
  readonly #anchors = new Map<string, ConfigNode>();
  readonly #problems: Problem[] = [];

  constructor(source: Source, lines: LineCounter, fixed: Position | undefined) {
    this.#source = source;
    this.#lines = lines;
    this.#fixed = fixed;
  }

  build(document: Document.Parsed): ParsedYaml {
    // One mistake makes the parser stumble several times in a line; the first is the one to mend.
    const lines = new Set<number>();
    for (const error of document.errors) {
      // What does not fit in any more behind a mistake is no mistake of its own.
      if (error.code === "UNEXPECTED_TOKEN" && lines.size > 0) continue;
      const from = openedAt(document, error) ?? error.pos[0];
      const at = this.#position(from, Math.max(from + 1, error.pos[1]));
      // The parser recurses; it says so when the stack does not suffice.
      if (error.code === "RESOURCE_EXHAUSTION") return refuse(at, tooDeep(this.#source.name));
      if (!lines.has(at.line) && lines.size < maxSyntaxErrors) this.#syntax(error, at);
      lines.add(at.line);
    }
    if (this.#problems.length > 0) return { problems: this.#problems, refused: false };
    try {
      const node = this.#node(document.contents, 0);
      if (this.#problems.length > 0) return { problems: this.#problems, refused: false };
      this.#source.markComplete();
      return { node, problems: [], refused: false };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return refuse(error.at, error.message);
    }
  }

  #syntax(error: YAMLError, at: Position): void {
    this.#problem(error.message, at, syntaxHint(error));
  }

  #problem(message: string, at: Position, hint?: string): void {
    const text = `yaml: line ${at.line}: ${message}`;
    this.#problems.push({ stage: "syntax", message: text, path: [], at, hint });
  }

  #position(from: number, to: number): Position {
    if (this.#fixed !== undefined) return this.#fixed;
    const start = this.#lines.linePos(from);
    const end = this.#lines.linePos(Math.max(to, from + 1));
    return {
      source: this.#source,
      line: Math.max(start.line, 1),
      column: Math.max(start.col, 1),
      endLine: Math.max(end.line, 1),
      endColumn: Math.max(end.col, 1),
    };
  }

  #range(node: { range?: readonly [number, number, number] | null | undefined }): Position {
    const [from, to] = node.range ?? [0, 0];
    return this.#position(from, to);
  }

  #node(node: unknown, depth: number): ConfigNode {
    if (depth > maxDepth) {
      const at = this.#range(node as ParsedNode);
      throw new Refusal(tooDeep(this.#source.name), at);
    }
    if (isAlias(node)) return this.#alias(node);
    const built = this.#build(node, depth);
    if (built.weight > maxNodes) {
      const message = `${this.#source.name} stands for more than ${maxNodes} values (excessive aliasing)`;
      throw new Refusal(message, built.at);
    }
    const anchor = (node as { anchor?: string } | null)?.anchor;
    if (anchor !== undefined) this.#anchors.set(anchor, built);
    return built;
  }

  #build(node: unknown, depth: number): ConfigNode {
    if (isMap(node)) return this.#map(node, depth);
    if (isSeq(node)) return this.#list(node, depth);
    if (isScalar(node)) return this.#scalar(node);
    return scalarNode(null, this.#position(0, 0));
  }

  #alias(alias: Alias): ConfigNode {
    const at = this.#range(alias);
    const target = this.#anchors.get(alias.source);
    if (target !== undefined) return target;
    // An unquoted password may begin with the asterisk.
    const secret = secretKey.test(this.#source.lines[at.line - 1] ?? "");
    const name = secret ? "" : ` '${alias.source}'`;
    this.#problem(
      `unknown anchor${name} referenced`,
      at,
      "Quote a text that begins with an asterisk.",
    );
    return scalarNode(null, at);
  }

  #scalar(node: YamlScalar): ConfigNode {
    const at = this.#range(node);
    // Nothing written (`key:`) is nothing to hide.
    const written =
      node.range !== null && node.range !== undefined && node.range[1] > node.range[0];
    if (this.#fixed === undefined && written) this.#source.addValue(at);
    return scalarNode(readScalar(node), at);
  }

  #list(node: YAMLSeq, depth: number): ConfigNode {
    const items = node.items.map((item) => this.#node(item, depth + 1));
    return listNode(items, this.#range(node));
  }

  #map(node: YAMLMap, depth: number): ConfigNode {
    const entries = new Map<string, MapEntry>();
    const merged: ConfigNode[] = [];
    for (const pair of node.items) {
      const keyAt = this.#keyPosition(pair, node);
      const key = this.#key(pair, keyAt);
      if (key === undefined) continue;
      const value = isPresent(pair.value)
        ? this.#node(pair.value, depth + 1)
        : scalarNode(null, keyAt);
      if (key === "<<" && isPlain(pair.key)) {
        merged.push(...this.#mergeSources(value, keyAt));
        continue;
      }
      const earlier = entries.get(key);
      if (earlier !== undefined) {
        const line = earlier.keyAt.line;
        this.#problem(`mapping key ${JSON.stringify(key)} already defined at line ${line}`, keyAt);
      }
      entries.set(key, { keyAt, value });
    }
    // A map's own keys win over merged ones, and earlier merged maps over later ones.
    for (const source of merged) {
      if (source.kind !== "map") continue;
      for (const [key, entry] of source.entries) if (!entries.has(key)) entries.set(key, entry);
    }
    return mapNode(entries, this.#range(node));
  }

  #keyPosition(pair: Pair, map: YAMLMap): Position {
    const key = pair.key as ParsedNode | null;
    return key?.range === undefined || key.range === null ? this.#range(map) : this.#range(key);
  }

  #key(pair: Pair, at: Position): string | undefined {
    const key = isAlias(pair.key) ? undefined : pair.key;
    if (!isScalar(key)) {
      this.#problem("a key must be a plain text", at);
      return undefined;
    }
    const text = textOf(key);
    if (text === "__proto__") throw new Refusal(`the key "__proto__" is not allowed`, at);
    return text;
  }

  #mergeSources(value: ConfigNode, at: Position): readonly ConfigNode[] {
    const sources = value.kind === "list" ? value.items : [value];
    if (!sources.every((source) => source.kind === "map")) {
      this.#problem("map merge requires map or sequence of maps as the value", at);
    }
    return sources;
  }
}

/** With the failsafe schema every scalar is a text. */
const textOf = (node: YamlScalar) => (typeof node.value === "string" ? node.value : "");

const isPresent = (value: unknown) => value !== null && value !== undefined;
const isPlain = (key: unknown) => isScalar(key) && key.type === YamlScalar.PLAIN;

function readScalar(node: YamlScalar): Scalar {
  const text = textOf(node);
  const plain = node.type === undefined || node.type === YamlScalar.PLAIN;
  if (node.tag === undefined || node.tag === "?") return plain ? plainScalar(text) : text;
  if (node.tag.endsWith(":str") || node.tag === "!" || node.tag.endsWith(":binary")) {
    return node.tag.endsWith(":binary") ? Buffer.from(text, "base64").toString("utf8") : text;
  }
  const value = plainScalar(text);
  return node.tag.endsWith(":float") && typeof value === "bigint" ? Number(value) : value;
}

/** Where the quote stands that is never closed: the parser complains at the end of the text. */
function openedAt(document: Document.Parsed, error: YAMLError): number | undefined {
  if (!isUnclosedQuote(error)) return undefined;
  let from: number | undefined;
  visit(document, {
    Scalar(_key, { range, type }) {
      const quoted = type === YamlScalar.QUOTE_DOUBLE || type === YamlScalar.QUOTE_SINGLE;
      if (quoted && range && range[0] < error.pos[0]) from = range[0];
    },
  });
  return from;
}

const isUnclosedQuote = ({ code, message }: YAMLError) =>
  code === "MISSING_CHAR" && message.includes("quote");

const indentation =
  "Check the indentation, and that every `key:` has its colon and a space behind it.";

function syntaxHint(error: YAMLError): string | undefined {
  if (isUnclosedQuote(error)) return "The text that begins here has no closing quote.";
  return syntaxHints[error.code];
}

const syntaxHints: Partial<Record<YAMLError["code"], string>> = {
  TAB_AS_INDENT: "YAML is indented with spaces: replace the tab.",
  BAD_SCALAR_START: "Put the text in quotes.",
  BLOCK_AS_IMPLICIT_KEY: `${indentation} A text that contains ": " needs quotes.`,
  BAD_INDENT: indentation,
  MISSING_CHAR: indentation,
};
