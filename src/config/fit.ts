/** Which field a value can be meant for, and what stands in for a missing one. */
import { type Field, fieldOf } from "./shape.ts";
import type { ConfigNode } from "./tree.ts";

/** Go's zero value, which a null from an unset variable becomes. */
export function zeroOf(field: Field): unknown {
  switch (field.def.type) {
    case "number":
    case "int":
      return 0;
    case "boolean":
      return false;
    case "string":
      return "";
    default:
      return field.def.type === "unknown" || field.def.type === "any" ? null : undefined;
  }
}

/** Whether a kind of value can be meant for a schema. */
export function fits(field: Field, node: ConfigNode): boolean {
  const { type } = field.def;
  if (type === "unknown" || type === "any" || type === "custom") return true;
  if (type === "union") return field.def.options!.some((option) => fits(fieldOf(option), node));
  if (node.kind === "map") return type === "object" || type === "record" || type === "map";
  if (node.kind === "list") return type === "array" || type === "tuple";
  const { value } = node;
  if (typeof value === "string") return isTextual(field);
  if (isLiteral(field, value)) return true;
  if (typeof value === "boolean") return type === "boolean";
  return value === null ? type === "null" : type === "number" || type === "int";
}

/** Whether a field takes text. */
export const isTextual = ({ def: { type } }: Field) =>
  type === "string" || type === "enum" || type === "literal";

const isLiteral = (field: Field, value: unknown) => field.def.values?.includes(value) ?? false;

/** What to write instead of a value of another type. */
export function mismatchHint(field: Field, node: ConfigNode): string | undefined {
  if (node.kind !== "scalar") return undefined;
  const { value } = node;
  if (field.def.type === "boolean" && typeof value === "string") {
    return /^(?:yes|no|on|off|y|n)$/iu.test(value) ? "write true or false" : undefined;
  }
  const isPlain = typeof value === "number" || typeof value === "boolean";
  return isTextual(field) && isPlain ? "put it in quotes" : undefined;
}

/** `endpoint:localhost:4318` is a text to YAML. */
export function missingSpaceHint(node: ConfigNode, keys: readonly string[]): string | undefined {
  if (node.kind !== "scalar" || typeof node.value !== "string") return undefined;
  const key = /^(\w+):\S/u.exec(node.value)?.[1];
  if (key === undefined || !keys.includes(key)) return undefined;
  return `a space is missing behind "${key}:"`;
}

/** Where below an object a key exists, for keys that are indented too little; at most two levels down. */
export function findKey(field: Field, key: string, depth = 2): string[] | undefined {
  for (const [name, schema] of Object.entries(field.def.shape ?? {})) {
    const inner = fieldOf(schema);
    if (inner.def.type !== "object" || inner.meta.effect !== undefined) continue;
    if (inner.def.shape?.[key] !== undefined) return [name];
    const below = depth > 1 ? findKey(inner, key, depth - 1) : undefined;
    if (below !== undefined) return [name, ...below];
  }
  return undefined;
}
