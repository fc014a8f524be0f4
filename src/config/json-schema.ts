/**
 * The JSON Schema of pipelines.yaml, for editors: made from the components' zod schemas. Looser than the
 * real check where the YAML is: `${…}` may stand for any value, null for a body or section, "a,b" for a list.
 */
import { z } from "./fields.ts";
import { type Factory, type Kind, kinds, sections } from "./registry-contract.ts";
import { type Field, fieldOf, hasEnabled } from "./shape.ts";
import { telemetry } from "./telemetry.ts";

type Json = Record<string, unknown>;

const reference = { type: "string", pattern: "\\$\\{" };
/** A mapping, or a text that becomes one, as `${file:receivers.yaml}`. */
const mapping = (...orElse: readonly string[]): Json => ({
  type: ["object", "string", ...orElse],
  pattern: reference.pattern,
});
const durationPattern = "^[+-]?(0|([0-9]*\\.?[0-9]*(ns|us|µs|μs|ms|s|m|h))+)$|\\$\\{";

/** The schema of a whole configuration made of these components. */
export function jsonSchema(factories: readonly Factory[]): Json {
  const properties: Json = {};
  for (const kind of kinds) {
    properties[sections[kind]] = sectionSchema(
      kind,
      factories.filter((factory) => factory.kind === kind),
    );
  }
  properties["service"] = serviceSchema();
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Pipelines configuration",
    type: "object",
    properties,
    required: ["receivers", "exporters", "service"],
    additionalProperties: false,
  };
}

function sectionSchema(kind: Kind, factories: readonly Factory[]): Json {
  const patternProperties: Json = {};
  for (const factory of factories) {
    const body = configSchema(factory.config);
    const { summary } = factory;
    patternProperties[idPattern(factory.type)] = { description: summary, ...body };
    for (const alias of factory.aliases ?? []) {
      const description = `Older spelling of ${factory.type}. ${summary}`;
      patternProperties[idPattern(alias)] = { ...body, description, deprecated: true };
    }
  }
  return {
    description: `The ${sections[kind]}, by id: type or type/name.`,
    ...mapping("null"),
    patternProperties,
    additionalProperties: false,
  };
}

const idPattern = (type: string) => `^${type}(/.+)?$`;

const idList = (description: string): Json => ({
  description,
  anyOf: [{ type: "array", items: { type: "string" } }, { type: "string" }, { type: "null" }],
});

function serviceSchema(): Json {
  const pipeline = {
    ...mapping(),
    properties: {
      receivers: idList("Where data comes from; at least one receiver or connector."),
      processors: idList("What is done with it, in this order."),
      exporters: idList("Where it goes; at least one exporter or connector."),
    },
    required: ["receivers", "exporters"],
    additionalProperties: false,
  };
  return {
    description: "What of the configured components runs, and the service's own telemetry.",
    ...mapping(),
    properties: {
      extensions: idList("Extensions that run, in start order."),
      pipelines: {
        description: "Pipelines, by id: traces, metrics or logs, or one of them with /name.",
        ...mapping(),
        patternProperties: { "^(traces|metrics|logs)(/.+)?$": pipeline },
        additionalProperties: false,
        minProperties: 1,
      },
      telemetry: configSchema(telemetry),
    },
    required: ["pipelines"],
    additionalProperties: false,
  };
}

/** The schema of one config, as it may be written in YAML. */
export function configSchema(schema: z.ZodType): Json {
  const json = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    reused: "inline",
    override: (context) => loosen(context.zodSchema, context.jsonSchema as Json),
  }) as Json;
  const { $schema: _version, ...rest } = json;
  return rest;
}

/** Called for each schema, the inner ones first: what the YAML allows beyond the zod schema. */
function loosen(schema: z.core.$ZodType, json: Json): void {
  const field = fieldOf(schema);
  const { effect, reason } = field.meta;
  if (effect === "refused") {
    const { description } = json;
    clear(json);
    Object.assign(json, { description: text([description, `Not supported: ${reason}.`]), not: {} });
    return;
  }
  if (effect === "accepted") {
    json["description"] = text([json["description"], `Has no effect: ${reason}.`]);
    json["deprecated"] = true;
  }
  if (field.core === schema) loosenCore(field, json);
  if (field.meta.duration === true) {
    delete json["anyOf"];
    Object.assign(json, { type: ["string", "number", "null"], pattern: durationPattern });
  }
  // The flavour stands on a wrapper, the properties on the object in it.
  if (hasEnabled(field) && typeof json["properties"] === "object") {
    const enabled = { description: "false switches the section off.", type: "boolean" };
    json["properties"] = {
      enabled: { ...enabled, type: ["boolean", "string"] },
      ...(json["properties"] as Json),
    };
  }
  delete json["secret"];
  for (const key of ["section", "effect", "reason", "duration"]) delete json[key];
}

function loosenCore(field: Field, json: Json): void {
  const { type } = field.def;
  if (type === "object" || type === "record") {
    Object.assign(json, mapping("null"));
    // Every key has a default or is checked with a better text at start.
    delete json["required"];
  } else if (type === "array" || type === "tuple") {
    json["type"] = ["array", "string", "null"];
  } else if (type === "number" || type === "boolean") {
    // What every JavaScript integer obeys says nothing.
    if (json["minimum"] === Number.MIN_SAFE_INTEGER) delete json["minimum"];
    if (json["maximum"] === Number.MAX_SAFE_INTEGER) delete json["maximum"];
    json["type"] = [json["type"], "string", "null"].flat();
    json["pattern"] = reference.pattern;
  } else if (type === "enum" || type === "literal") {
    const { enum: values, const: value, type: _type, ...rest } = json;
    clear(json);
    const choice = values === undefined ? { const: value } : { enum: values };
    Object.assign(json, rest, { anyOf: [choice, reference, { type: "null" }] });
  } else if (type === "string") {
    loosenString(json);
  }
}

/** A string with checks may be a reference too. */
function loosenString(json: Json): void {
  const checks = ["minLength", "maxLength", "pattern", "format"].filter((key) => key in json);
  if (checks.length === 0) {
    json["type"] = ["string", "null"];
    return;
  }
  const checked = { ...json };
  clear(json);
  delete checked["description"];
  delete checked["default"];
  Object.assign(json, { anyOf: [checked, reference, { type: "null" }] });
}

function clear(json: Json): void {
  for (const key of Object.keys(json)) delete json[key];
}

const text = (parts: readonly unknown[]) =>
  parts.filter((part) => typeof part === "string").join(" ");
