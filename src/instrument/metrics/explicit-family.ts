/**
 *     HistogramDataPoint = 2: start fixed64  3: time fixed64  4: count fixed64  5: sum double
 *                          6: bucket_counts packed fixed64  7: explicit_bounds packed double
 *                          8: exemplars  9: attributes  11: min double  12: max double
 */
import { Writer, wireFixed64, wireLength } from "../../pdata/wire.ts";
import type { Attributes, Recorder } from "../types.ts";
import { tracing } from "./active-span.ts";
import {
  Family,
  type FamilyOptions,
  type Pass,
  temporalityCumulative,
  temporalityDelta,
} from "./family.ts";
import { Slab } from "./slab.ts";

/** A row: sum, min, max, then a count for each bucket. */
const sumCell = 0;
const minCell = 1;
const maxCell = 2;
const firstBucket = 3;

const isRecordable = (value: number) =>
  typeof value === "number" && value >= 0 && value <= Number.MAX_VALUE;

/** Counts a value in a row; returns its bucket. Upper bounds are included; the search halves, for any number of bounds. */
function count(cells: Float64Array, at: number, bounds: Float64Array, value: number): number {
  let low = 0;
  let high = bounds.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (value <= bounds[middle]!) high = middle;
    else low = middle + 1;
  }
  cells[at + firstBucket + low]! += 1;
  cells[at + sumCell]! += value;
  if (value < cells[at + minCell]!) cells[at + minCell] = value;
  if (value > cells[at + maxCell]!) cells[at + maxCell] = value;
  return low;
}

class BoundHistogram implements Recorder {
  readonly #cells: Float64Array;
  readonly #at: number;
  readonly #bounds: Float64Array;
  readonly #family: Family;
  readonly #row: number;

  constructor(slab: Slab, row: number, bounds: Float64Array, family: Family) {
    this.#cells = slab.chunkOf(row);
    this.#at = slab.offsetOf(row);
    this.#bounds = bounds;
    this.#family = family;
    this.#row = row;
  }

  record(value: number): void {
    if (!isRecordable(value)) return this.#family.refuseValue(value);
    const bucket = count(this.#cells, this.#at, this.#bounds, value);
    if (tracing.manager !== undefined && this.#family.isExemplarDue()) {
      this.#family.offerExemplar(this.#row, bucket, value);
    }
  }
}

/** A row as readers see it. */
export interface HistogramTotal {
  /** Of each bucket by itself, the one above the last bound included. */
  readonly counts: Float64Array;
  readonly count: number;
  readonly sum: number;
  /** Infinity and -Infinity of an empty one. */
  readonly min: number;
  readonly max: number;
}

/** Histograms with bounds of their own: exact counts at each of them. */
export class ExplicitFamily extends Family {
  readonly bounds: Float64Array;
  readonly #slab: Slab;
  readonly #template: PointTemplate;
  /** What delta points took out of the rows; made for the first one. */
  #sent: Slab | undefined;

  /** The bounds ascend. */
  constructor(options: FamilyOptions, bounds: readonly number[]) {
    super(options, { dataField: 9, attributesField: 9, exemplarsField: 8, isMonotonic: false });
    this.bounds = Float64Array.from(bounds);
    this.#slab = new Slab(firstBucket + bounds.length + 1);
    this.#template = new PointTemplate(this.bounds);
  }

  record(value: number, attributes?: Attributes): void {
    if (!isRecordable(value)) return this.refuseValue(value);
    try {
      const row = this.index.rowOf(attributes);
      const slab = this.#slab;
      const bucket = count(slab.chunkOf(row), slab.offsetOf(row), this.bounds, value);
      if (tracing.manager !== undefined && this.isExemplarDue()) {
        this.offerExemplar(row, bucket, value);
      }
    } catch (error) {
      this.refuseAttributes(error);
    }
  }

  bind(attributes: Attributes): Recorder {
    const row = this.safeRowOf(attributes);
    return new BoundHistogram(this.#slab, row, this.bounds, this);
  }

  override temporality(pass: Pass): number {
    return pass.isDelta ? temporalityDelta : temporalityCumulative;
  }

  protected override takeRow(row: number): void {
    this.#slab.take(row);
    this.#clear(this.#slab.rowOf(row));
  }

  #clear(cells: Float64Array): void {
    cells.fill(0);
    cells[minCell] = Infinity;
    cells[maxCell] = -Infinity;
  }

  totalOf(row: number): HistogramTotal {
    const cells = this.#slab.rowOf(row).slice();
    if (this.#sent !== undefined && row < this.#sent.rows) addRow(cells, this.#sent.rowOf(row));
    const counts = cells.subarray(firstBucket);
    return {
      counts,
      count: counts.reduce((total, one) => total + one, 0),
      sum: cells[sumCell]!,
      min: cells[minCell]!,
      max: cells[maxCell]!,
    };
  }

  /** Begins a row anew. */
  #settle(row: number): void {
    this.#sent ??= new Slab(this.#slab.stride);
    while (this.#sent.rows <= row) {
      this.#sent.take(this.#sent.rows);
      this.#clear(this.#sent.rowOf(this.#sent.rows - 1));
    }
    const cells = this.#slab.rowOf(row);
    addRow(this.#sent.rowOf(row), cells);
    this.#clear(cells);
  }

  override writeRow(row: number, pass: Pass, out: Writer): boolean {
    const cells = this.#slab.chunkOf(row);
    const at = this.#slab.offsetOf(row);
    const length = this.#template.fill(cells, at);
    if (pass.isDelta && this.#template.count === 0) return false;
    const exemplars = this.takeExemplars(row);
    this.beginPoint(row, pass.times.length + length + (exemplars?.length ?? 0), out);
    out.raw(pass.times);
    out.raw(this.#template.bytes, 0, length);
    if (exemplars !== undefined) out.raw(exemplars);
    if (pass.isDelta) this.#settle(row);
    return true;
  }
}

/** Adds what one row counted to another one. */
function addRow(to: Float64Array, from: Float64Array): void {
  to[sumCell]! += from[sumCell]!;
  to[minCell] = Math.min(to[minCell]!, from[minCell]!);
  to[maxCell] = Math.max(to[maxCell]!, from[maxCell]!);
  for (let i = firstBucket; i < to.length; i++) to[i]! += from[i]!;
}

/**
 * The fields of a point that follow from its row, all of fixed size: filled in and copied as one, four times as fast
 * as written field by field.
 *
 *     4: count  5: sum  6: bucket_counts  7: explicit_bounds  11: min  12: max
 */
class PointTemplate {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #buckets: number;
  readonly #bucketsAt: number;
  /** Where min begins; without values a point ends here. */
  readonly #minAt: number;
  count = 0;

  constructor(bounds: Float64Array) {
    const out = new Writer(64 + bounds.length * 16);
    this.#buckets = bounds.length + 1;
    writeDouble(out, 4, 0);
    writeDouble(out, 5, 0);
    out.tag(6, wireLength);
    out.varint(this.#buckets * 8);
    this.#bucketsAt = out.position;
    for (let i = 0; i < this.#buckets; i++) out.double(0);
    if (bounds.length > 0) {
      out.tag(7, wireLength);
      out.varint(bounds.length * 8);
      for (const bound of bounds) out.double(bound);
    }
    this.#minAt = out.position;
    writeDouble(out, 11, 0);
    writeDouble(out, 12, 0);
    this.bytes = out.take();
    this.#view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);
  }

  /** Takes a row in; returns how many of the bytes are its point. */
  fill(cells: Float64Array, at: number): number {
    const view = this.#view;
    let total = 0;
    let p = this.#bucketsAt;
    const end = at + firstBucket + this.#buckets;
    for (let i = at + firstBucket; i < end; i++, p += 8) {
      const value = cells[i]!;
      total += value;
      setCount(view, p, value);
    }
    this.count = total;
    setCount(view, countAt, total);
    view.setFloat64(sumAt, cells[at + sumCell]!, true);
    if (total === 0) return this.#minAt;
    view.setFloat64(this.#minAt + 1, cells[at + minCell]!, true);
    view.setFloat64(this.#minAt + 10, cells[at + maxCell]!, true);
    return this.bytes.length;
  }
}

/** Behind the one-byte tags. */
const countAt = 1;
const sumAt = 10;

function setCount(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 2 ** 32, true);
  view.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

function writeDouble(out: Writer, field: number, value: number): void {
  out.tag(field, wireFixed64);
  out.double(value);
}
