/** The description of the custom API, in OpenAPI 3.1; its bounds are the ones that are checked. */
import { limits, metricTypes } from "./custom-limits.ts";

const number = { type: "number", description: "Finite; a safe integer becomes an integer." };
const count = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };

const attributes = {
  type: "object",
  maxProperties: limits.attributes,
  propertyNames: { minLength: 1, maxLength: limits.attributeKeyLength },
  additionalProperties: {
    anyOf: [
      { type: "string", maxLength: limits.attributeValueLength },
      { type: "boolean" },
      { type: "number" },
    ],
  },
};

const bucket = {
  type: "object",
  additionalProperties: false,
  required: ["le", "count"],
  properties: { le: { anyOf: [{ type: "number" }, { const: "+Inf" }] }, count },
};

const metric = {
  type: "object",
  additionalProperties: false,
  required: ["name", "type"],
  description: "A value is the increment or the observation since the last post.",
  properties: {
    name: {
      type: "string",
      minLength: 1,
      maxLength: limits.nameLength,
      description: "Without control characters.",
    },
    type: { enum: metricTypes },
    value: { ...number, description: "Of a counter not negative." },
    values: {
      type: "array",
      minItems: 1,
      maxItems: limits.values,
      items: { type: "number" },
      description: "For histogram and timing, instead of value.",
    },
    count: { ...count, description: "For histogram, beside buckets." },
    sum: { type: "number", description: "For histogram, beside buckets." },
    buckets: {
      type: "array",
      maxItems: limits.buckets,
      items: bucket,
      description: "For histogram: ascending bounds, cumulative counts; +Inf may be left out.",
    },
    attributes,
    timestamp: {
      anyOf: [
        { type: "string", format: "date-time" },
        { type: "number", exclusiveMinimum: 0, maximum: limits.largestSeconds },
      ],
      description:
        "RFC 3339 or Unix seconds, at most 10 minutes ahead. Absent: when the request arrives.",
    },
    unit: {
      type: "string",
      maxLength: limits.unitLength,
      description: "Of a timing by default ms.",
    },
    description: { type: "string", maxLength: limits.descriptionLength },
  },
};

const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` });

const schemas = {
  Metric: metric,
  Batch: {
    type: "object",
    additionalProperties: false,
    required: ["metrics"],
    properties: { resource: attributes, metrics: { type: "array", items: reference("Metric") } },
  },
  Result: {
    type: "object",
    required: ["accepted", "rejected", "errors"],
    properties: {
      accepted: { type: "integer" },
      rejected: { type: "integer" },
      errors: { type: "array", maxItems: limits.errors, items: reference("Error") },
    },
  },
  Error: {
    type: "object",
    required: ["index", "field", "code", "message"],
    properties: {
      index: { type: ["integer", "null"], description: "Of the metric; null: the whole request." },
      field: { type: ["string", "null"] },
      code: { type: "string" },
      message: { type: "string" },
      line: { type: "integer" },
      column: { type: "integer" },
    },
  },
};

const result = (description: string) => ({
  description,
  content: { "application/json": { schema: reference("Result") } },
});
const text = (description: string) => ({
  description,
  content: { "text/plain": { schema: { type: "string" } } },
});

const one = [
  reference("Metric"),
  { type: "array", items: reference("Metric") },
  reference("Batch"),
];

const post = {
  summary: "Send metrics.",
  parameters: [
    {
      name: "Idempotency-Key",
      in: "header",
      schema: { type: "string", minLength: 1, maxLength: limits.keyLength },
      description: "A request that is sent again with the same key and body is counted once.",
    },
  ],
  requestBody: {
    required: true,
    content: {
      "application/json": {
        schema: { oneOf: one },
        example: [{ name: "signups", type: "counter", value: 1, attributes: { plan: "free" } }],
      },
      "application/x-ndjson": { schema: { type: "string", description: "A metric a line." } },
    },
  },
  responses: {
    200: result("All metrics were accepted."),
    207: result("Some metrics were accepted; errors names the others."),
    400: result("No metric was accepted, or the request is malformed."),
    401: text("No valid credentials."),
    405: text("Another method than POST."),
    408: text("The request did not come in time."),
    409: result("A request with this Idempotency-Key is in flight."),
    413: result("The body is too large, or has too many metrics."),
    415: text("Another Content-Type or Content-Encoding."),
    422: result("The Idempotency-Key was used with another body."),
    429: text("Too many requests; see Retry-After."),
    500: result("The service refuses it for good: sending it again would not help."),
    503: result("The service cannot take it now and has kept nothing; see Retry-After."),
  },
};

export const openApi = JSON.stringify({
  openapi: "3.1.0",
  info: { title: "RepoMind Telemetry: custom metrics", version: "1" },
  paths: { "/v1/metrics/custom": { post } },
  components: { schemas },
});
