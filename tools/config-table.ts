/** The configuration table of a component's README, from its zod schema. */
import { z } from "zod";
import { fieldMeta } from "../src/config/fields.ts";

interface TableRow {
  readonly key: string;
  readonly defaultText: string;
  readonly effect: string;
  readonly text: string;
}

/** A Markdown table of all keys, nested ones with dots. */
export function configTable(schema: z.ZodType): string {
  const rows = collect(schema, "");
  if (rows.length === 0) return "No keys.";
  const lines = rows.map(
    ({ key, defaultText, effect, text }) => `| \`${key}\` | ${defaultText} | ${effect} | ${text} |`,
  );
  return ["| key | default | effect | meaning |", "|---|---|---|---|", ...lines].join("\n");
}

function collect(schema: z.core.$ZodType, prefix: string): TableRow[] {
  const inner = unwrap(schema);
  if (!(inner instanceof z.ZodObject)) return [];
  return Object.entries(inner.shape as Record<string, z.core.$ZodType>).flatMap(([name, field]) => {
    const key = prefix === "" ? name : `${prefix}.${name}`;
    const meta = metaOf(field);
    const row = {
      key,
      defaultText: defaultOf(field),
      effect: effectOf(meta),
      text: cell(meta.description ?? meta.reason ?? ""),
    };
    return [row, ...(meta.effect === undefined ? collect(field, key) : [])];
  });
}

/** Metadata of the field and of what it wraps; the outermost description wins. */
function metaOf(schema: z.core.$ZodType): ReturnType<typeof fieldMeta> {
  let merged: ReturnType<typeof fieldMeta> = {};
  for (let s: z.core.$ZodType | undefined = schema; s !== undefined; s = wrapped(s)) {
    merged = { ...fieldMeta(s), ...merged };
  }
  return merged;
}

function effectOf({ effect, reason }: ReturnType<typeof fieldMeta>): string {
  if (effect === "accepted") return `none: ${cell(reason ?? "")}`;
  if (effect === "refused") return `refused: ${cell(reason ?? "")}`;
  return "yes";
}

function wrapped(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const def = schema._zod.def as {
    innerType?: z.core.$ZodType;
    in?: z.core.$ZodType;
    type: string;
  };
  if (def.type === "pipe") return def.in;
  return def.innerType;
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const inner = wrapped(schema);
  return inner === undefined ? schema : unwrap(inner);
}

function defaultOf(schema: z.core.$ZodType): string {
  for (let s: z.core.$ZodType | undefined = schema; s !== undefined; s = wrapped(s)) {
    const def = s._zod.def as { type: string; defaultValue?: unknown };
    const isDefault = def.type === "default" || def.type === "prefault";
    if (isDefault && typeof def.defaultValue === "string") return `\`${def.defaultValue || '""'}\``;
    if (isDefault && (typeof def.defaultValue !== "object" || Array.isArray(def.defaultValue)))
      return `\`${JSON.stringify(def.defaultValue)}\``;
    const flavour = fieldMeta(s).section;
    if (flavour !== undefined) return flavour === "some" ? "on" : "off";
  }
  return "";
}

const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
