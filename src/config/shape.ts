/** Reading zod schemas: what a field is below its wrappers, and what Go calls it. */
import { type FieldMeta, fieldMeta, type z } from "./fields.ts";

type Schema = z.core.$ZodType;

/** The parts of a zod definition that are read here; which are present depends on `type`. */
export interface SchemaDef {
  readonly type: string;
  readonly format?: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly out?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly catchall?: Schema;
  readonly element?: Schema;
  readonly keyType?: Schema;
  readonly valueType?: Schema;
  readonly options?: readonly Schema[];
  readonly discriminator?: string;
  readonly items?: readonly Schema[];
  readonly entries?: Readonly<Record<string, string | number>>;
  readonly values?: readonly unknown[];
  readonly getter?: () => Schema;
  readonly checks?: readonly Schema[];
}

/** Checks have their definition only under this name, which is zod's for library authors. */
// oxlint-disable-next-line no-underscore-dangle
export const defOf = ({ _zod: { def } }: Schema) => def as unknown as SchemaDef;

export interface Field {
  /** The schema below optional, default, nullable, transform. */
  readonly core: Schema;
  readonly def: SchemaDef;
  readonly meta: FieldMeta;
  /** May be absent, and then stays undefined. */
  readonly optional: boolean;
  /** Absent is replaced by something; for sections (`prefault({})`) it is parsed too. */
  readonly hasDefault: boolean;
  readonly prefault: boolean;
  readonly nullable: boolean;
  /** It has checks or transforms of its own (`superRefine`), so an issue at its path may be its own. */
  readonly checksItself: boolean;
}

const wrappers = new Set([
  "optional",
  "default",
  "prefault",
  "nullable",
  "readonly",
  "catch",
  "nonoptional",
]);

const fields = new WeakMap<Schema, Field>();

/** What a schema is below its wrappers. */
export function fieldOf(schema: Schema): Field {
  let field = fields.get(schema);
  if (field === undefined) {
    field = unwrap(schema);
    fields.set(schema, field);
  }
  return field;
}

function unwrap(schema: Schema): Field {
  let core = schema;
  let meta: FieldMeta = {};
  const seen = new Set<string>();
  let checksItself = false;
  for (;;) {
    meta = { ...fieldMeta(core), ...meta };
    const def = defOf(core);
    const inner = innerOf(def);
    checksItself ||= def.type === "pipe" || (def.checks ?? []).some(isCustom);
    if (inner === undefined) {
      const hasDefault = seen.has("default") || seen.has("prefault") || seen.has("catch");
      return {
        core,
        def,
        meta,
        hasDefault,
        prefault: seen.has("prefault"),
        optional: seen.has("optional") && !hasDefault,
        nullable: seen.has("nullable"),
        // The transforms of durations and secrets say nothing else.
        checksItself: checksItself && meta.duration !== true && meta.secret !== true,
      };
    }
    seen.add(def.type);
    core = inner;
  }
}

const isCustom = (check: Schema) => (defOf(check) as { check?: string }).check === "custom";

/** The schema that reads the input, below one wrapper. */
export function innerOf(def: SchemaDef): Schema | undefined {
  if (wrappers.has(def.type)) return def.innerType;
  if (def.type === "lazy") return def.getter!();
  if (def.type !== "pipe") return undefined;
  // A preprocess step takes anything; what it makes is read by the schema behind it.
  return defOf(def.in!).type === "transform" ? def.out : def.in;
}

/** Whether an object takes keys that it does not name. */
export const isOpen = (def: SchemaDef) =>
  def.catchall !== undefined && defOf(def.catchall).type !== "never";

/** The type's name as Go prints it in errors. */
export function goType(field: Field): string {
  if (field.meta.duration === true) return "time.Duration";
  switch (field.def.type) {
    case "boolean":
      return "bool";
    case "number":
      if (field.def.format === undefined) return "float64";
      return isUnsigned(field) ? "uint32" : "int";
    case "array":
      return "[]interface {}";
    case "object":
    case "record":
      return "map[string]interface {}";
    case "union":
      return field.def.options!.map((option) => goType(fieldOf(option))).join("' or '");
    default:
      return "string";
  }
}

/** Whether a whole number has the lower bound 0 (`uint()`). */
export function isUnsigned(field: Field): boolean {
  return (field.def.checks ?? []).some((check) => {
    const def = defOf(check) as { check?: string; value?: unknown; inclusive?: boolean };
    return def.check === "greater_than" && def.value === 0 && def.inclusive === true;
  });
}

/** The keys an object has, with the `enabled` that its flavour adds. */
export function keysOf(field: Field): string[] {
  const keys = Object.keys(field.def.shape ?? {});
  if (hasEnabled(field) && !keys.includes("enabled")) keys.push("enabled");
  return keys;
}

/** Flavours default and some understand `enabled` without naming it. */
export const hasEnabled = (field: Field) =>
  (field.meta.section === "default" || field.meta.section === "some") &&
  field.def.shape?.["enabled"] === undefined;
