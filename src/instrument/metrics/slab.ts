/** Numbers a chunk of rows holds, about. */
const chunkCells = 1024;

/**
 * Rows of numbers, `stride` cells each. Grows by whole chunks and never moves one: a bound handle keeps its chunk
 * and the place in it, and adds with one load and one store.
 */
export class Slab {
  readonly stride: number;
  readonly shift: number;
  readonly mask: number;
  readonly chunks: Float64Array[] = [];
  /** Rows that were taken. */
  rows = 0;

  constructor(stride: number) {
    this.stride = stride;
    this.shift = Math.max(0, Math.floor(Math.log2(chunkCells / stride)));
    this.mask = (1 << this.shift) - 1;
  }

  /** Makes the row exist, and all before it. */
  take(row: number): void {
    if (row >= this.rows) this.rows = row + 1;
    while (row >> this.shift >= this.chunks.length) {
      this.chunks.push(new Float64Array(this.stride << this.shift));
    }
  }

  chunkOf(row: number): Float64Array {
    return this.chunks[row >> this.shift]!;
  }

  /** The row's cells; of a row that was taken. */
  rowOf(row: number): Float64Array {
    const at = this.offsetOf(row);
    return this.chunkOf(row).subarray(at, at + this.stride);
  }

  /** Index of the row's first cell in its chunk. */
  offsetOf(row: number): number {
    return (row & this.mask) * this.stride;
  }
}
