/** The points of a payload that are converted, between the walk that finds them and the one that writes them. */
import type { Series } from "../pdata/series/interned.ts";
import type { Point } from "../pdata/series/point.ts";
import { dataViewOf } from "../pdata/wire.ts";
import type { PointBody } from "./point-codec.ts";
import { Findings } from "./point-findings.ts";
import type { SeriesState } from "./series-state.ts";
import type { SeriesStates, StateMemos } from "./series-states.ts";

/** The point in hand: where what the interner found of it lies in its part. Reused for all points. */
export class PointInHand<S extends SeriesState, R extends string> implements PointBody {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  start = 0;
  end = 0;
  /** Offsets of fixed64 values; -1: absent. */
  startTimeAt = -1;
  timeAt = -1;
  /** Of a number; a histogram has none. */
  valueAt = -1;
  valueIsInt = false;
  noRecordedValue = false;
  series!: Series<StateMemos<S>>;
  findings = new Findings<R>();
  readonly states: SeriesStates<S>;

  constructor(states: SeriesStates<S>) {
    this.states = states;
  }

  /** Times are read in halves of 32 bits: exact, and no object is made for them. 0: unknown. */
  get startHigh(): number {
    return this.startTimeAt < 0 ? 0 : this.view.getUint32(this.startTimeAt + 4, true);
  }

  get startLow(): number {
    return this.startTimeAt < 0 ? 0 : this.view.getUint32(this.startTimeAt, true);
  }

  get timeHigh(): number {
    return this.timeAt < 0 ? 0 : this.view.getUint32(this.timeAt + 4, true);
  }

  get timeLow(): number {
    return this.timeAt < 0 ? 0 : this.view.getUint32(this.timeAt, true);
  }

  note(reason: R): void {
    this.findings.note(reason, this.series.parent.name);
  }
}

/** The points of larger payloads are listed anew in each. */
const maxKeptPoints = 8192;

const rowLength = 6;
const firstRows = 64;
const isIntFlag = 2;
const noValueFlag = 1;

/**
 * The points to convert, in order: where the interner found what. Rows of numbers and reused, as it is filled once a
 * point.
 *
 *     row = index of the part, start of the point, offsets of start time, time and value, flags
 */
export class PointList<S extends SeriesState> {
  readonly #parts: Uint8Array[] = [];
  #series: Series<StateMemos<S>>[] = [];
  #rows = new Int32Array(rowLength * firstRows);
  count = 0;

  add(point: Point<StateMemos<S>>): void {
    if (this.#parts.at(-1) !== point.bytes) this.#parts.push(point.bytes);
    let at = this.count * rowLength;
    if (at === this.#rows.length) this.#grow();
    const rows = this.#rows;
    rows[at++] = this.#parts.length - 1;
    rows[at++] = point.start;
    rows[at++] = point.startTimeAt;
    rows[at++] = point.timeAt;
    rows[at++] = point.valueAt;
    rows[at] = (point.valueIsInt ? isIntFlag : 0) | (point.noRecordedValue ? noValueFlag : 0);
    this.#series[this.count++] = point.series;
  }

  /** Whether point i lies in this range of the part. */
  isWithin(i: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (i >= this.count) return false;
    const at = i * rowLength;
    if (this.#parts[this.#rows[at]!] !== bytes) return false;
    const pointStart = this.#rows[at + 1]!;
    return pointStart >= start && pointStart <= end;
  }

  /** Takes point i, with this body, in hand. */
  take<R extends string>(
    i: number,
    hand: PointInHand<S, R>,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const rows = this.#rows;
    const at = i * rowLength;
    if (hand.bytes !== bytes) {
      hand.bytes = bytes;
      hand.view = dataViewOf(bytes);
    }
    hand.start = start;
    hand.end = end;
    hand.startTimeAt = rows[at + 2]!;
    hand.timeAt = rows[at + 3]!;
    hand.valueAt = rows[at + 4]!;
    const flags = rows[at + 5]!;
    hand.valueIsInt = (flags & isIntFlag) !== 0;
    hand.noRecordedValue = (flags & noValueFlag) !== 0;
    hand.series = this.#series[i]!;
  }

  clear(): void {
    this.#parts.length = 0;
    this.count = 0;
    if (this.#series.length <= maxKeptPoints) return;
    this.#series = [];
    this.#rows = new Int32Array(rowLength * firstRows);
  }

  #grow(): void {
    const larger = new Int32Array(2 * this.#rows.length);
    larger.set(this.#rows);
    this.#rows = larger;
  }
}
