import { Writer, wireLength } from "../../pdata/wire.ts";
import { messageOf, type Problems } from "../problems.ts";
import type { Attributes } from "../types.ts";
import { type Pair, readAttributes, writeAttributes } from "./attribute-bytes.ts";
import { AttributeIndex } from "./attribute-index.ts";
import { AttributeRules, type Declared } from "./attribute-rules.ts";
import { ByteRows } from "./byte-rows.ts";
import { Exemplars, maxPause } from "./exemplars.ts";

export interface FamilyOptions {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly maxSeries: number;
  readonly attributes: Declared | undefined;
  readonly problems: Problems;
}

/** What all points of one collection have in common. */
export interface Pass {
  readonly isDelta: boolean;
  /** The fields start_time_unix_nano and time_unix_nano, encoded. */
  readonly times: Uint8Array;
  /** The same of points that are cumulative although the pass is delta. */
  readonly cumulativeTimes: Uint8Array;
}

/** Numbers of the fields of a metric and of its points, which differ by kind. */
export interface FamilyLayout {
  /** The member of Metric that holds the points. */
  readonly dataField: number;
  readonly attributesField: number;
  /** Undefined: the points carry none. */
  readonly exemplarsField: number | undefined;
  readonly isMonotonic: boolean;
}

export const temporalityDelta = 1;
export const temporalityCumulative = 2;
const scratch = new Writer(256);
const exemplarBytes = new Writer(256);

/**
 * One metric: its series as rows, their attributes encoded once. Two kinds of readers: `writeRow` for the pass that
 * sends (of delta points it takes what it writes), and the `totalOf` of each kind, which changes nothing and says
 * what was recorded since the start.
 */
export abstract class Family {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly layout: FamilyLayout;
  protected readonly index: AttributeIndex;
  protected readonly attributes = new ByteRows();
  readonly #problems: Problems;
  /** Made for the first value that may have one. */
  #exemplars: Exemplars | undefined;
  /** So many values pass before one is offered as an exemplar. */
  #toPass = 0;

  constructor(options: FamilyOptions, layout: FamilyLayout) {
    this.name = options.name;
    this.unit = options.unit;
    this.description = options.description;
    this.layout = layout;
    this.#problems = options.problems;
    this.index = new AttributeIndex({
      rules: new AttributeRules(options.name, options.attributes, options.problems),
      maxSeries: options.maxSeries,
      onRow: (pairs) => this.#addRow(pairs),
    });
  }

  get rows(): number {
    return this.index.rows;
  }
  get overflowed(): number {
    return this.index.overflowed;
  }

  /** aggregation_temporality of the family's points; undefined: they have none. */
  abstract temporality(pass: Pass): number | undefined;
  /** Writes a row's point; false: there is nothing to say. */
  abstract writeRow(row: number, pass: Pass, out: Writer): boolean;
  /** Called before the rows are read. */
  beforeCollect(): void {}
  protected abstract takeRow(row: number): void;

  /** Begins a point whose other fields take so many bytes: cheaper than to write its length afterwards. */
  protected beginPoint(row: number, otherBytes: number, out: Writer): void {
    out.tag(1, wireLength);
    out.varint(otherBytes + this.attributes.lengthOf(row));
    this.attributes.write(out, row);
  }

  /** Whether the value at hand is to be offered; behind a look at `tracing.manager`, and small enough to be inlined. */
  isExemplarDue(): boolean {
    if (this.#toPass === 0) return true;
    this.#toPass--;
    return false;
  }

  /** Values of one bucket are alike; what has no buckets says 0. */
  offerExemplar(row: number, bucket: number, value: number): void {
    const { exemplarsField } = this.layout;
    if (exemplarsField !== undefined) this.#exemplars ??= new Exemplars(exemplarsField);
    this.#toPass = this.#exemplars?.offer(row, bucket, value) ?? maxPause;
  }

  /** A row's exemplars, encoded as fields of its point, until the next call; they are then forgotten. */
  protected takeExemplars(row: number): Uint8Array | undefined {
    if (this.#exemplars === undefined) return undefined;
    exemplarBytes.reset();
    this.#exemplars.take(row, exemplarBytes);
    if (exemplarBytes.position === 0) return undefined;
    return exemplarBytes.bytes.subarray(0, exemplarBytes.position);
  }

  attributesOf(row: number): Pair[] {
    return readAttributes(this.attributes.at(row));
  }

  /** For bind, where an application's getter may throw. */
  protected safeRowOf(attributes: Attributes | undefined): number {
    try {
      return this.index.rowOf(attributes);
    } catch (error) {
      this.refuseAttributes(error);
      return this.index.rowOf(undefined);
    }
  }

  refuseAttributes(error: unknown): void {
    const message = `${this.name}: cannot read the attributes: ${messageOf(error)}`;
    this.#problems.report("invalid_attributes", message, this.name);
  }

  refuseValue(value: unknown): void {
    const shown = typeof value === "number" ? String(value) : `a ${typeof value}`;
    this.#problems.report("invalid_value", `${this.name}: ${shown} is not recorded`, this.name);
  }

  #addRow(pairs: readonly Pair[]): void {
    scratch.reset();
    writeAttributes(scratch, this.layout.attributesField, pairs);
    this.takeRow(this.index.rows);
    this.attributes.append(scratch.bytes.subarray(0, scratch.position));
  }
}
