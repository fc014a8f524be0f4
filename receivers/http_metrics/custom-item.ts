/** One item of a request: checked field by field, at entry and never again. */
import { hintFor } from "../../src/config/suggest.ts";
import { itemFields, limits, type MetricType, metricTypes } from "./custom-limits.ts";
import { type Problem, type ProblemCode, problem, quoted } from "./problem.ts";
import { parseTimestamp } from "./timestamp.ts";

/** counter and gauge: a number. histogram and timing: observations, or buckets. */
export type ItemKind = "counter" | "gauge" | "observations" | "buckets";

export type AttributeScalar = string | boolean | number;

export interface Item {
  readonly name: string;
  readonly type: MetricType;
  readonly kind: ItemKind;
  readonly unit: string;
  readonly description: string;
  /** Of counter and gauge, or the only observation. */
  readonly value: number;
  readonly values: readonly number[] | undefined;
  readonly buckets: Buckets | undefined;
  /** Own keys only, checked. */
  readonly attributes: Readonly<Record<string, AttributeScalar>> | undefined;
  /** Nanoseconds since 1970; undefined: when the request arrived. */
  readonly timeNs: bigint | undefined;
}

export interface Buckets {
  readonly bounds: readonly number[];
  /** One more than bounds; not cumulative. */
  readonly counts: readonly number[];
  readonly count: number;
  /** NaN: not known. */
  readonly sum: number;
}

const known: ReadonlySet<string> = new Set(itemFields);
const types: ReadonlySet<string> = new Set(metricTypes);

type Fields = Readonly<Record<string, unknown>>;

/** Thrown within this file only. */
class ItemProblem extends Error {
  readonly problem: Problem;
  constructor(what: Problem) {
    super(what.message);
    this.problem = what;
  }
}

function fail(field: string | null, code: ProblemCode, message: string): never {
  throw new ItemProblem(problem(field, code, message));
}

/** @param nowMs wall clock, for timestamps that lie ahead. */
export function checkItem(value: unknown, nowMs: number): Item | Problem {
  try {
    return checked(value, nowMs);
  } catch (error) {
    if (error instanceof ItemProblem) return error.problem;
    throw error;
  }
}

export const isProblem = (result: Item | Problem): result is Problem => "code" in result;

function checked(value: unknown, nowMs: number): Item {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return fail(null, "wrong_type", "a metric must be an object");
  }
  const fields = value as Fields;
  for (const key in fields) if (!known.has(key)) failUnknown(key);
  const name = checkedName(fields["name"]);
  const type = checkedType(fields["type"]);
  const kind = kindOf(type, fields);
  return {
    name,
    type,
    kind,
    unit: text(fields, "unit", limits.unitLength, type === "timing" ? "ms" : ""),
    description: text(fields, "description", limits.descriptionLength, ""),
    value:
      kind === "buckets" || fields["values"] !== undefined
        ? 0
        : checkedValue(type, fields["value"]),
    values: fields["values"] === undefined ? undefined : checkedValues(type, fields),
    buckets: kind === "buckets" ? checkedBuckets(fields) : undefined,
    attributes: checkedAttributes(fields["attributes"]),
    timeNs: checkedTimestamp(fields["timestamp"], nowMs),
  };
}

const failUnknown = (key: string) =>
  fail(
    key.slice(0, 60),
    "unknown_field",
    `unknown field ${quoted(key)}: ${hintFor(key, itemFields, "fields")}`,
  );

function checkedName(name: unknown): string {
  if (name === undefined) fail("name", "required", "name is required");
  if (typeof name !== "string") return fail("name", "wrong_type", "name must be a string");
  if (name.length === 0 || isLonger(name, limits.nameLength)) {
    fail("name", "out_of_range", `name must have 1 to ${limits.nameLength} characters`);
  }
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
      fail("name", "out_of_range", "name must not have control characters");
    }
  }
  return name;
}

function checkedType(type: unknown): MetricType {
  if (type === undefined) fail("type", "required", `type is required: ${metricTypes.join(", ")}`);
  if (typeof type !== "string") return fail("type", "wrong_type", "type must be a string");
  if (!types.has(type)) {
    fail(
      "type",
      "unknown_type",
      `unknown type ${quoted(type)}: ${hintFor(type, metricTypes, "types")}`,
    );
  }
  return type as MetricType;
}

function kindOf(type: MetricType, fields: Fields): ItemKind {
  for (const field of ["buckets", "count", "sum"]) {
    if (fields[field] === undefined) continue;
    if (type !== "histogram") fail(field, "not_allowed", `${field} is for type histogram only`);
    if (fields["value"] !== undefined || fields["values"] !== undefined) {
      fail(field, "not_allowed", `${field} stands instead of value and values`);
    }
    return "buckets";
  }
  return type === "counter" || type === "gauge" ? type : "observations";
}

function number(field: string, value: unknown): number {
  if (typeof value !== "number") return fail(field, "wrong_type", `${field} must be a number`);
  if (!Number.isFinite(value)) fail(field, "not_finite", `${field} must be a finite number`);
  return value;
}

function checkedValue(type: MetricType, value: unknown): number {
  if (value === undefined) fail("value", "required", "value is required");
  const found = number("value", value);
  if (type === "counter" && found < 0) {
    fail("value", "negative", "value of a counter must not be negative: it is the increment");
  }
  return found;
}

function checkedValues(type: MetricType, fields: Fields): readonly number[] {
  const { values } = fields;
  if (type === "counter" || type === "gauge") {
    fail("values", "not_allowed", "values is for types histogram and timing only");
  }
  if (fields["value"] !== undefined)
    fail("values", "not_allowed", "values stands instead of value");
  if (!Array.isArray(values)) return fail("values", "wrong_type", "values must be an array");
  if (values.length === 0 || values.length > limits.values) {
    fail("values", "out_of_range", `values must have 1 to ${limits.values} numbers`);
  }
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += number(`values[${i}]`, values[i]);
  if (!Number.isFinite(sum)) fail("values", "overflow", "the sum of values is too large");
  return values as number[];
}

/** Sums of them stay exact. */
function wholeNumber(field: string, value: unknown): number {
  if (!Number.isSafeInteger(number(field, value)) || (value as number) < 0) {
    fail(field, "out_of_range", `${field} must be a whole number from 0 to 2^53 - 1`);
  }
  return value as number;
}

function checkedBuckets(fields: Fields): Buckets {
  if (fields["buckets"] === undefined) fail("buckets", "required", "buckets is required");
  if (fields["count"] === undefined) fail("count", "required", "count is required beside buckets");
  const { buckets } = fields;
  if (!Array.isArray(buckets)) return fail("buckets", "wrong_type", "buckets must be an array");
  if (buckets.length > limits.buckets) {
    fail("buckets", "out_of_range", `buckets must have at most ${limits.buckets} elements`);
  }
  const count = wholeNumber("count", fields["count"]);
  const sum = fields["sum"] === undefined ? Number.NaN : number("sum", fields["sum"]);
  const bounds: number[] = [];
  const counts: number[] = [];
  let [lastBound, lastCount] = [-Infinity, 0];
  for (const [i, bucket] of buckets.entries()) {
    const { le, count: cumulative } = checkedBucket(`buckets[${i}]`, bucket);
    if (!(le > lastBound)) fail(`buckets[${i}].le`, "out_of_range", "le must ascend");
    if (cumulative < lastCount) {
      fail(
        `buckets[${i}].count`,
        "out_of_range",
        "counts are cumulative: none is below the one before",
      );
    }
    if (cumulative > count) {
      fail(`buckets[${i}].count`, "out_of_range", "no count of a bucket is above count");
    }
    if (le === Infinity && cumulative !== count) {
      fail(`buckets[${i}].count`, "out_of_range", "the count of +Inf must be count");
    }
    if (le !== Infinity) {
      bounds.push(le);
      counts.push(cumulative - lastCount);
      lastCount = cumulative;
    }
    lastBound = le;
  }
  return { bounds, counts: [...counts, count - lastCount], count, sum };
}

function checkedBucket(field: string, bucket: unknown): { le: number; count: number } {
  if (typeof bucket !== "object" || bucket === null || Array.isArray(bucket)) {
    return fail(field, "wrong_type", `${field} must be an object of le and count`);
  }
  for (const key in bucket) {
    if (key !== "le" && key !== "count") failUnknownIn(field, key);
  }
  const { le, count } = bucket as { le?: unknown; count?: unknown };
  return {
    le: le === "+Inf" ? Infinity : number(`${field}.le`, le),
    count: wholeNumber(`${field}.count`, count),
  };
}

const failUnknownIn = (field: string, key: string) =>
  fail(
    field,
    "unknown_field",
    `unknown field ${quoted(key)}: ${hintFor(key, ["le", "count"], "fields")}`,
  );

function text(fields: Fields, field: string, maxLength: number, absent: string): string {
  const value = fields[field];
  if (value === undefined) return absent;
  if (typeof value !== "string") return fail(field, "wrong_type", `${field} must be a string`);
  if (isLonger(value, maxLength)) {
    fail(field, "out_of_range", `${field} must have at most ${maxLength} characters`);
  }
  return value;
}

/** In code points, as JSON Schema counts; counted only where the UTF-16 units do not tell. */
function isLonger(value: string, maxLength: number): boolean {
  const { length } = value;
  return length > maxLength && (length > 2 * maxLength || Array.from(value).length > maxLength);
}

/** Also the resource's. */
export function attributesProblem(attributes: unknown, field: string): Problem | undefined {
  try {
    checkAttributes(attributes, field);
    return undefined;
  } catch (error) {
    if (error instanceof ItemProblem) return error.problem;
    throw error;
  }
}

function checkedAttributes(attributes: unknown): Item["attributes"] {
  if (attributes === undefined) return undefined;
  checkAttributes(attributes, "attributes");
  return attributes as Item["attributes"];
}

function checkAttributes(attributes: unknown, field: string): void {
  if (typeof attributes !== "object" || attributes === null || Array.isArray(attributes)) {
    fail(field, "wrong_type", `${field} must be an object`);
  }
  let size = 0;
  for (const key in attributes) {
    if (++size > limits.attributes) {
      fail(field, "out_of_range", `${field} must have at most ${limits.attributes} entries`);
    }
    if (key.length === 0 || isLonger(key, limits.attributeKeyLength)) {
      fail(field, "out_of_range", `a key must have 1 to ${limits.attributeKeyLength} characters`);
    }
    checkAttribute(field, key, (attributes as Fields)[key]);
  }
}

function checkAttribute(field: string, key: string, value: unknown): void {
  if (typeof value === "boolean") return;
  if (typeof value === "string") {
    if (!isLonger(value, limits.attributeValueLength)) return;
    const most = `at most ${limits.attributeValueLength} characters`;
    fail(attributePath(field, key), "out_of_range", `an attribute's text must have ${most}`);
  }
  if (typeof value !== "number") {
    fail(
      attributePath(field, key),
      "wrong_type",
      "an attribute must be a string, boolean or number",
    );
  }
  if (!Number.isFinite(value)) {
    fail(attributePath(field, key), "not_finite", "an attribute must be a finite number");
  }
}

const attributePath = (field: string, key: string) => `${field}.${key.slice(0, 60)}`;

function checkedTimestamp(timestamp: unknown, nowMs: number): bigint | undefined {
  if (timestamp === undefined) return undefined;
  const result = parseTimestamp(timestamp, nowMs);
  return typeof result === "bigint" ? result : fail("timestamp", "timestamp", result);
}
