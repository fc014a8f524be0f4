/**
 * The configuration table of a component's README, from its zod schema: one row a key, those of inner sections
 * with their path.
 *
 *     a.b          key b of section a
 *     a[].b        key b of each entry of list a
 *     a.<name>.b   key b of each entry of map a, whatever its name
 */
import { type FieldMeta, fieldMeta, type z } from "../src/config/fields.ts";
import { defOf, fieldOf, innerOf } from "../src/config/shape.ts";

type Schema = z.core.$ZodType;
type Meta = FieldMeta & { description?: string };

/** A key of a configuration, with its path. */
export interface ConfigKey {
  readonly path: string;
  readonly field: Schema;
  readonly meta: Meta;
}

/** A Markdown table of all keys. */
export function configTable(schema: z.ZodType): string {
  const keys = configKeys(schema);
  if (keys.length === 0) return "No keys.";
  const lines = keys.map(
    ({ path, field, meta }) =>
      `| \`${path}\` | ${defaultOf(field)} | ${effectOf(meta)} | ${cell(meta.description ?? "")} |`,
  );
  return ["| key | default | effect | meaning |", "|---|---|---|---|", ...lines].join("\n");
}

/** All keys in the order of the schema; nothing below a key that has no effect or is refused. */
export function configKeys(schema: Schema): ConfigKey[] {
  const keys = new Map<string, ConfigKey>();
  collect(schema, "", keys);
  return [...keys.values()];
}

/** A key that several forms of a union have stands once, as its first form says it. */
function collect(schema: Schema, prefix: string, keys: Map<string, ConfigKey>): void {
  const { def } = fieldOf(schema);
  if (def.element !== undefined) collect(def.element, `${prefix}[]`, keys);
  if (def.valueType !== undefined) collect(def.valueType, joined(prefix, "<name>"), keys);
  for (const option of def.options ?? []) collect(option, prefix, keys);
  for (const [name, field] of Object.entries(def.shape ?? {})) {
    const path = joined(prefix, name);
    const meta = metaOf(field);
    if (!keys.has(path)) keys.set(path, { path, field, meta });
    if (meta.effect === undefined) collect(field, path, keys);
  }
}

const joined = (prefix: string, name: string) => (prefix === "" ? name : `${prefix}.${name}`);

/** Metadata of the field and of what it wraps; the outermost description wins. */
function metaOf(schema: Schema): Meta {
  let merged: Meta = {};
  for (const layer of layersOf(schema)) merged = { ...fieldMeta(layer), ...merged };
  return merged;
}

function effectOf({ effect, reason }: Meta): string {
  if (effect === "accepted") return `none: ${cell(reason ?? "")}`;
  if (effect === "refused") return `refused: ${cell(reason ?? "")}`;
  return "yes";
}

/** The schema and those below its wrappers. */
function layersOf(schema: Schema): Schema[] {
  const inner = innerOf(defOf(schema));
  return inner === undefined ? [schema] : [schema, ...layersOf(inner)];
}

function defaultOf(schema: Schema): string {
  for (const layer of layersOf(schema)) {
    const def = defOf(layer) as { type: string; defaultValue?: unknown };
    const isDefault = def.type === "default" || def.type === "prefault";
    if (isDefault && typeof def.defaultValue === "string") return `\`${def.defaultValue || '""'}\``;
    if (isDefault && (typeof def.defaultValue !== "object" || Array.isArray(def.defaultValue)))
      return `\`${JSON.stringify(def.defaultValue)}\``;
    const flavour = fieldMeta(layer).section;
    if (flavour !== undefined) return flavour === "some" ? "on" : "off";
  }
  return "";
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
