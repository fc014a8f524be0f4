/**
 * From the tree to a value of a zod schema, as the Collector decodes into its Go structs: null bodies, the
 * flavours of optional sections, text behind `${…}`, "a,b" for a list. Types and keys are checked here, with
 * the Collector's texts; everything else (ranges, cross checks) by zod.
 */
import { formatDuration, type z } from "./fields.ts";
import { findKey, fits, isTextual, mismatchHint, missingSpaceHint, zeroOf } from "./fit.ts";
import type { Notice, Problem } from "./problems.ts";
import { type Field, fieldOf, goType, hasEnabled, isOpen, isUnsigned, keysOf } from "./shape.ts";
import type { Position } from "./source.ts";
import { hintFor } from "./suggest.ts";
import {
  type ConfigNode,
  isNull,
  kindName,
  type MapNode,
  mapNode,
  positionOf,
  scalarNode,
  toPlain,
  typeName,
} from "./tree.ts";
import { zodProblems } from "./zod-problems.ts";

type Schema = z.core.$ZodType;
type Path = readonly (string | number)[];

/** A mistake in a value; `message` begins with the field's path in quotes where the Collector's does. */
export type Issue = Problem;

export interface Decoded {
  /** Absent when there are issues. */
  readonly value?: unknown;
  readonly issues: readonly Issue[];
  readonly notices: readonly Notice[];
  /** Nodes that must not be shown. */
  readonly secrets: ReadonlySet<ConfigNode>;
}

/**
 * Decodes one section.
 *
 * @param path Where the section stands in the whole configuration (`exporters`, `otlp_grpc/eu`).
 * @param keyAt Position of its key: for what is missing in it.
 */
export function decode(
  schema: z.ZodType,
  node: ConfigNode | undefined,
  path: readonly string[],
  keyAt?: Position,
): Decoded {
  const at = keyAt ?? node?.at;
  if (at === undefined) throw new Error("BUG: decode needs a node or a position");
  const root = node === undefined || isNull(node) ? scalarNode(null, at, node?.original) : node;
  const walker = new Walker(path, root, at);
  const input = walker.walk(schema, root, []);
  const { issues, notices, secrets } = walker;
  const parsed = zodProblems(schema, input === absent ? {} : input, walker);
  issues.push(...parsed.issues);
  if (issues.length > 0) return { issues, notices, secrets };
  return { value: parsed.value, issues, notices, secrets };
}

/** Stands for "not given": the schema's default applies. */
const absent = undefined;

/** Walks schema and tree together. */
export class Walker {
  readonly issues: Issue[] = [];
  readonly notices: Notice[] = [];
  readonly secrets = new Set<ConfigNode>();
  /** Values that were taken out because they are wrong; what zod says about them is no news. */
  readonly removed: Path[] = [];
  readonly base: readonly string[];
  readonly root: ConfigNode;
  readonly start: Position;

  constructor(base: readonly string[], root: ConfigNode, start: Position) {
    this.base = base;
    this.root = root;
    this.start = start;
  }

  walk(schema: Schema, node: ConfigNode, path: Path): unknown {
    if (node.kind === "scalar" && node.broken === true) {
      this.removed.push(path);
      return absent;
    }
    const field = fieldOf(schema);
    if (field.meta.secret === true) this.#hide(node);
    return this.#byType(field, node, path);
  }

  #byType(field: Field, node: ConfigNode, path: Path): unknown {
    switch (field.def.type) {
      case "object":
        return this.#section(field, node, path);
      case "record":
      case "map":
        return this.#record(field, node, path);
      case "array":
        return this.#list(field, node, path);
      case "tuple":
        return this.#tuple(field, node, path);
      case "union":
        return this.#union(field, node, path);
      case "string":
      case "enum":
      case "literal":
      case "template_literal":
        return this.#text(field, node, path);
      case "number":
      case "int":
      case "boolean":
        return this.#scalar(field, node, path);
      default:
        this.#show(node);
        return toPlain(node);
    }
  }

  /** A problem with the field at a path below the decoded section. */
  issue(path: Path, message: string, hint?: string, at?: Position): void {
    this.issues.push({
      stage: "decode",
      message: `'${dotted(path)}' ${message}`,
      path: [...this.base, ...path.map(String)],
      at: at ?? positionOf(this.root, path, this.start),
      hint,
    });
  }

  #reject(path: Path, message: string, hint?: string): undefined {
    this.removed.push(path);
    this.issue(path, message, hint);
    return absent;
  }

  #mismatch(field: Field, node: ConfigNode, path: Path): undefined {
    return this.#reject(
      path,
      `expected type '${goType(field)}', got unconvertible type '${typeName(node)}'`,
      mismatchHint(field, node),
    );
  }

  #section(field: Field, node: ConfigNode, path: Path): unknown {
    if (isNull(node)) {
      const { section } = field.meta;
      if (section === "none" || (section === undefined && field.optional)) return absent;
      return this.#keys(field, mapNode(new Map(), node.at), path);
    }
    if (node.kind !== "map") {
      const message = `expected a map or struct, got ${JSON.stringify(kindName(node))}`;
      return this.#reject(path, message, missingSpaceHint(node, keysOf(field)));
    }
    if (hasEnabled(field) && node.entries.has("enabled")) return this.#switched(field, node, path);
    return this.#keys(field, node, path);
  }

  /** A section with `enabled:`; what is switched off is checked nevertheless, but for its cross checks. */
  #switched(field: Field, node: MapNode, path: Path): unknown {
    const { keyAt, value } = node.entries.get("enabled")!;
    const rest = new Map(node.entries);
    rest.delete("enabled");
    this.#show(value);
    const on = value.kind === "scalar" ? value.value : undefined;
    if (typeof on !== "boolean" && !isNull(value)) {
      const got = typeName(value);
      this.issue(
        [...path, "enabled"],
        `expected type 'bool', got unconvertible type '${got}'`,
        undefined,
        keyAt,
      );
    }
    const input = this.#keys(field, mapNode(rest, node.at), path);
    return on === false ? absent : input;
  }

  #keys(field: Field, node: MapNode, path: Path): Record<string, unknown> {
    const shape = field.def.shape!;
    const input: Record<string, unknown> = {};
    for (const [key, { keyAt, value }] of node.entries) {
      if (Object.hasOwn(shape, key)) continue;
      if (isOpen(field.def)) input[key] = this.walk(field.def.catchall!, value, [...path, key]);
      else this.#unknownKey(field, key, keyAt, path);
    }
    for (const [key, schema] of Object.entries(shape)) {
      const value = this.#key(schema, node, key, path);
      if (value !== absent) input[key] = value;
    }
    return input;
  }

  #key(schema: Schema, node: MapNode, key: string, path: Path): unknown {
    const entry = node.entries.get(key);
    const field = fieldOf(schema);
    const here = [...path, key];
    if (entry === undefined) {
      // Sections that are on by default are walked too: they may hold such sections themselves.
      const on = field.def.type === "object" && (field.meta.section === "some" || field.prefault);
      return on ? this.#keys(field, mapNode(new Map(), node.at), here) : absent;
    }
    const { effect, reason = "" } = field.meta;
    if (effect === "refused") {
      if (isNull(entry.value) || isOff(entry.value)) return absent;
      return this.#reject(here, `is not supported: ${reason}`);
    }
    if (effect === "accepted") {
      this.#notice("warn", here, `${key} has no effect: ${reason}`, entry.keyAt);
    }
    return this.walk(schema, entry.value, here);
  }

  #unknownKey(field: Field, key: string, keyAt: Position, path: Path): void {
    const keys = keysOf(field);
    const elsewhere = findKey(field, key);
    const hint =
      elsewhere === undefined
        ? hintFor(key, keys, "keys")
        : `${JSON.stringify(key)} belongs into ${[...path, ...elsewhere].join("::")}: check the indentation`;
    this.issues.push({
      stage: "decode",
      message: `'${dotted(path)}' has invalid keys: ${key}`,
      path: [...this.base, ...path.map(String), key],
      at: keyAt,
      hint,
    });
  }

  #record(field: Field, node: ConfigNode, path: Path): unknown {
    if (isNull(node)) return absent;
    if (node.kind !== "map") {
      return this.#reject(path, `expected a map, got '${kindName(node)}'`);
    }
    const input: Record<string, unknown> = {};
    for (const [key, { value }] of node.entries) {
      const element = this.#element(field.def.valueType!, value, [...path, key]);
      if (element !== absent) input[key] = element;
    }
    return input;
  }

  #list(field: Field, node: ConfigNode, path: Path): unknown {
    if (isNull(node)) return absent;
    const element = field.def.element!;
    if (node.kind === "scalar" && typeof node.value === "string") {
      const pieces = node.value === "" ? [] : node.value.split(",");
      return pieces.map((piece) => this.walk(element, scalarNode(piece, node.at), path));
    }
    if (node.kind !== "list") {
      return this.#reject(path, `source data must be an array or slice, got ${kindName(node)}`);
    }
    return node.items.map((item, index) => this.#element(element, item, [...path, index]));
  }

  #tuple(field: Field, node: ConfigNode, path: Path): unknown {
    if (isNull(node)) return absent;
    if (node.kind !== "list") {
      return this.#reject(path, `source data must be an array or slice, got ${kindName(node)}`);
    }
    return node.items.map((item, index) => {
      const schema = field.def.items?.[index];
      return schema === undefined ? toPlain(item) : this.#element(schema, item, [...path, index]);
    });
  }

  /** A member of a list or map; a null there is the zero value of its type. */
  #element(schema: Schema, node: ConfigNode, path: Path): unknown {
    const field = fieldOf(schema);
    if (!isNull(node) || node.original !== undefined) return this.walk(schema, node, path);
    if (field.nullable) return null;
    if (field.def.type === "object") return this.#keys(field, mapNode(new Map(), node.at), path);
    return field.optional ? absent : zeroOf(field);
  }

  /** The option that fits the kind of value; of several maps, the one that leaves the fewest complaints. */
  #union(field: Field, node: ConfigNode, path: Path): unknown {
    if (field.meta.duration === true) return this.#duration(field, node, path);
    if (isNull(node) && field.nullable) return null;
    if (isNull(node) && node.original === undefined) return absent;
    const all = field.def.options!;
    const exact = all.filter((option) => fits(fieldOf(option), node));
    // What is no exact match may still be meant as the text behind a `${…}`.
    const textual = (option: Schema) => node.original !== undefined && isTextual(fieldOf(option));
    const options = exact.length > 0 ? exact : all.filter(textual);
    if (options.length === 0) return this.#mismatch(field, node, path);
    let best: Walker | undefined;
    let bestInput: unknown;
    for (const option of options) {
      const attempt = new Walker(this.base, this.root, this.start);
      const input = attempt.walk(option, node, path);
      if (best === undefined || attempt.issues.length < best.issues.length) {
        best = attempt;
        bestInput = input;
      }
      if (best.issues.length === 0) break;
    }
    this.#adopt(best!);
    return bestInput;
  }

  #adopt(other: Walker): void {
    this.issues.push(...other.issues);
    this.notices.push(...other.notices);
    this.removed.push(...other.removed);
    for (const secret of other.secrets) this.secrets.add(secret);
  }

  #duration(field: Field, node: ConfigNode, path: Path): unknown {
    this.#show(node);
    if (isNull(node)) return node.original === undefined ? absent : 0;
    const value = node.kind === "scalar" ? node.value : undefined;
    if (typeof value === "string") return value;
    if (typeof value !== "number") return this.#mismatch(field, node, path);
    if (value !== 0) {
      const meant = formatDuration(value / 1e6);
      const text = `a duration without a unit is in nanoseconds: ${value} means ${meant}; write for example ${value}s`;
      this.#notice("warn", path, text, positionOf(this.root, path, this.start));
    }
    return value;
  }

  #text(field: Field, node: ConfigNode, path: Path): unknown {
    this.#show(node);
    if (node.original !== undefined) {
      return isNull(node) && field.optional ? absent : node.original;
    }
    if (isNull(node)) return field.nullable ? null : absent;
    if (node.kind === "scalar" && typeof node.value === "string") return node.value;
    const values = field.def.type === "literal" ? (field.def.values ?? []) : [];
    if (node.kind === "scalar" && values.includes(node.value)) return node.value;
    return this.#mismatch(field, node, path);
  }

  #scalar(field: Field, node: ConfigNode, path: Path): unknown {
    this.#show(node);
    if (isNull(node)) {
      if (field.nullable) return null;
      return node.original === undefined || field.optional ? absent : zeroOf(field);
    }
    const value = node.kind === "scalar" ? node.value : undefined;
    if (field.def.type === "boolean") {
      return typeof value === "boolean" ? value : this.#mismatch(field, node, path);
    }
    if (typeof value === "bigint") {
      return this.#reject(path, `cannot parse value as '${goType(field)}': ${value} overflows int`);
    }
    if (typeof value !== "number") return this.#mismatch(field, node, path);
    if (field.def.format !== undefined && !Number.isInteger(value)) {
      return this.#mismatch(field, node, path);
    }
    if (value < 0 && isUnsigned(field) && field.def.format !== undefined) {
      return this.#reject(
        path,
        `cannot parse value as '${goType(field)}': ${value} overflows uint`,
      );
    }
    return value;
  }

  #notice(level: Notice["level"], path: Path, message: string, at: Position): void {
    const full = [...this.base, ...path.map(String)];
    this.notices.push({ level, message: `${full.join("::")}: ${message}`, path: full, at });
  }

  #hide(node: ConfigNode): void {
    this.secrets.add(node);
    node.at.source.hide(node.at);
    if (node.kind === "list") for (const item of node.items) this.#hide(item);
    if (node.kind === "map") for (const { value } of node.entries.values()) this.#hide(value);
  }

  #show(node: ConfigNode): void {
    node.at.source.reveal(node.at);
    if (node.kind === "list") for (const item of node.items) this.#show(item);
    if (node.kind === "map") for (const { value } of node.entries.values()) this.#show(value);
  }
}

/** `a.b[0].c`, as mapstructure names fields. */
export const dotted = (path: Path) =>
  path
    .map((step, index) =>
      typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`,
    )
    .join("");

const isOff = (node: ConfigNode) => {
  const enabled = node.kind === "map" ? node.entries.get("enabled")?.value : undefined;
  return enabled?.kind === "scalar" && enabled.value === false;
};
