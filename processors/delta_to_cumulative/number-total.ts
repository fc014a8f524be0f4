import {
  type NumberValue,
  valueHigh,
  valueLow,
  writeNumber,
} from "../../src/metrics/point-codec.ts";
import type { Outcome } from "../../src/metrics/temporality-converter.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { type DeltaPoint, orderProblem, type Reason, Total, wordsOfTimes } from "./totals.ts";

const heldBytes = 72;

class NumberTotal extends Total implements NumberValue {
  /** Integers stay integers; with a double among them the sum is a double. */
  isInt = false;
  high = 0;
  low = 0;

  constructor(point: DeltaPoint) {
    super();
    this.begin(point);
  }

  get heldBytes(): number {
    return heldBytes;
  }

  get words(): number {
    return wordsOfTimes + 3;
  }

  begin(point: DeltaPoint): void {
    this.beginTimes(point);
    this.isInt = point.valueIsInt;
    this.high = valueHigh(point);
    this.low = valueLow(point);
  }

  /** False: the sum is beyond what a number can hold; it is as before. */
  add(point: DeltaPoint): boolean {
    let high = valueHigh(point);
    let low = valueLow(point);
    const isInt = this.isInt && point.valueIsInt;
    if (isInt) {
      low += this.low;
      const carry = low < 2 ** 32 ? 0 : 1;
      low -= carry * 2 ** 32;
      high += this.high + carry;
      if (high < -(2 ** 31) || high >= 2 ** 31) return false;
    } else {
      high = asDouble(this.isInt, this.high, this.low) + asDouble(point.valueIsInt, high, low);
      low = 0;
      if (!Number.isFinite(high)) return false;
    }
    this.isInt = isInt;
    this.high = high;
    this.low = low;
    this.extendTimes(point);
    return true;
  }

  save(to: Float64Array, at: number): void {
    this.saveTimes(to, at);
    to[at + wordsOfTimes] = this.isInt ? 1 : 0;
    to[at + wordsOfTimes + 1] = this.high;
    to[at + wordsOfTimes + 2] = this.low;
  }

  load(from: Float64Array, at: number): void {
    this.loadTimes(from, at);
    this.isInt = from[at + wordsOfTimes] === 1;
    this.high = from[at + wordsOfTimes + 1]!;
    this.low = from[at + wordsOfTimes + 2]!;
  }
}

const asDouble = (isInt: boolean, high: number, low: number) =>
  isInt ? high * 2 ** 32 + low : high;

export function numberTotal(point: DeltaPoint, out: Writer): Outcome<Reason> {
  const { series, states } = point;
  // The mark of a series that ended adds nothing.
  if (point.noRecordedValue || point.valueAt < 0) return "kept";
  const high = valueHigh(point);
  if (!Number.isFinite(high)) return "not_finite";
  if (series.parent.monotonic && high < 0) return "negative";
  const total = states.find(series, "", 0, 0) as NumberTotal | undefined;
  if (total === undefined) {
    return states.add(series, "", 0, 0, new NumberTotal(point)) ? "kept" : "limit";
  }
  const problem = orderProblem(point, total);
  if (problem !== undefined) return problem;
  states.change(total, heldBytes);
  if (!total.add(point)) {
    point.note("overflow");
    total.begin(point);
  }
  writeNumber(point, total.beginHigh, total.beginLow, total, out);
  return "written";
}
