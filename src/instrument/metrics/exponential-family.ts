import { ExponentialHistogram } from "../../metrics/exponential-histogram.ts";
import { writeExponentialFields } from "../../metrics/exponential-histogram-otlp.ts";
import type { Writer } from "../../pdata/wire.ts";
import type { Attributes, Recorder } from "../types.ts";
import {
  Family,
  type FamilyOptions,
  type Pass,
  temporalityCumulative,
  temporalityDelta,
} from "./family.ts";

const isRecordable = (value: number) =>
  typeof value === "number" && value >= 0 && value <= Number.MAX_VALUE;

class BoundSketch implements Recorder {
  readonly #sketch: ExponentialHistogram;
  readonly #family: Family;

  constructor(sketch: ExponentialHistogram, family: Family) {
    this.#sketch = sketch;
    this.#family = family;
  }

  record(value: number): void {
    if (isRecordable(value)) this.#sketch.add(value);
    else this.#family.refuseValue(value);
  }
}

/** Exponential histograms of scale 5: quantiles within 1.1 %, over 40 octaves; a wider range lowers the scale. */
export class ExponentialFamily extends Family {
  readonly #sketches: ExponentialHistogram[] = [];

  constructor(options: FamilyOptions) {
    super(options, { dataField: 10, attributesField: 1, isMonotonic: false });
  }

  record(value: number, attributes?: Attributes): void {
    if (!isRecordable(value)) return this.refuseValue(value);
    try {
      this.#sketches[this.index.rowOf(attributes)]!.add(value);
    } catch (error) {
      this.refuseAttributes(error);
    }
  }

  bind(attributes: Attributes): Recorder {
    return new BoundSketch(this.#sketches[this.safeRowOf(attributes)]!, this);
  }

  override temporality(pass: Pass): number {
    return pass.isDelta ? temporalityDelta : temporalityCumulative;
  }

  protected override takeRow(): void {
    this.#sketches.push(new ExponentialHistogram());
  }

  override writeRow(row: number, pass: Pass, out: Writer): boolean {
    const sketch = this.#sketches[row]!;
    if (sketch.count === 0 && pass.isDelta) return false;
    const point = out.begin(1, 2);
    // 2: start_time_unix_nano and 3: time_unix_nano, as in the other points.
    out.raw(pass.times);
    writeExponentialFields(out, sketch);
    this.attributes.write(out, row);
    out.end(point);
    if (pass.isDelta) sketch.reset();
    return true;
  }
}
