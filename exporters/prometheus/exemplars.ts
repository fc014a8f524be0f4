import { decodeAttributes } from "../../src/pdata/series/attributes.ts";
import { type Point, uint64At, unixMsAt } from "../../src/pdata/series/point.ts";
import { Cursor } from "../../src/pdata/wire.ts";
import { type Label, labelName } from "../../src/prometheus/labels.ts";
import { TextWriter } from "../../src/prometheus/text-writer.ts";
import { toBinary } from "./labels-of.ts";
import type { ExemplarText } from "./state.ts";

/** OpenMetrics 1.0: label names and values of an exemplar together. */
const maxRunes = 128;
/** Kept of one point: a histogram shows one a bucket. */
const maxExemplars = 32;

const writer = new TextWriter({ kind: "openmetrics", version: "1.0.0", escaping: "underscores" });

/**
 *     Exemplar = time:2 fixed64, as_double:3, span_id:4, trace_id:5, as_int:6 sfixed64, filtered_attributes:7
 *
 * Exemplars of a point, ascending by time; the latest ones when there are many.
 */
export function readExemplars(point: Point): ExemplarText[] {
  const field = point.series.parent.layout.exemplars;
  const found: ExemplarText[] = [];
  const cursor = new Cursor().reset(point.bytes, point.exemplarsAt, point.end);
  while (cursor.next()) {
    if (cursor.number !== field) continue;
    const exemplar = readExemplar(point, cursor.valueStart, cursor.valueEnd);
    if (exemplar !== undefined) found.push(exemplar);
  }
  return found.toSorted((a, b) => a.timeNs - b.timeNs).slice(-maxExemplars);
}

/** Undefined: it leads nowhere, having no labels. */
function readExemplar(point: Point, start: number, end: number): ExemplarText | undefined {
  let value = 0;
  let timeNs = 0;
  let timeMs = 0;
  const labels: Label[] = [];
  const cursor = new Cursor().reset(point.bytes, start, end);
  while (cursor.next()) {
    if (cursor.number === 2) {
      timeNs = uint64At(point.view, cursor.valueStart);
      timeMs = unixMsAt(point.view, cursor.valueStart);
    } else if (cursor.number === 3) value = cursor.double();
    else if (cursor.number === 6) value = Number(BigInt.asIntN(64, cursor.fixed64()));
    else if (cursor.number === 4 || cursor.number === 5) addId(labels, cursor);
  }
  addAttributes(labels, point.bytes, start, end);
  if (labels.length === 0) return undefined;
  // Whole milliseconds: more digits than a double of seconds can hold would be noise.
  const timestampSeconds = timeNs === 0 ? undefined : timeMs / 1000;
  return { value, timeNs, text: toBinary(writer.exemplar({ labels, value, timestampSeconds })) };
}

function addId(labels: Label[], cursor: Cursor): void {
  const hex = Buffer.from(cursor.view()).toString("hex");
  if (/^0*$/u.test(hex)) return;
  labels.push({ name: cursor.number === 4 ? "span_id" : "trace_id", value: hex });
}

/** All of the filtered attributes, or none when they are too long together. */
function addAttributes(labels: Label[], bytes: Uint8Array, start: number, end: number): void {
  const added: Label[] = [];
  for (const { key, text } of decodeAttributes(bytes, start, end, 7)) {
    const result = labelName(key);
    if (result.error !== undefined || text === "") continue;
    const { name } = result;
    if ([...labels, ...added].some((label) => label.name === name)) continue;
    added.push({ name, value: text });
  }
  const all = [...labels, ...added];
  const runes = all.reduce((sum, { name, value }) => sum + runesOf(name) + runesOf(value), 0);
  if (runes <= maxRunes) labels.push(...added);
}

/** Code points, as Go counts runes. */
const runesOf = (text: string) => Array.from(text).length;
