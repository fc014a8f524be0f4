/**
 * A metric taken apart for a transform, as far as the transform needs it; what nobody touched is written as it
 * was.
 *
 *     Metric = name:1 … data:5|7|9|10|11        data = point:1 …
 */
import type { Bytes } from "../../src/attribute-actions/attribute-set.ts";
import { pointAttributesField } from "../../src/pdata/attributes.ts";
import { countAt } from "../../src/pdata/count.ts";
import { isMetricData, meetIrregular } from "../../src/pdata/regular.ts";
import type { MetricKind } from "../../src/pdata/rewrite.ts";
import { Cursor, type Writer } from "../../src/pdata/wire.ts";
import type { MetricTraits } from "./aggregation.ts";
import { DraftPoint } from "./draft-point.ts";

const kinds: Readonly<Record<number, MetricKind>> = {
  5: "gauge",
  7: "sum",
  9: "histogram",
  10: "exponentialHistogram",
  11: "summary",
};

export class MetricDraft {
  /** Where the message stands that it was made from. */
  readonly source: Bytes;
  /** As it is now. */
  name: string;
  unit = "";
  kind: MetricKind = "none";
  #isRenamed = false;
  /** Field number of the data; 0: there is none. */
  #dataNumber = 0;
  #dataStart = 0;
  #dataEnd = 0;
  /** undefined: nobody asked for them yet. */
  #points: DraftPoint[] | undefined;
  #pointsChanged = false;

  /** The metric whose message stands there. */
  constructor(source: Bytes) {
    this.source = source;
    this.name = "";
    const c = this.#fields();
    while (c.next()) {
      if (c.number === 1) this.name = c.string();
      else if (c.number === 3) this.unit = c.string();
      else if (isMetricData(c.number)) this.#setData(c);
    }
  }

  #fields(): Cursor {
    const { bytes, start, end } = this.source;
    return new Cursor().reset(bytes, start, end);
  }

  #dataFields(): Cursor {
    return new Cursor().reset(this.source.bytes, this.#dataStart, this.#dataEnd);
  }

  #setData(c: Cursor): void {
    if (this.#dataNumber !== 0) meetIrregular();
    this.#dataNumber = c.number;
    this.#dataStart = c.valueStart;
    this.#dataEnd = c.valueEnd;
    this.kind = kinds[c.number]!;
  }

  get isChanged(): boolean {
    return this.#isRenamed || this.#pointsChanged;
  }

  get attributesField(): number {
    return pointAttributesField[this.kind];
  }

  /** OTLP's number of the data's temporality: 1 delta, 2 cumulative; meaningless for gauges and summaries. */
  get temporality(): number {
    return this.#dataVarint(2);
  }

  get isMonotonic(): boolean {
    return this.kind === "sum" && this.#dataVarint(3) !== 0;
  }

  #dataVarint(number: number): number {
    const c = this.#dataFields();
    let value = 0;
    while (c.next()) if (c.number === number) value = c.varint();
    return value;
  }

  get traits(): MetricTraits {
    const { kind, attributesField } = this;
    // Gauges have no temporality.
    return { kind, attributesField, isDelta: kind !== "gauge" && this.temporality === 1 };
  }

  /** Whether it lost all of its points. */
  get isEmptied(): boolean {
    return this.#pointsChanged && this.points.length === 0 && this.#sourcePoints() > 0;
  }

  #sourcePoints(): number {
    const { bytes, start, end } = this.source;
    return countAt("metrics", "metric", bytes, start, end);
  }

  get pointCount(): number {
    return this.#points?.length ?? this.#sourcePoints();
  }

  /** To be changed only through `setPoints` and `pointsEdited`. */
  get points(): readonly DraftPoint[] {
    this.#points ??= this.#readPoints();
    return this.#points;
  }

  #readPoints(): DraftPoint[] {
    const { attributesField } = this;
    const { bytes } = this.source;
    const points: DraftPoint[] = [];
    const c = this.#dataFields();
    while (c.next()) {
      if (c.number === 1) {
        points.push(DraftPoint.read(bytes, c.valueStart, c.valueEnd, attributesField));
      }
    }
    return points;
  }

  rename(name: string): void {
    if (name === this.name) return;
    this.name = name;
    this.#isRenamed = true;
  }

  setPoints(points: readonly DraftPoint[]): void {
    this.#points = [...points];
    this.#pointsChanged = true;
  }

  /** Says that points were edited in place. */
  pointsEdited(): void {
    this.#pointsChanged = true;
  }

  /** A copy that can be changed alone; with these points, or all. */
  clone(points?: readonly DraftPoint[]): MetricDraft {
    const copy = new MetricDraft(this.source);
    copy.rename(this.name);
    const chosen = points ?? this.#points;
    if (chosen !== undefined) copy.#points = chosen.map((point) => point.clone());
    copy.#pointsChanged = this.#pointsChanged || points !== undefined;
    return copy;
  }

  /** Writes the metric's message. */
  write(out: Writer): void {
    const { bytes, start, end } = this.source;
    if (!this.isChanged) return out.raw(bytes, start, end);
    if (this.#isRenamed) out.string(1, this.name);
    const c = this.#fields();
    while (c.next()) {
      if (c.number === 1 && this.#isRenamed) continue;
      if (this.#pointsChanged && c.number === this.#dataNumber) this.#writeData(out);
      else out.raw(c.bytes, c.fieldStart, c.valueEnd);
    }
  }

  #writeData(out: Writer): void {
    const handle = out.begin(this.#dataNumber);
    for (const point of this.points) {
      const pointHandle = out.begin(1, point.end - point.start < 120 ? 1 : 2);
      point.write(out);
      out.end(pointHandle);
    }
    const c = this.#dataFields();
    while (c.next()) if (c.number !== 1) out.raw(c.bytes, c.fieldStart, c.valueEnd);
    out.end(handle);
  }
}
