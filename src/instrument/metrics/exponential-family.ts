import { ExponentialHistogram } from "../../metrics/exponential-histogram.ts";
import { writeExponentialFields } from "../../metrics/exponential-histogram-otlp.ts";
import { bucketIndex } from "../../metrics/exponential-scale.ts";
import type { Writer } from "../../pdata/wire.ts";
import type { Attributes, Recorder } from "../types.ts";
import { tracing } from "./active-span.ts";
import {
  Family,
  type FamilyOptions,
  type Pass,
  temporalityCumulative,
  temporalityDelta,
} from "./family.ts";

const isRecordable = (value: number) =>
  typeof value === "number" && value >= 0 && value <= Number.MAX_VALUE;

/** Exemplars are told apart by octaves: a reader has no use for one in each of hundreds of buckets. */
const octaveOf = (value: number) => bucketIndex(value, 0);

class BoundSketch implements Recorder {
  readonly #sketch: ExponentialHistogram;
  readonly #family: Family;
  readonly #row: number;

  constructor(sketch: ExponentialHistogram, row: number, family: Family) {
    this.#sketch = sketch;
    this.#family = family;
    this.#row = row;
  }

  record(value: number): void {
    if (!isRecordable(value)) return this.#family.refuseValue(value);
    this.#sketch.add(value);
    if (tracing.manager !== undefined && this.#family.isExemplarDue()) {
      this.#family.offerExemplar(this.#row, octaveOf(value), value);
    }
  }
}

/** Exponential histograms of scale 5: quantiles within 1.1 %, over 40 octaves; a wider range lowers the scale. */
export class ExponentialFamily extends Family {
  readonly #sketches: ExponentialHistogram[] = [];
  /** What delta points took out of the sketches, by row. */
  readonly #sent: (ExponentialHistogram | undefined)[] = [];

  constructor(options: FamilyOptions) {
    super(options, { dataField: 10, attributesField: 1, exemplarsField: 11, isMonotonic: false });
  }

  record(value: number, attributes?: Attributes): void {
    if (!isRecordable(value)) return this.refuseValue(value);
    try {
      const row = this.index.rowOf(attributes);
      this.#sketches[row]!.add(value);
      if (tracing.manager !== undefined && this.isExemplarDue()) {
        this.offerExemplar(row, octaveOf(value), value);
      }
    } catch (error) {
      this.refuseAttributes(error);
    }
  }

  bind(attributes: Attributes): Recorder {
    const row = this.safeRowOf(attributes);
    return new BoundSketch(this.#sketches[row]!, row, this);
  }

  override temporality(pass: Pass): number {
    return pass.isDelta ? temporalityDelta : temporalityCumulative;
  }

  protected override takeRow(): void {
    this.#sketches.push(new ExponentialHistogram());
  }

  /** To be read only. */
  totalOf(row: number): ExponentialHistogram {
    const sketch = this.#sketches[row]!;
    const sent = this.#sent[row];
    if (sent === undefined) return sketch;
    const total = sent.clone();
    total.merge(sketch);
    return total;
  }

  /** Begins a row anew. */
  #settle(row: number, sketch: ExponentialHistogram): void {
    while (this.#sent.length <= row) this.#sent.push(undefined);
    this.#sent[row] ??= new ExponentialHistogram();
    this.#sent[row].merge(sketch);
    sketch.reset();
  }

  override writeRow(row: number, pass: Pass, out: Writer): boolean {
    const sketch = this.#sketches[row]!;
    if (sketch.count === 0 && pass.isDelta) return false;
    const point = out.begin(1, 2);
    // 2: start_time_unix_nano and 3: time_unix_nano, as in the other points.
    out.raw(pass.times);
    writeExponentialFields(out, sketch);
    this.attributes.write(out, row);
    const exemplars = this.takeExemplars(row);
    if (exemplars !== undefined) out.raw(exemplars);
    out.end(point);
    if (pass.isDelta) this.#settle(row, sketch);
    return true;
  }
}
