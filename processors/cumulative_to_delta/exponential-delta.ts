import type { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import { writeExponentialFields } from "../../src/metrics/exponential-histogram-otlp.ts";
import {
  copyWithout,
  type ExponentialPoint,
  exponentialExtremes,
  exponentialFields,
  readExponential,
  writeStart,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { type CumulativePoint, type FirstPoints, LastPoint, type Reason } from "./reasons.ts";

/** SDKs send 160. */
const maxBuckets = 1280;

const bytesOf = (histogram: ExponentialHistogram) => 96 + histogram.heldBytes;

class LastExponential extends LastPoint {
  /** Never changed, only replaced. */
  declare shape: ExponentialHistogram;
  count = 0;
  scale = 0;

  constructor(point: CumulativePoint, read: ExponentialPoint) {
    super();
    this.set(point, read);
  }

  get heldBytes(): number {
    return bytesOf(this.shape);
  }

  get words(): number {
    return 4;
  }

  set(point: CumulativePoint, { count, scale, histogram }: ExponentialPoint): void {
    this.setTime(point);
    this.count = count;
    this.scale = scale;
    this.shape = histogram;
  }

  save(to: Float64Array, at: number): void {
    to[at] = this.timeHigh;
    to[at + 1] = this.timeLow;
    to[at + 2] = this.count;
    to[at + 3] = this.scale;
  }

  load(from: Float64Array, at: number): void {
    this.timeHigh = from[at]!;
    this.timeLow = from[at + 1]!;
    this.count = from[at + 2]!;
    this.scale = from[at + 3]!;
  }
}

export function exponentialDelta(
  point: CumulativePoint,
  first: FirstPoints,
  out: Writer,
): Outcome<Reason> {
  if (point.noRecordedValue) return "no_recorded_value";
  const read = readExponential(point, maxBuckets);
  const { series, states, startHigh, startLow } = point;
  const last = states.find(series, "", startHigh, startLow) as LastExponential | undefined;
  if (last === undefined) {
    const state = new LastExponential(point, read);
    if (!states.add(series, "", startHigh, startLow, state)) return "limit";
    if (!first(point)) return "initial";
    copyWithout(point, exponentialExtremes, out);
    return "written";
  }
  if (last.isAfter(point)) {
    if (read.count <= last.count) return "out_of_order";
    point.note("clock_set_back");
  }
  if (!states.change(last, bytesOf(read.histogram))) return "limit";
  const delta = difference(read, last);
  if (delta !== undefined) {
    copyWithout(point, exponentialFields, out);
    const start = last.isAfter(point) ? point : last;
    writeStart(start.timeHigh, start.timeLow, out);
    writeExponentialFields(out, delta);
  }
  last.set(point, read);
  return delta === undefined ? "reset" : "written";
}

/** undefined: something fell that only rises, or the scale rose, which only falls. */
function difference({ count, scale, hasSum, histogram }: ExponentialPoint, last: LastExponential) {
  if (count < last.count || scale > last.scale) return undefined;
  const delta = histogram.difference(last.shape);
  if (delta === undefined) return undefined;
  delta.count = count - last.count;
  if (!hasSum) delta.sum = Number.NaN;
  return delta;
}
