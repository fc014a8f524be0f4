import {
  lengthAt,
  lengthEnd,
  type Point,
  skipValue,
  uint64At,
} from "../../src/pdata/series/point.ts";

/** A histogram with explicit bounds; counts are of single buckets, one more than bounds (or none at all). */
export interface HistogramData {
  readonly kind: "histogram";
  bounds: Float64Array;
  counts: Float64Array;
  count: number;
  sum: number;
  hasSum: boolean;
  /** What it costs in memory, about. */
  readonly bytes: number;
}

const none = new Float64Array(0);

/**
 *     HistogramDataPoint = count:4 fixed64, sum:5 double, bucket_counts:6 fixed64 packed, explicit_bounds:7
 *     double packed; each may also stand unpacked, and a packed field replaces what came before it.
 *
 * Reused: where the fields lie in the current point. A histogram point is a third of a testbed's points, so
 * its numbers are read straight into the arrays of the state.
 */
export class HistogramReader {
  count = 0;
  sum = 0;
  hasSum = false;
  #view: DataView = new DataView(new ArrayBuffer(0));
  /** Offsets of the packed fields. */
  #countsAt = 0;
  #countsLength = 0;
  #boundsAt = 0;
  #boundsLength = 0;
  /** Values that stand unpacked: no SDK writes them so. */
  #unpackedCounts: number[] | undefined;
  #unpackedBounds: number[] | undefined;

  read(point: Point): void {
    this.#begin(point.view);
    const b = point.bytes;
    let p = point.start;
    while (p < point.end) {
      let tag = b[p]!;
      let at = p + 1;
      if (tag > 127) {
        tag = lengthAt(b, p);
        at = lengthEnd(b, p);
      }
      p = skipValue(b, at, tag & 7);
      if (tag >= 0x21 && tag <= 0x3a) this.#field(tag, at, p, b);
    }
  }

  #begin(view: DataView): void {
    this.#view = view;
    this.count = 0;
    this.sum = 0;
    this.hasSum = false;
    this.#countsLength = 0;
    this.#boundsLength = 0;
    this.#unpackedCounts = undefined;
    this.#unpackedBounds = undefined;
  }

  #field(tag: number, at: number, end: number, b: Uint8Array): void {
    switch (tag) {
      case 0x21:
        this.count = uint64At(this.#view, at);
        return;
      case 0x29:
        this.sum = this.#view.getFloat64(at, true);
        this.hasSum = true;
        return;
      case 0x32:
        this.#countsAt = lengthEnd(b, at);
        this.#countsLength = (end - this.#countsAt) / 8;
        this.#unpackedCounts = undefined;
        return;
      case 0x3a:
        this.#boundsAt = lengthEnd(b, at);
        this.#boundsLength = (end - this.#boundsAt) / 8;
        this.#unpackedBounds = undefined;
        return;
      case 0x31:
        this.#unpackedCounts = [...(this.#unpackedCounts ?? this.#packedCounts())];
        this.#unpackedCounts.push(uint64At(this.#view, at));
        this.#countsLength = this.#unpackedCounts.length;
        return;
      case 0x39:
        this.#unpackedBounds = [...(this.#unpackedBounds ?? this.#packedBounds())];
        this.#unpackedBounds.push(this.#view.getFloat64(at, true));
        this.#boundsLength = this.#unpackedBounds.length;
        return;
      default:
    }
  }

  #packedCounts = () => Array.from({ length: this.#countsLength }, (_, i) => this.#countAt(i));
  #packedBounds = () => Array.from({ length: this.#boundsLength }, (_, i) => this.#boundAt(i));

  #countAt(i: number): number {
    const { view, at } = { view: this.#view, at: this.#countsAt + i * 8 };
    return this.#unpackedCounts === undefined ? uint64At(view, at) : this.#unpackedCounts[i]!;
  }

  #boundAt(i: number): number {
    return this.#unpackedBounds === undefined
      ? this.#view.getFloat64(this.#boundsAt + i * 8, true)
      : this.#unpackedBounds[i]!;
  }

  /** Whether there are as many counts as bounds ask for, and the bounds ascend. */
  get wellFormed(): boolean {
    if (this.#countsLength === 0) return this.#boundsLength === 0;
    if (this.#countsLength !== this.#boundsLength + 1) return false;
    for (let i = 0; i < this.#boundsLength; i++) {
      const bound = this.#boundAt(i);
      if (Number.isNaN(bound) || (i > 0 && bound <= this.#boundAt(i - 1))) return false;
    }
    return true;
  }

  hasBounds(bounds: Float64Array): boolean {
    const length = this.#boundsLength;
    if (bounds.length !== length) return false;
    for (let i = 0; i < length; i++) if (bounds[i] !== this.#boundAt(i)) return false;
    return true;
  }

  bounds(): Float64Array {
    return this.#boundsLength === 0 ? none : Float64Array.from(this.#packedBounds());
  }

  /** The number of bucket counts. */
  get size(): number {
    return this.#countsLength;
  }

  /** Adds the counts to an array of `size`. */
  addCounts(counts: Float64Array): void {
    for (let i = 0; i < counts.length; i++) counts[i] = counts[i]! + this.#countAt(i);
  }

  /** Writes the counts into an array of `size`. */
  copyCounts(counts: Float64Array): void {
    for (let i = 0; i < counts.length; i++) counts[i] = this.#countAt(i);
  }
}
