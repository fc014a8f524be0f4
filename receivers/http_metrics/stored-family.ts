/** A family of a group: encoded once, its times written anew each time it is sent. */
import { writeKeyValue } from "../../src/pdata/any-value.ts";
import {
  dataViewOf,
  varintLength,
  Writer,
  wireFixed64,
  wireLength,
  wireVarint,
} from "../../src/pdata/wire.ts";
import type { Label } from "../../src/prometheus/labels.ts";
import type { ParsedFamily, ParsedSample } from "../../src/prometheus/parse/family.ts";
import { quoteText } from "../../src/prometheus/parse/go-text.ts";
import { type Form, formOf, progressOf, writeValue } from "./push-form.ts";
import type { GroupLabels } from "./push-path.ts";

/** Where a cumulative series stands. */
interface Progress {
  readonly startNs: bigint;
  readonly value: number;
}

export interface StoredFamily {
  readonly name: string;
  /** Fields of the Metric: name, description, unit. Its end has them too, so that backends know whose end it is. */
  readonly head: Uint8Array;
  readonly form: Form;
  /** A field of ScopeMetrics: the Metric. */
  readonly bytes: Uint8Array;
  /** Where the times stand in it, eight bytes each. */
  readonly timesAt: Uint32Array;
  /** By their attributes, as bytes in a latin1 text. */
  readonly series: ReadonlyMap<string, Progress | undefined>;
}

/** A push that cannot be taken; the message is for its sender. */
export class PushProblem extends Error {}

const samplesOfStep = 64;
/** Of a series beside its bytes, about. */
const seriesBytes = 300;

export const heldBytes = ({ head, bytes, timesAt, series }: StoredFamily) =>
  head.length + bytes.length * 2 + timesAt.byteLength + series.size * seriesBytes;

/**
 * Families of one name and type as one. Counters go on from `before` where they did not fall. Throws PushProblem
 * when two series are the same.
 */
export function* storedFamily(
  families: readonly ParsedFamily[],
  labels: GroupLabels,
  before: StoredFamily | undefined,
  nowNs: bigint,
): Generator<void, StoredFamily> {
  const [first] = families as readonly [ParsedFamily, ...ParsedFamily[]];
  const samples = families.flatMap((family) => family.samples);
  const form = formOf({ type: first.type, samples });
  const head = headOf(first);
  const builder = new FamilyBuilder(head, form);
  const series = new Map<string, Progress | undefined>();
  const old = before?.form === form ? before.series : undefined;
  let count = 0;
  for (const sample of samples) {
    const attributes = attributesOf(form, sample.labels, labels);
    const key = attributes.toString("latin1");
    if (series.has(key)) {
      throw new PushProblem(
        `metric ${quoteText(first.name.slice(0, 100))} was pushed twice with the same labels`,
      );
    }
    const progress = progressed(form, sample, old?.get(key), nowNs);
    series.set(key, progress);
    builder.add(progress?.startNs, attributes, (out) => writeValue(out, form, sample));
    if (++count % samplesOfStep === 0) yield;
  }
  return { name: first.name, head, form, ...builder.finish(), series };
}

/** The end of all series of a family but those that go on in another form of it; undefined: none ends. In steps. */
export function* endOf(
  before: StoredFamily,
  after: StoredFamily | undefined,
): Generator<void, StoredFamily | undefined> {
  const { name, head, form } = before;
  const going = after?.form === form ? after.series : undefined;
  const series = new Map<string, Progress | undefined>();
  const builder = new FamilyBuilder(head, form);
  let count = 0;
  for (const [key, progress] of before.series) {
    if (++count % samplesOfStep === 0) yield;
    if (going?.has(key) === true) continue;
    series.set(key, progress);
    builder.add(progress?.startNs, Buffer.from(key, "latin1"), (out) => {
      out.tag(form.flags, wireVarint);
      out.varint(noRecordedValue);
    });
  }
  return series.size === 0 ? undefined : { name, head, form, ...builder.finish(), series };
}

const noRecordedValue = 1;

/** Where a cumulative series began: at its first push, or where it fell. */
function progressed(
  form: Form,
  sample: ParsedSample,
  before: Progress | undefined,
  nowNs: bigint,
): Progress | undefined {
  const value = progressOf(form, sample);
  if (value === undefined) return undefined;
  const goesOn = before !== undefined && value >= before.value;
  return { startNs: goesOn ? before.startNs : nowNs, value };
}

const attributeWriter = new Writer(1024);

/** The labels of the path count more than the body's; job and instance are the resource's. */
function attributesOf(form: Form, own: readonly Label[], group: GroupLabels): Buffer {
  const labels: Label[] = own.filter(({ name, value }) => value !== "" && !group.has(name));
  for (const [name, value] of group) {
    if (name !== "job" && name !== "instance" && value !== "") labels.push({ name, value });
  }
  labels.sort((a, b) => (a.name < b.name ? -1 : 1));
  const out = attributeWriter;
  out.reset();
  for (const { name, value } of labels) writeKeyValue(out, form.attributes, name, value);
  return Buffer.from(out.bytes.subarray(0, out.position));
}

const pointsField = 1;
const metricField = 2;
const cumulativeTemporality = 2;
const startTag = 2;
const timeTag = 3;

function headOf({ name, help, unit }: ParsedFamily): Uint8Array {
  const out = new Writer(256);
  out.string(1, name);
  if (help !== undefined && help !== "") out.string(2, help);
  if (unit !== undefined && unit !== "") out.string(3, unit);
  return out.take();
}

class FamilyBuilder {
  readonly #head: Uint8Array;
  readonly #form: Form;
  readonly #points = new Writer(1024);
  readonly #point = new Writer(256);
  readonly #timesAt: number[] = [];

  constructor(head: Uint8Array, form: Form) {
    this.#head = head;
    this.#form = form;
  }

  add(startNs: bigint | undefined, attributes: Uint8Array, value: (out: Writer) => void): void {
    const point = this.#point;
    point.reset();
    if (startNs !== undefined) {
      point.tag(startTag, wireFixed64);
      point.fixed64(startNs);
    }
    point.tag(timeTag, wireFixed64);
    const timeAt = point.position;
    point.fixed64(0n);
    value(point);
    point.raw(attributes);
    const out = this.#points;
    out.tag(pointsField, wireLength);
    out.varint(point.position);
    this.#timesAt.push(out.position + timeAt);
    out.raw(point.bytes, 0, point.position);
  }

  finish(): Pick<StoredFamily, "bytes" | "timesAt"> {
    const { field, isCumulative, isMonotonic } = this.#form;
    const points = this.#points;
    const pointsLength = points.position;
    if (isCumulative && field !== summaryField) {
      points.tag(2, wireVarint);
      points.varint(cumulativeTemporality);
    }
    if (isMonotonic) {
      points.tag(3, wireVarint);
      points.varint(1);
    }
    const metric = new Writer(this.#head.length + 8);
    metric.raw(this.#head);
    metric.tag(field, wireLength);
    metric.varint(points.position);
    const length = metric.position + points.position;
    const start = 1 + varintLength(length) + metric.position;
    const out = new Writer(start + points.position);
    out.tag(metricField, wireLength);
    out.varint(length);
    out.raw(metric.bytes, 0, metric.position);
    out.raw(points.bytes, 0, points.position);
    if (pointsLength === 0) throw new Error("BUG: a family without points");
    return { bytes: out.take(), timesAt: shifted(this.#timesAt, start) };
  }
}

const summaryField = 11;

/** A plain loop: there may be a hundred thousand. */
function shifted(places: readonly number[], by: number): Uint32Array {
  const result = new Uint32Array(places.length);
  for (let i = 0; i < places.length; i++) result[i] = places[i]! + by;
  return result;
}

/** Copies the family to a place in a buffer, with these times. */
export function copyFamily(
  { bytes, timesAt }: StoredFamily,
  to: Uint8Array,
  at: number,
  timeNs: bigint,
): void {
  to.set(bytes, at);
  const view = dataViewOf(to);
  for (let i = 0; i < timesAt.length; i++) view.setBigUint64(at + timesAt[i]!, timeNs, true);
}
