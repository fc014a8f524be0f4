/**
 *     NumberDataPoint = 2: start fixed64  3: time fixed64  4: value double  5: exemplars  7: attributes
 */
import { type Writer, wireFixed64 } from "../../pdata/wire.ts";
import type { Adder, Attributes, ObservedKind, Recorder } from "../types.ts";
import { tracing } from "./active-span.ts";
import {
  Family,
  type FamilyOptions,
  type Pass,
  temporalityCumulative,
  temporalityDelta,
} from "./family.ts";
import { Slab } from "./slab.ts";

/** Also false of NaN, Infinity, and of what is no number: comparing those could throw. */
const isWithin = (value: number, least: number) =>
  typeof value === "number" && value >= least && value <= Number.MAX_VALUE;

const least = { counter: 0, upDownCounter: -Number.MAX_VALUE, gauge: -Number.MAX_VALUE };

class BoundSum implements Adder {
  readonly #cells: Float64Array;
  readonly #at: number;
  readonly #least: number;
  readonly #family: Family;
  readonly #row: number;

  constructor(slab: Slab, row: number, lowest: number, family: Family) {
    this.#cells = slab.chunkOf(row);
    this.#at = slab.offsetOf(row);
    this.#least = lowest;
    this.#family = family;
    this.#row = row;
  }

  add(value: number): void {
    if (!isWithin(value, this.#least)) return this.#family.refuseValue(value);
    this.#cells[this.#at]! += value;
    if (tracing.manager !== undefined && this.#family.isExemplarDue()) {
      this.#family.offerExemplar(this.#row, 0, value);
    }
  }
}

class BoundGauge implements Recorder {
  readonly #cells: Float64Array;
  readonly #at: number;
  readonly #family: Family;

  constructor(cells: Float64Array, at: number, family: Family) {
    this.#cells = cells;
    this.#at = at;
    this.#family = family;
  }

  record(value: number): void {
    if (isWithin(value, least.gauge)) this.#cells[this.#at] = value;
    else this.#family.refuseValue(value);
  }
}

export abstract class NumberFamily extends Family {
  readonly kind: ObservedKind;
  protected readonly slab: Slab;

  constructor(options: FamilyOptions, kind: ObservedKind, stride = 1) {
    super(options, {
      dataField: kind === "gauge" ? 5 : 7,
      attributesField: 7,
      exemplarsField: kind === "counter" ? 5 : undefined,
      isMonotonic: kind === "counter",
    });
    this.kind = kind;
    this.slab = new Slab(stride);
  }

  override temporality(pass: Pass): number | undefined {
    if (this.kind === "gauge") return undefined;
    return this.isDelta(pass) ? temporalityDelta : temporalityCumulative;
  }

  /** Up-down counters are cumulative also where delta is preferred (OTLP exporter specification). */
  protected isDelta(pass: Pass): boolean {
    return pass.isDelta && this.kind === "counter";
  }

  protected override takeRow(row: number): void {
    this.slab.take(row);
  }

  /** What was recorded since the start; NaN: nothing. */
  abstract totalOf(row: number): number;
  /** The value of a row's point, NaN where there is nothing to say; a delta begins anew. */
  protected abstract collectValue(row: number, isDelta: boolean): number;

  override writeRow(row: number, pass: Pass, out: Writer): boolean {
    const isDelta = this.isDelta(pass);
    const value = this.collectValue(row, isDelta);
    if (Number.isNaN(value)) return false;
    const times = isDelta ? pass.times : pass.cumulativeTimes;
    const exemplars = this.takeExemplars(row);
    this.beginPoint(row, times.length + 9 + (exemplars?.length ?? 0), out);
    out.raw(times);
    out.tag(4, wireFixed64);
    out.double(value);
    if (exemplars !== undefined) out.raw(exemplars);
    return true;
  }
}

/** Counters and up-down counters: one cell a series. */
export class SumFamily extends NumberFamily {
  readonly #least: number;
  /** What delta points took out of the cells; made for the first one. */
  #sent: Slab | undefined;

  constructor(options: FamilyOptions, kind: "counter" | "upDownCounter") {
    super(options, kind);
    this.#least = least[kind];
  }

  add(value: number, attributes?: Attributes): void {
    if (!isWithin(value, this.#least)) return this.refuseValue(value);
    try {
      const { slab } = this;
      const row = this.index.rowOf(attributes);
      slab.chunks[row >> slab.shift]![row & slab.mask]! += value;
      if (tracing.manager !== undefined && this.isExemplarDue()) this.offerExemplar(row, 0, value);
    } catch (error) {
      this.refuseAttributes(error);
    }
  }

  bind(attributes: Attributes): Adder {
    const row = this.safeRowOf(attributes);
    return new BoundSum(this.slab, row, this.#least, this);
  }

  override totalOf(row: number): number {
    const value = this.slab.rowOf(row)[0]!;
    const sent = this.#sent;
    return sent === undefined || row >= sent.rows ? value : value + sent.rowOf(row)[0]!;
  }

  protected override collectValue(row: number, isDelta: boolean): number {
    const cells = this.slab.chunkOf(row);
    const at = this.slab.offsetOf(row);
    const value = cells[at]!;
    if (!isDelta) return value;
    if (value === 0) return Number.NaN;
    cells[at] = 0;
    this.#sent ??= new Slab(1);
    this.#sent.take(row);
    this.#sent.chunkOf(row)[this.#sent.offsetOf(row)]! += value;
    return value;
  }
}

/** The last value recorded; NaN: none yet. */
export class GaugeFamily extends NumberFamily {
  constructor(options: FamilyOptions) {
    super(options, "gauge");
  }

  record(value: number, attributes?: Attributes): void {
    if (!isWithin(value, least.gauge)) return this.refuseValue(value);
    try {
      const row = this.index.rowOf(attributes);
      this.slab.chunkOf(row)[this.slab.offsetOf(row)] = value;
    } catch (error) {
      this.refuseAttributes(error);
    }
  }

  bind(attributes: Attributes): Recorder {
    const row = this.safeRowOf(attributes);
    return new BoundGauge(this.slab.chunkOf(row), this.slab.offsetOf(row), this);
  }

  protected override takeRow(row: number): void {
    super.takeRow(row);
    this.slab.chunkOf(row)[this.slab.offsetOf(row)] = Number.NaN;
  }

  override totalOf(row: number): number {
    return this.slab.chunkOf(row)[this.slab.offsetOf(row)]!;
  }

  protected override collectValue(row: number): number {
    return this.totalOf(row);
  }
}
