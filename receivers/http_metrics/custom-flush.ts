/**
 * The items of one request as one flush: items of one series and time are aggregated, since two points of a series
 * with one time are no valid OTLP.
 *
 *     ResourceMetrics = 1: Resource (1: attributes…)  2: ScopeMetrics (2: Metric…)
 *     Metric          = 1: name  2: description  3: unit  5: Gauge | 7: Sum | 9: Histogram | 10: ExponentialHistogram
 *     Gauge, Sum, …   = 1: points  2: aggregation_temporality (delta: 1)          Sum = 3: is_monotonic
 */
import { writeKeyValue } from "../../src/pdata/any-value.ts";
import { runSteps } from "../../src/pdata/json/slices.ts";
import { Writer, wireVarint } from "../../src/pdata/wire.ts";
import type { AttributeScalar, Item } from "./custom-item.ts";
import {
  type FlushTimes,
  mergeProblem,
  type Point,
  type PointContext,
  pointOf,
  writePoint,
} from "./custom-point.ts";
import { type Problem, problem, quoted } from "./problem.ts";

/** Where the kinds stand in OTLP, and the attributes in their points. */
const forms = {
  gauge: { field: 5, attributes: 7 },
  counter: { field: 7, attributes: 7 },
  observations: { field: 10, attributes: 1 },
  buckets: { field: 9, attributes: 9 },
} as const;

interface MetricDraft {
  /** The first one: name, kind, unit and description are the metric's. */
  readonly item: Item;
  readonly points: Map<string, Point>;
}

type Attributes = Readonly<Record<string, AttributeScalar>>;

/** Shared: a small flush is written in one go. */
const scratch = new Writer(4096);

export class Flush {
  readonly #metrics: MetricDraft[] = [];
  /** Of one name there are several only where units differ, or values and buckets. */
  readonly #byName = new Map<string, MetricDraft[]>();
  /** Attributes of all points, one after another: an array for each would cost more than what is in it. */
  readonly #attributes: Writer;
  points = 0;

  /** @param bodyBytes of the request, which attributes seldom exceed. */
  constructor(bodyBytes: number) {
    this.#attributes = new Writer(bodyBytes + 256);
  }

  /** Takes an item in; the problem says why it cannot stand beside the others. */
  add(item: Item): Problem | undefined {
    const metric = this.#metricOf(item);
    if ("code" in metric) return metric;
    const out = this.#attributes;
    const start = out.position;
    const { attributes, timeNs } = item;
    if (attributes !== undefined) writeSorted(out, forms[item.kind].attributes, attributes);
    const key = keyOf(out.bytes, start, out.position, timeNs);
    const point = metric.points.get(key);
    if (point === undefined) {
      metric.points.set(key, pointOf(item, start, out.position));
      this.points++;
      return undefined;
    }
    out.position = start;
    return mergeProblem(point, item);
  }

  #metricOf(item: Item): MetricDraft | Problem {
    const sameName = this.#byName.get(item.name);
    if (sameName === undefined) {
      const metric = this.#create(item);
      this.#byName.set(item.name, [metric]);
      return metric;
    }
    for (const metric of sameName) {
      const { kind, unit } = metric.item;
      if (kind === item.kind && unit === item.unit) return metric;
    }
    const before = kindName(sameName[0]!.item);
    if (before !== kindName(item)) return conflict(item, before);
    const metric = this.#create(item);
    sameName.push(metric);
    return metric;
  }

  #create(item: Item): MetricDraft {
    const metric = { item, points: new Map<string, Point>() };
    this.#metrics.push(metric);
    return metric;
  }

  /** The whole request in OTLP, in steps. */
  *encode(resource: Attributes | undefined, times: FlushTimes): Generator<void, Uint8Array> {
    const estimate = this.#attributes.position + this.points * pointBytes;
    if (estimate <= largestScratchBytes) {
      scratch.reset();
      runSteps(this.#write(scratch, resource, times));
      return scratch.take();
    }
    // A large one gets a buffer of its own, so that it is neither copied nor kept here.
    const out = new Writer(estimate);
    yield* this.#write(out, resource, times);
    return out.bytes.subarray(0, out.position);
  }

  *#write(out: Writer, resource: Attributes | undefined, times: FlushTimes): Generator<void, void> {
    const root = out.begin(1, 3);
    if (resource !== undefined) {
      const at = out.begin(1, 2);
      for (const key in resource) writeAttribute(out, 1, key, resource[key]!);
      out.end(at);
    }
    const scope = out.begin(2, 3);
    const written = { out, times, attributes: this.#attributes.bytes };
    for (const metric of this.#metrics) yield* writeMetric(written, metric);
    out.end(scope);
    out.end(root);
  }
}

/** Of a point beside its attributes, and of its metric, about. */
const pointBytes = 80;
const largestScratchBytes = 256 * 1024;

const kindName = ({ kind, type }: Item) =>
  kind === "counter" || kind === "gauge" ? type : "histogram";

const conflict = ({ name, type }: Item, before: string) =>
  problem(
    "type",
    "type_conflict",
    `${quoted(name)} is a ${before} in this request, and here a ${type}`,
  );

/** Of the attributes' bytes; with a time of its own another point. */
function keyOf(bytes: Uint8Array, start: number, end: number, timeNs: bigint | undefined): string {
  const text = start === end ? "" : (bytes as Buffer).toString("latin1", start, end);
  return timeNs === undefined ? text : `${timeNs} ${text}`;
}

/** Sorted by key, so that the order in which a client writes them does not make another series. */
function writeSorted(out: Writer, field: number, attributes: Attributes): void {
  let last = "";
  for (const key in attributes) {
    if (key < last) return writeUnsorted(out, field, attributes);
    last = key;
  }
  for (const key in attributes) writeAttribute(out, field, key, attributes[key]!);
}

function writeUnsorted(out: Writer, field: number, attributes: Attributes): void {
  for (const key of Object.keys(attributes).toSorted()) {
    writeAttribute(out, field, key, attributes[key]!);
  }
}

const intValue = 3;

/** Whole numbers without the BigInt that an AnyValue's integer is elsewhere. */
function writeAttribute(out: Writer, field: number, key: string, value: AttributeScalar): void {
  if (typeof value !== "number" || !Number.isSafeInteger(value)) {
    return writeKeyValue(out, field, key, value);
  }
  if (value < 0) return writeKeyValue(out, field, key, BigInt(value));
  const attribute = out.begin(field, 1);
  out.string(1, key);
  const any = out.begin(2, 1);
  out.tag(intValue, wireVarint);
  out.varint(value);
  out.end(any);
  out.end(attribute);
}

const deltaTemporality = 1;

/** Points written between two pauses at most: half a millisecond. */
const pointsOfStep = 500;

function* writeMetric(written: PointContext, { item, points }: MetricDraft): Generator<void, void> {
  const { out } = written;
  const metric = out.begin(2, 2);
  out.string(1, item.name);
  if (item.description !== "") out.string(2, item.description);
  if (item.unit !== "") out.string(3, item.unit);
  const data = out.begin(forms[item.kind].field, 2);
  let left = pointsOfStep;
  for (const point of points.values()) {
    writePoint(written, point);
    if (--left > 0) continue;
    left = pointsOfStep;
    yield;
  }
  if (item.kind !== "gauge") {
    out.tag(2, wireVarint);
    out.varint(deltaTemporality);
  }
  if (item.kind === "counter") {
    out.tag(3, wireVarint);
    out.varint(1);
  }
  out.end(data);
  out.end(metric);
  yield;
}
