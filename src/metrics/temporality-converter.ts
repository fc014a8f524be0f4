/**
 * Walks a payload and hands each point of the metrics that are meant to a conversion, with the state of its
 * series. Two walks: the interner says which series a point belongs to, the rewriter writes.
 *
 *     Metric = … 7: Sum | 9: Histogram | 10: ExponentialHistogram
 *     data   = 1: points  2: aggregation temporality  3: is monotonic
 */
import type { Payload } from "../pdata/payload.ts";
import { isMetricData, onRegular } from "../pdata/regular.ts";
import {
  drop,
  keep,
  type Place,
  replaced,
  rewriteRegular,
  type Verdict,
} from "../pdata/rewrite.ts";
import type { Metric } from "../pdata/series/interned.ts";
import { SeriesInterner } from "../pdata/series/interner.ts";
import { Cursor, type Writer, wireVarint } from "../pdata/wire.ts";
import { Findings } from "./point-findings.ts";
import { PointInHand, PointList } from "./point-list.ts";
import type { SeriesState, StateChanges } from "./series-state.ts";
import type { SeriesStates, StateMemos } from "./series-states.ts";

/** OTLP's numbers. */
export const delta = 1;
export const cumulative = 2;

/** kept: the point stays as its bytes; written: its new body was written; else why it is dropped. */
export type Outcome<R extends string> = "kept" | "written" | R;

export interface Conversion<S extends SeriesState, R extends string> {
  /** What converted metrics are. */
  readonly temporality: typeof delta | typeof cumulative;
  /** Whether a metric is converted; asked once for each. */
  takes(metric: Metric<StateMemos<S>>): boolean;
  convert(point: PointInHand<S, R>, out: Writer): Outcome<R>;
}

export interface Converted<S extends SeriesState, R extends string> {
  /** undefined: nothing is left. */
  readonly payload: Payload<"metrics"> | undefined;
  readonly changes: StateChanges<S>;
  readonly findings: Findings<R>;
}

const interningBytes = 16 * 1024 * 1024;

/** Bytes that a length will probably need. */
const lengthBytes = (length: number) => (length < 100 ? 1 : length < 16_000 ? 2 : 3);

export class TemporalityConverter<S extends SeriesState, R extends string> {
  readonly #conversion: Conversion<S, R>;
  readonly #states: SeriesStates<S>;
  readonly #interner = new SeriesInterner<StateMemos<S>>(interningBytes);
  readonly #hand: PointInHand<S, R>;
  readonly #list = new PointList<S>();
  #next = 0;
  readonly #fields = new Cursor();
  readonly #points = new Cursor();

  constructor(conversion: Conversion<S, R>, states: SeriesStates<S>) {
    this.#conversion = conversion;
    this.#states = states;
    this.#hand = new PointInHand(states);
  }

  get heldBytes(): number {
    return this.#interner.heldBytes;
  }

  convert(payload: Payload<"metrics">): Converted<S, R> {
    this.#states.begin();
    try {
      const result = onRegular(payload, (regular) => this.#convertRegular(regular));
      const changes = this.#states.takeChanges();
      return { payload: result, changes, findings: this.#hand.findings };
    } catch (error) {
      this.#states.undo(this.#states.takeChanges());
      throw error;
    } finally {
      this.#reset();
    }
  }

  /** Begins anew: it runs a second time for a payload of an irregular shape. */
  #convertRegular(payload: Payload<"metrics">): Payload<"metrics"> | undefined {
    this.#states.undo(this.#states.takeChanges());
    this.#reset();
    this.#hand.findings = new Findings();
    this.#interner.forEachPoint(payload, (point) => {
      const { parent } = point.series;
      parent.memo ??= this.#conversion.takes(parent);
      if (parent.memo) this.#list.add(point);
    });
    if (this.#list.count === 0) return payload;
    return rewriteRegular(payload, { metric: (place, out) => this.#metric(place, out) });
  }

  #reset(): void {
    this.#list.clear();
    this.#next = 0;
  }

  #metric(place: Place, out: Writer): Verdict {
    const { bytes, start, end } = place;
    if (!this.#list.isWithin(this.#next, bytes, start, end)) return keep;
    out.reserve(end - start);
    const c = this.#fields.reset(bytes, start, end);
    let points = 0;
    let copied = start;
    while (c.next()) {
      if (!isMetricData(c.number)) continue;
      out.raw(bytes, copied, c.fieldStart);
      copied = c.valueEnd;
      const handle = out.begin(c.number, lengthBytes(c.valueEnd - c.valueStart));
      points += this.#data(bytes, c.valueStart, c.valueEnd, out);
      out.end(handle);
    }
    out.raw(bytes, copied, end);
    return points === 0 ? drop : replaced;
  }

  /** Writes the data with its points converted; returns how many are left. */
  #data(bytes: Uint8Array, start: number, end: number, out: Writer): number {
    const c = this.#points.reset(bytes, start, end);
    let points = 0;
    while (c.next()) {
      if (c.number === 1) points += this.#point(c, out);
      else if (c.number !== 2) out.raw(bytes, c.fieldStart, c.valueEnd);
    }
    out.tag(2, wireVarint);
    out.varint(this.#conversion.temporality);
    return points;
  }

  /** 1: the point is there, 0: it was dropped. */
  #point({ bytes, fieldStart, valueStart, valueEnd }: Cursor, out: Writer): 0 | 1 {
    const hand = this.#hand;
    this.#list.take(this.#next++, hand, bytes, valueStart, valueEnd);
    const mark = out.position;
    const handle = out.begin(1, lengthBytes(valueEnd - valueStart));
    const outcome = this.#conversion.convert(hand, out);
    if (outcome === "written") {
      out.end(handle);
      return 1;
    }
    out.position = mark;
    if (outcome === "kept") {
      out.raw(bytes, fieldStart, valueEnd);
      return 1;
    }
    hand.findings.drop(outcome, hand.series.parent.name);
    return 0;
  }
}
