import {
  isLess,
  type NumberPoint,
  type NumberValue,
  valueHigh,
  valueLow,
  writeNumber,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { type CumulativePoint, type FirstPoints, LastPoint, type Reason } from "./reasons.ts";

const heldBytes = 64;

class LastNumber extends LastPoint {
  /** The value's halves. */
  high = 0;
  low = 0;

  constructor(point: CumulativePoint) {
    super();
    this.setTime(point);
    this.setValue(point);
  }

  setValue(point: NumberPoint): void {
    this.high = valueHigh(point);
    this.low = valueLow(point);
  }

  get heldBytes(): number {
    return heldBytes;
  }

  get words(): number {
    return 4;
  }

  save(to: Float64Array, at: number): void {
    to[at] = this.timeHigh;
    to[at + 1] = this.timeLow;
    to[at + 2] = this.high;
    to[at + 3] = this.low;
  }

  load(from: Float64Array, at: number): void {
    this.timeHigh = from[at]!;
    this.timeLow = from[at + 1]!;
    this.high = from[at + 2]!;
    this.low = from[at + 3]!;
  }
}

export function numberDelta(
  point: CumulativePoint,
  first: FirstPoints,
  out: Writer,
): Outcome<Reason> {
  const { series, states, valueIsInt, startHigh, startLow } = point;
  if (point.noRecordedValue || point.valueAt < 0) return "no_recorded_value";
  const high = valueHigh(point);
  // NaN is the mark of a series that ended, in Prometheus: it passes.
  if (Number.isNaN(high)) return "kept";
  if (high === Infinity || high === -Infinity) return "not_finite";
  const variant = valueIsInt ? "i" : "d";
  const last = states.find(series, variant, startHigh, startLow) as LastNumber | undefined;
  if (last === undefined) {
    const state = new LastNumber(point);
    if (!states.add(series, variant, startHigh, startLow, state)) return "limit";
    return first(point) ? "kept" : "initial";
  }
  if (last.isAfter(point)) {
    if (!isLess(last.high, last.low, high, valueLow(point))) return "out_of_order";
    point.note("clock_set_back");
  }
  const isWritten = writeDelta(point, last, out);
  states.change(last, heldBytes);
  last.setTime(point);
  last.setValue(point);
  return isWritten ? "written" : "reset";
}

/** Of an integer of 64 bits. */
const maxHigh = 2 ** 31 - 1;
/** One object for all points. */
const delta: NumberValue = { isInt: false, high: 0, low: 0 };

/** False: the value fell, or the difference is none that a point can hold. Both are of one kind. */
function writeDelta(point: CumulativePoint, last: LastNumber, out: Writer): boolean {
  const high = valueHigh(point);
  const low = valueLow(point);
  if (isLess(high, low, last.high, last.low)) return false;
  const borrow = low < last.low ? 1 : 0;
  delta.isInt = point.valueIsInt;
  delta.high = high - last.high - borrow;
  delta.low = low - last.low + borrow * 2 ** 32;
  if (delta.high > (delta.isInt ? maxHigh : Number.MAX_VALUE)) return false;
  const start = last.isAfter(point) ? point : last;
  writeNumber(point, start.timeHigh, start.timeLow, delta, out);
  return true;
}
