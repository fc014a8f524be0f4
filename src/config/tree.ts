/**
 * The configuration as a tree that knows where everything was written. Values that came from `${…}` keep
 * their text beside the parsed value: a string field gets the text verbatim, any other field the value.
 *
 * Nodes are immutable and may be shared (YAML aliases): change by building new ones.
 */
import type { Position } from "./source.ts";

export type Scalar = string | number | bigint | boolean | null;

interface NodeBase {
  readonly at: Position;
  /** The text behind a value that is one single `${…}`. */
  readonly original?: string | undefined;
  /** Number of nodes below and including this one, to bound what aliases multiply. */
  readonly weight: number;
}

export interface ScalarNode extends NodeBase {
  readonly kind: "scalar";
  readonly value: Scalar;
  /** Stands for a value that could not be expanded; that has been said. */
  readonly broken?: true;
}

export interface ListNode extends NodeBase {
  readonly kind: "list";
  readonly items: readonly ConfigNode[];
}

export interface MapEntry {
  readonly keyAt: Position;
  readonly value: ConfigNode;
}

export interface MapNode extends NodeBase {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export type ConfigNode = ScalarNode | ListNode | MapNode;

export function scalarNode(value: Scalar, at: Position, original?: string): ScalarNode {
  return { kind: "scalar", value, at, original, weight: 1 };
}

export function listNode(items: readonly ConfigNode[], at: Position, original?: string): ListNode {
  let weight = 1;
  for (const item of items) weight += item.weight;
  return { kind: "list", items, at, original, weight };
}

export function mapNode(
  entries: ReadonlyMap<string, MapEntry>,
  at: Position,
  original?: string,
): MapNode {
  let weight = 1;
  for (const entry of entries.values()) weight += entry.value.weight;
  return { kind: "map", entries, at, original, weight };
}

/** What stands for a value that could not be expanded. */
export const brokenNode = (at: Position): ScalarNode => ({ ...scalarNode(null, at), broken: true });

/** The same node with another text behind it. */
export function withOriginal(node: ConfigNode, original: string | undefined): ConfigNode {
  return node.original === original ? node : { ...node, original };
}

export const isNull = (node: ConfigNode | undefined): boolean =>
  node === undefined || (node.kind === "scalar" && node.value === null);

/** The value below a map's key. */
export function child(node: ConfigNode | undefined, key: string): ConfigNode | undefined {
  return node?.kind === "map" ? node.entries.get(key)?.value : undefined;
}

/**
 * The position that says most about a path below a node: of the last key or item that exists; of a missing
 * one, the map it is missing in.
 */
export function positionOf(
  node: ConfigNode,
  path: readonly PropertyKey[],
  start: Position = node.at,
): Position {
  let at = start;
  let current: ConfigNode | undefined = node;
  for (const step of path) {
    if (current?.kind === "map") {
      const entry: MapEntry | undefined = current.entries.get(String(step));
      if (entry === undefined) return at;
      at = entry.keyAt;
      current = entry.value;
    } else if (current?.kind === "list") {
      current = current.items[Number(step)];
      if (current === undefined) return at;
      at = current.at;
    } else {
      return at;
    }
  }
  return at;
}

/** The plain JavaScript value; for fields without a schema of their own. */
export function toPlain(node: ConfigNode): unknown {
  if (node.kind === "scalar") return node.value;
  if (node.kind === "list") return node.items.map(toPlain);
  return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toPlain(entry.value)]));
}

/** The type's name as Go prints it. */
export function typeName(node: ConfigNode): string {
  if (node.kind === "list") return "[]interface {}";
  if (node.kind === "map") return "map[string]interface {}";
  const { value } = node;
  if (value === null) return "nil";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (typeof value === "bigint") return "uint64";
  return typeof value === "boolean" ? "bool" : "string";
}

/** The kind's name as Go prints it (`map`, `slice`). */
export function kindName(node: ConfigNode): string {
  if (node.kind === "list") return "slice";
  return node.kind === "map" ? "map" : typeName(node);
}

/** Text that is equal exactly when two configurations mean the same; the order of map keys is no matter. */
export function canonicalText(node: ConfigNode): string {
  const original = node.original === undefined ? "" : `$${JSON.stringify(node.original)}`;
  if (node.kind === "list") return `${original}[${node.items.map(canonicalText).join(",")}]`;
  if (node.kind === "map") {
    const entries = [...node.entries]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, entry]) => `${JSON.stringify(key)}:${canonicalText(entry.value)}`);
    return `${original}{${entries.join(",")}}`;
  }
  const { value } = node;
  return original + (typeof value === "bigint" ? `${value}n` : JSON.stringify(value));
}
