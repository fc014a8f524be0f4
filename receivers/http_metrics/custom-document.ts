/**
 * A body as its items: one metric, an array, `{"resource": …, "metrics": […]}`, or NDJSON. Items are parsed one
 * by one where the body is large, so that no step holds up the event loop; of NDJSON a malformed line is the fault
 * of its item alone.
 */
import { isUtf8 } from "node:buffer";
import { asTelemetryError } from "../../src/errors.ts";
import { runSteps } from "../../src/pdata/json/slices.ts";
import { limits } from "./custom-limits.ts";
import { JsonWalker, type Visitor } from "./json-walk.ts";
import { type Problem, problem } from "./problem.ts";

/** An item before it is checked. */
export type RawItem =
  | { readonly value: unknown; readonly problem?: undefined }
  | { readonly problem: Problem };

export interface Document {
  readonly resource: unknown;
  /** The first ones, where there are more than may be. */
  readonly items: Iterable<RawItem>;
  readonly itemCount: number;
}

/** A body that has no items at all. */
export class DocumentError extends Error {
  readonly problem: Problem;
  constructor(what: Problem) {
    super(what.message);
    this.problem = what;
  }
}

/** Up to here JSON.parse takes about a millisecond. */
const largeBytes = 256 * 1024;

const fail = (code: Problem["code"], message: string, field: string | null = null): never => {
  throw new DocumentError(problem(field, code, message));
};

/**
 * Throws DocumentError.
 * @param maxItems more are counted, not kept: a place costs more than the two bytes that an item can have.
 */
export function* documentOf(
  body: Uint8Array,
  isNdjson: boolean,
  maxItems: number,
): Generator<void, Document> {
  if (!isUtf8(body)) fail("not_utf8", "the body is not UTF-8");
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (isNdjson) return yield* linesOf(text, maxItems);
  if (body.length > largeBytes) return yield* cutDocument(text, maxItems);
  let value: unknown;
  try {
    value = JSON.parse(text.toString("utf8"));
  } catch {
    throw malformed(body);
  }
  return wholeDocument(value);
}

function wholeDocument(value: unknown): Document {
  if (Array.isArray(value)) return withItems(undefined, value);
  if (typeof value !== "object" || value === null) return noMetric();
  const keys = Object.keys(value);
  if (!isEnvelope(keys)) return withItems(undefined, [value]);
  checkEnvelope(keys);
  const { resource, metrics } = value as { resource: unknown; metrics: unknown };
  if (!Array.isArray(metrics)) return noArray();
  return withItems(resource, metrics);
}

const noMetric = () => fail("wrong_type", "the body must be a metric or an array of metrics");

const noArray = () => fail("wrong_type", "metrics must be an array", "metrics");

const isEnvelope = (keys: readonly string[]) =>
  keys.includes("metrics") || keys.includes("resource");

function checkEnvelope(keys: readonly string[]): void {
  const unknown = keys.find((key) => key !== "metrics" && key !== "resource");
  if (unknown === undefined) return;
  const shown = unknown.slice(0, 60);
  fail("unknown_field", "beside resource and metrics nothing is known", shown);
}

function withItems(resource: unknown, values: readonly unknown[]): Document {
  return { resource, itemCount: values.length, items: values.map((value) => ({ value })) };
}

/** Where the JSON of a body is malformed. */
function malformed(body: Uint8Array): DocumentError {
  try {
    runSteps(new JsonWalker(body).walk());
  } catch (error) {
    return malformedAt(body, asTelemetryError(error).message);
  }
  return new DocumentError(problem(null, "malformed_json", "malformed JSON"));
}

function malformedAt(body: Uint8Array, text: string): DocumentError {
  const match = /^cannot decode JSON: (.*) at offset (\d+)$/su.exec(text);
  const offset = Number(match?.[2] ?? 0);
  const before = Buffer.from(body.buffer, body.byteOffset, Math.min(offset, body.length));
  const lineStart = before.lastIndexOf(0x0a) + 1;
  let line = 1;
  for (let at = before.indexOf(0x0a); at >= 0; at = before.indexOf(0x0a, at + 1)) line++;
  const column = before.toString("utf8", lineStart).length + 1;
  const message = `malformed JSON at line ${line}, column ${column}: ${match?.[1] ?? text}`;
  return new DocumentError({ ...problem(null, "malformed_json", message), line, column });
}

/** Where an item stands, in bytes. */
interface Range {
  readonly start: number;
  readonly end: number;
  /** Of NDJSON. */
  readonly line?: number;
}

class Ranges {
  kept: Range[] = [];
  count = 0;
  readonly #maxKept: number;

  constructor(maxKept: number) {
    this.#maxKept = maxKept;
  }

  add(range: Range): void {
    this.count++;
    if (this.kept.length < this.#maxKept) this.kept.push(range);
  }

  clear(): void {
    this.kept = [];
    this.count = 0;
  }
}

/** Notes where the items of a large body stand. */
class ItemRanges implements Visitor {
  readonly deepest = 1;
  readonly keys: string[] = [];
  readonly elements: Ranges;
  readonly metrics: Ranges;
  /** Where the value of `metrics` begins; -1: there is none. */
  metricsAt = -1;
  resource: Range | undefined;
  #key: string | undefined;
  #starts = [0, 0];

  constructor(maxItems: number) {
    this.elements = new Ranges(maxItems);
    this.metrics = new Ranges(maxItems);
  }

  begin(level: number, key: string | undefined, at: number): void {
    this.#starts[level] = at;
    if (level > 0) return;
    this.#key = key;
    // As JSON.parse: of equal keys the last counts.
    if (key === "metrics") {
      this.metrics.clear();
      this.metricsAt = at;
    }
    if (key !== undefined && this.keys.length < 100) this.keys.push(key);
  }

  end(level: number, at: number): void {
    const range = { start: this.#starts[level]!, end: at };
    if (level === 1) {
      if (this.#key === "metrics") this.metrics.add(range);
    } else if (this.#key === undefined) this.elements.add(range);
    else if (this.#key === "resource") this.resource = range;
  }
}

function* cutDocument(body: Buffer, maxItems: number): Generator<void, Document> {
  const ranges = new ItemRanges(maxItems);
  const walker = new JsonWalker(body, ranges);
  let first: number;
  try {
    first = walker.reader.peek();
    yield* walker.walk();
  } catch (error) {
    throw malformedAt(body, asTelemetryError(error).message);
  }
  if (first === 0x5b) return cutItems(body, undefined, ranges.elements);
  if (first !== 0x7b) return noMetric();
  if (!isEnvelope(ranges.keys)) {
    const items = parsedRanges(body, [{ start: 0, end: body.length }]);
    return { resource: undefined, itemCount: 1, items };
  }
  checkEnvelope(ranges.keys);
  const resource = ranges.resource && parsedRange(body, ranges.resource);
  if (resource?.problem !== undefined) throw new DocumentError(resource.problem);
  if (body[ranges.metricsAt] !== 0x5b) return noArray();
  return cutItems(body, resource?.value, ranges.metrics);
}

function cutItems(body: Buffer, resource: unknown, { count, kept }: Ranges): Document {
  return { resource, itemCount: count, items: parsedRanges(body, kept) };
}

function* parsedRanges(body: Buffer, ranges: readonly Range[]): Iterable<RawItem> {
  for (const range of ranges) yield parsedRange(body, range);
}

function parsedRange(body: Buffer, { start, end, line }: Range): RawItem {
  if (end - start > limits.itemBytes) return { problem: tooLarge() };
  if (line !== undefined) return parsedLine(body.subarray(start, end), line);
  return { value: JSON.parse(body.toString("utf8", start, end)) };
}

const tooLarge = () => problem(null, "too_large", `larger than ${limits.itemBytes} bytes`);

/** Lines are found first, so that their number is known before one of them is parsed. */
function* linesOf(text: Buffer, maxItems: number): Generator<void, Document> {
  const lines = new Ranges(maxItems);
  let line = 0;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf(0x0a, start);
    const end = newline < 0 ? text.length : newline;
    line++;
    if (!isBlank(text, start, end)) lines.add({ start, end, line });
    start = end + 1;
    if (line % 1024 === 0) yield;
  }
  return cutItems(text, undefined, lines);
}

function isBlank(text: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (text[i]! > 0x20) return false;
  return true;
}

function parsedLine(line: Buffer, number: number): RawItem {
  try {
    return { value: JSON.parse(line.toString("utf8")) };
  } catch {
    const { problem: what } = malformed(line);
    const column = what.column ?? 1;
    const message = what.message.replace(/ at line \d+,/u, ` at line ${number},`);
    return { problem: { ...what, message, line: number, column } };
  }
}
