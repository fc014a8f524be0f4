/**
 * Copy on write over the nested messages of one part. A walk enters and leaves containers; as long as nothing
 * changes, nothing is written. The first change opens the containers around it in the output, and from then
 * on everything that was not looked into is copied in the longest runs that the changes leave.
 *
 *     level    0 request   1 resource container   2 scope container   3 metric   4 its data
 *     pending  [from[level], …) of the open message at each level: not copied yet
 */
import { Writer } from "./wire.ts";

/** One number a level. */
const zeros = (): number[] => [0, 0, 0, 0, 0];

/** Bytes that a length will probably need, for Writer.begin. */
function guessLengthBytes(length: number): number {
  if (length < 120) return 1;
  return length < 16_000 ? 2 : 3;
}

/**
 * How much longer parts became by rewriting, lately: room for it is made at once, because growing in the end
 * copies everything and touches new pages. It falls slowly: edits and payloads alternate. Never so much that a
 * part which did not grow would leave its buffer half empty (`finish` copies it then).
 */
let recentGrowth = 1 / 8;
const maxGrowth = 3 / 4;
/** Small parts grow more and cost nothing: they say nothing of large ones. */
const notedBytes = 16 * 1024;

function noteGrowth(before: number, after: number): void {
  if (before < notedBytes) return;
  const growth = after / before - 1 + 1 / 64;
  if (growth > recentGrowth) recentGrowth = Math.min(growth, maxGrowth);
  else recentGrowth = Math.max(recentGrowth * 0.98, 1 / 8);
}

/** Stands in until something changes; nothing is ever written to it. */
const unused = new Writer(0);

export class Patch {
  /** Where replaced messages go; a new one with the first change of each part. */
  out: Writer = unused;
  #bytes: Uint8Array = unused.bytes;
  /** Levels up to this one are open in the output; -1: nothing has changed. */
  #open = -1;
  readonly #from: number[] = zeros();
  /** The field that holds the message at each level: where it starts, its number, the length of its body. */
  readonly #fieldStart: number[] = zeros();
  readonly #number: number[] = zeros();
  readonly #bodyLength: number[] = zeros();
  readonly #kept: number[] = zeros();
  readonly #dropped: number[] = zeros();
  /** Where each open level begins in the output, and its handle. */
  readonly #mark: number[] = zeros();
  readonly #handle: number[] = zeros();
  #childStart = 0;

  /** Begins with another part. */
  reset(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#open = -1;
    this.#from[0] = 0;
    this.#kept[0] = 0;
    this.#dropped[0] = 0;
  }

  get changed(): boolean {
    return this.#open >= 0;
  }

  /** True when a child of this level can be written straight to `out`. */
  isOpen(level: number): boolean {
    return this.#open >= level;
  }

  /** The walk enters a message of a level above 0. */
  enter(level: number, fieldStart: number, number: number, start: number, end: number): void {
    this.#fieldStart[level] = fieldStart;
    this.#number[level] = number;
    this.#bodyLength[level] = end - start;
    this.#from[level] = start;
    this.#kept[level] = 0;
    this.#dropped[level] = 0;
  }

  /** A child of the message at `level` stays as it is. */
  keepChild(level: number): void {
    this.#kept[level]!++;
  }

  /** The child in the field [fieldStart, fieldEnd) goes. */
  dropChild(level: number, fieldStart: number, fieldEnd: number): void {
    this.#copyUpTo(level, fieldStart, fieldEnd);
    this.#dropped[level]!++;
  }

  /** The child in the field becomes `body`. */
  replaceChild(
    level: number,
    fieldStart: number,
    fieldEnd: number,
    number: number,
    body: Writer,
  ): void {
    this.#copyUpTo(level, fieldStart, fieldEnd);
    this.out.lengthDelimited(number, body.bytes, 0, body.position);
    this.#kept[level]!++;
  }

  /** A new field in front of what is pending at this level. */
  insert(level: number, number: number, body: Writer): void {
    this.#openLevels(level);
    this.out.lengthDelimited(number, body.bytes, 0, body.position);
  }

  /** Leaves a field of the message out without counting it as a child. */
  leaveOut(level: number, fieldStart: number, fieldEnd: number): void {
    this.#copyUpTo(level, fieldStart, fieldEnd);
  }

  /**
   * Begins a child straight in `out`, at a level that is open; the caller writes its body, then calls
   * `endChild` or `takeBack`.
   */
  beginChild(level: number, fieldStart: number, number: number, length: number): number {
    this.#copyUpTo(level, fieldStart, fieldStart);
    this.#childStart = this.out.position;
    return this.out.begin(number, guessLengthBytes(length));
  }

  endChild(level: number, handle: number, fieldEnd: number): void {
    this.out.end(handle);
    this.#from[level] = fieldEnd;
    this.#kept[level]!++;
  }

  takeBack(): void {
    this.out.position = this.#childStart;
  }

  /** The walk leaves the message at `level`, which ends at `end`; it vanishes if all its children went. */
  leave(level: number, end: number): void {
    const parent = level - 1;
    if (this.#open < level) return this.keepChild(parent);
    this.#open = parent;
    this.#from[parent] = end;
    if (this.#dropped[level]! > 0 && this.#kept[level] === 0) {
      this.out.position = this.#mark[level]!;
      this.#dropped[parent]!++;
    } else {
      this.out.raw(this.#bytes, this.#from[level], end);
      this.out.end(this.#handle[level]!);
      this.#kept[parent]!++;
    }
  }

  /** Ends the part; undefined: nothing is left. Only after a change. */
  finish(): Uint8Array | undefined {
    if (this.#dropped[0]! > 0 && this.#kept[0] === 0) return undefined;
    const { out } = this;
    out.raw(this.#bytes, this.#from[0]);
    noteGrowth(this.#bytes.length, out.position);
    // The writer is this part's own: its buffer is handed over unless it is mostly air.
    return out.position * 2 >= out.bytes.length ? out.bytes.subarray(0, out.position) : out.take();
  }

  /** Opens the level, copies what is pending before fieldStart, goes on behind fieldEnd. */
  #copyUpTo(level: number, fieldStart: number, fieldEnd: number): void {
    this.#openLevels(level);
    const from = this.#from[level]!;
    if (from < fieldStart) this.out.raw(this.#bytes, from, fieldStart);
    this.#from[level] = fieldEnd;
  }

  #openLevels(level: number): void {
    if (this.#open >= level) return;
    if (this.#open < 0) {
      const { length } = this.#bytes;
      this.out = new Writer(Math.ceil(length * (1 + recentGrowth)) + 64);
      this.#open = 0;
    }
    for (let l = this.#open + 1; l <= level; l++) {
      const fieldStart = this.#fieldStart[l]!;
      this.out.raw(this.#bytes, this.#from[l - 1], fieldStart);
      this.#from[l - 1] = fieldStart;
      this.#mark[l] = this.out.position;
      this.#handle[l] = this.out.begin(this.#number[l]!, guessLengthBytes(this.#bodyLength[l]!));
    }
    this.#open = level;
  }
}
