const noCounts = new Float64Array(0);
const smallestSize = 8;
const noLow = 0x7fff_ffff;
const noHigh = -0x8000_0000;

/** Counts of the buckets low … high; both ends are in use. An array with slack around that range. */
export class Buckets {
  low = noLow;
  high = noHigh;
  #counts: Float64Array = noCounts;
  /** Index of the bucket that the first count is for. */
  #offset = 0;

  get isEmpty(): boolean {
    return this.low > this.high;
  }

  get heldBytes(): number {
    return this.#counts.byteLength;
  }

  at(index: number): number {
    return index < this.low || index > this.high ? 0 : this.#counts[index - this.#offset]!;
  }

  /** The index is within low … high. */
  increment(index: number, count: number): void {
    this.#counts[index - this.#offset]! += count;
  }

  total(): number {
    let total = 0;
    for (let i = this.low; i <= this.high; i++) total += this.#counts[i - this.#offset]!;
    return total;
  }

  /** Widens the range to low … high, which contains it; it fits into maxSize. */
  extend(low: number, high: number, maxSize: number): void {
    const first = this.#offset;
    const isInside = low >= first && high < first + this.#counts.length;
    if (!isInside && this.isEmpty) this.#placeEmpty(low, high, maxSize);
    else if (!isInside) this.#move(low, high, maxSize);
    this.low = low;
    this.high = high;
  }

  #placeEmpty(low: number, high: number, maxSize: number): void {
    const width = high - low + 1;
    if (this.#counts.length < width) this.#counts = new Float64Array(sizeFor(width, maxSize));
    this.#offset = low - ((this.#counts.length - width) >> 1);
  }

  /** To a larger array, or another place in one of the same size; the slack goes to the side that grows. */
  #move(low: number, high: number, maxSize: number): void {
    const width = high - low + 1;
    const size = Math.max(sizeFor(width, maxSize), this.#counts.length);
    const offset = low < this.low ? low - (size - width) : low;
    const counts = new Float64Array(size);
    const used = this.#counts.subarray(this.low - this.#offset, this.high - this.#offset + 1);
    counts.set(used, this.low - offset);
    this.#counts = counts;
    this.#offset = offset;
  }

  /** Joins 2^shift neighbours each, in place: a bucket never moves up in the array. */
  coarsen(shift: number): void {
    if (this.isEmpty) return;
    const { low, high } = this;
    const counts = this.#counts;
    const offset = low >> shift;
    for (let i = low; i <= high; i++) {
      const at = i - this.#offset;
      const count = counts[at]!;
      counts[at] = 0;
      counts[(i >> shift) - offset]! += count;
    }
    this.#offset = offset;
    this.low = offset;
    this.high = high >> shift;
  }

  /** Narrows the range to the buckets that count something. */
  tighten(): void {
    while (!this.isEmpty && this.#counts[this.low - this.#offset] === 0) this.low++;
    while (!this.isEmpty && this.#counts[this.high - this.#offset] === 0) this.high--;
    if (this.isEmpty) this.clear();
  }

  clear(): void {
    if (!this.isEmpty) this.#counts.fill(0, this.low - this.#offset, this.high - this.#offset + 1);
    this.low = noLow;
    this.high = noHigh;
  }
}

function sizeFor(width: number, maxSize: number): number {
  let size = smallestSize;
  while (size < width) size *= 2;
  return Math.min(size, maxSize);
}
