type Json = Record<string, unknown>;

const typeOf = (value: unknown): string => {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value;
};

const hasType = (value: unknown, type: string) =>
  type === "integer" ? Number.isInteger(value) : typeOf(value) === type;

const checked = new Set([
  "$schema",
  "title",
  "description",
  "default",
  "deprecated",
  "type",
  "properties",
  "required",
  "additionalProperties",
  "patternProperties",
  "propertyNames",
  "items",
  "pattern",
  "minLength",
  "enum",
  "const",
  "anyOf",
  "oneOf",
  "not",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minProperties",
]);

/** Validates against the keywords of JSON Schema that ours uses; others are an error. */
export function validates(schema: Json, value: unknown): boolean {
  for (const key of Object.keys(schema)) if (!checked.has(key)) throw new Error(`keyword ${key}`);
  if (!validAnywhere(schema, value)) return false;
  if (typeof value === "string") return validString(schema, value);
  if (typeof value === "number") return validNumber(schema, value);
  if (Array.isArray(value)) {
    const items = schema["items"] as Json | undefined;
    return items === undefined || value.every((item) => validates(items, item));
  }
  return typeof value !== "object" || value === null || validObject(schema, value as Json);
}

/** The keywords that apply to values of every type. */
function validAnywhere(schema: Json, value: unknown): boolean {
  const { type, anyOf, oneOf, not } = schema;
  const some = (list: unknown) =>
    list === undefined || (list as Json[]).some((one) => validates(one, value));
  const types = type === undefined ? undefined : ([type].flat() as string[]);
  if (types !== undefined && !types.some((name) => hasType(value, name))) return false;
  if (schema["enum"] !== undefined && !(schema["enum"] as unknown[]).includes(value)) return false;
  if ("const" in schema && schema["const"] !== value) return false;
  if (not !== undefined && validates(not as Json, value)) return false;
  return some(anyOf) && some(oneOf);
}

function validString({ pattern, minLength }: Json, value: string): boolean {
  if (pattern !== undefined && !new RegExp(pattern as string, "u").test(value)) return false;
  return minLength === undefined || value.length >= (minLength as number);
}

function validNumber(schema: Json, value: number): boolean {
  const bound = (key: string, otherwise: number) =>
    (schema[key] as number | undefined) ?? otherwise;
  return (
    value >= bound("minimum", -Infinity) &&
    value <= bound("maximum", Infinity) &&
    value > bound("exclusiveMinimum", -Infinity) &&
    value < bound("exclusiveMaximum", Infinity)
  );
}

function validObject(schema: Json, value: Json): boolean {
  const properties = (schema["properties"] ?? {}) as Record<string, Json>;
  const patterns = Object.entries((schema["patternProperties"] ?? {}) as Record<string, Json>);
  const additional = schema["additionalProperties"];
  const required = (schema["required"] ?? []) as string[];
  if (!required.every((key) => key in value)) return false;
  if (Object.keys(value).length < ((schema["minProperties"] as number | undefined) ?? 0))
    return false;
  return Object.entries(value).every(([key, member]) => {
    const matching = patterns
      .filter(([pattern]) => new RegExp(pattern, "u").test(key))
      .map(([, s]) => s);
    const own = Object.hasOwn(properties, key) ? [properties[key]!, ...matching] : matching;
    if (own.length > 0) return own.every((one) => validates(one, member));
    if (additional === undefined || additional === true) return true;
    return additional !== false && validates(additional as Json, member);
  });
}
