/**
 * The walk behind `split`: takes whole containers as long as they fit, and descends into the one that does
 * not. Pieces are filled to the limit.
 *
 *     level   0 request   1 resource container   2 scope container   3 metric   4 its data
 *     run     children of one level that follow each other in the part and in the piece: copied at once; at
 *             level 0 not copied at all
 *     frame   the fields of a descended message that are not its children: repeated in every piece that gets
 *             some of the children
 */
import { type ContainerLevel, countAt } from "./count.ts";
import type { Signal } from "./payload.ts";
import { isMetricData, meetIrregular } from "./regular.ts";
import { Cursor, varintLength, Writer } from "./wire.ts";

/** What becomes one payload. */
export interface Piece {
  readonly parts: Uint8Array[];
  readonly partItems: number[];
  readonly seams: number[];
}

const containers: readonly ContainerLevel[] = ["request", "resource", "scope", "metric", "data"];

/** A message that the walk has descended into. */
class Level {
  readonly cursor = new Cursor();
  /** Field number in its parent. */
  number = 0;
  /** Ranges of its frame in the part: start, end, start, end … */
  readonly frame: number[] = [];
  frameBytes = 0;
  /** Bytes of its body in the current piece, without a child that is still open. */
  bodyBytes = 0;
  /** It is begun in the output. */
  isOpen = false;
  handle = 0;
}

export class SplitWalk {
  readonly #signal: Signal;
  readonly #maxItems: number;
  readonly #maxBytes: number;
  /** The level whose children are items. */
  readonly #lastLevel: number;
  readonly #levels = containers.map(() => new Level());
  readonly #out = new Writer(4096);
  readonly #pieces: Piece[] = [];
  #piece: Piece = emptyPiece();
  #pieceItems = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  /** The next part of a piece begins a client's request. */
  #atSeam = false;
  /** Items of the piece since its last part. */
  #itemsSincePart = 0;
  #runLevel = 0;
  #runStart = 0;
  #runEnd = 0;

  constructor(signal: Signal, maxItems: number, maxBytes: number) {
    this.#signal = signal;
    this.#maxItems = maxItems;
    this.#maxBytes = maxBytes;
    this.#lastLevel = signal === "metrics" ? 4 : 2;
  }

  /** Adds a part to the pieces. */
  part(bytes: Uint8Array, items: number, isSeam: boolean): void {
    this.#bytes = bytes;
    this.#atSeam = isSeam;
    this.#runStart = 0;
    this.#runEnd = 0;
    if (this.#fits(0, bytes.length, items)) this.#take(0, 0, bytes.length, items);
    else this.#cut(0, 0, bytes.length);
    this.#copyRun();
  }

  finish(): Piece[] {
    if (!this.#isEmpty()) this.#closePiece();
    return this.#pieces;
  }

  /** Deals the children of the message at [start, end) out to the pieces. */
  #cut(level: number, start: number, end: number): void {
    const { cursor } = this.#levels[level]!;
    cursor.reset(this.#bytes, start, end);
    while (cursor.next()) {
      if (isChild(level, cursor.number)) this.#place(level, cursor);
      // What a request holds besides is kept where it stands; other frames are repeated.
      else if (level === 0) this.#takeAlone(0, cursor.fieldStart, cursor.valueEnd, 0);
    }
  }

  #place(level: number, child: Cursor): void {
    const { fieldStart, number, valueStart, valueEnd } = child;
    const items = this.#itemsOf(level, valueStart, valueEnd);
    const length = valueEnd - fieldStart;
    if (this.#fits(level, length, items)) return this.#take(level, fieldStart, valueEnd, items);
    if (level < this.#lastLevel && items > 0) {
      this.#descend(level + 1, number, valueStart, valueEnd);
      return;
    }
    this.#takeAlone(level, fieldStart, valueEnd, items);
  }

  /** Takes what cannot be cut: into the next piece if this one is too full. */
  #takeAlone(level: number, from: number, to: number, items: number): void {
    if (!this.#fits(level, to - from, items) && !this.#isEmpty()) this.#closePiece();
    this.#take(level, from, to, items);
  }

  #itemsOf(level: number, start: number, end: number): number {
    if (level === this.#lastLevel) return 1;
    return countAt(this.#signal, containers[level + 1]!, this.#bytes, start, end);
  }

  #descend(level: number, number: number, start: number, end: number): void {
    this.#copyRun();
    const l = this.#levels[level]!;
    l.number = number;
    l.isOpen = false;
    this.#readFrame(level, start, end);
    l.bodyBytes = l.frameBytes;
    this.#cut(level, start, end);
    this.#copyRun();
    if (!l.isOpen) return;
    this.#end(l);
    this.#levels[level - 1]!.bodyBytes += fieldLength(l.bodyBytes);
    if (level === 1) this.#addWritten();
  }

  #readFrame(level: number, start: number, end: number): void {
    const l = this.#levels[level]!;
    const { cursor, frame } = l;
    frame.length = 0;
    l.frameBytes = 0;
    let datas = 0;
    cursor.reset(this.#bytes, start, end);
    while (cursor.next()) {
      const { number, fieldStart, valueEnd } = cursor;
      if (isChild(level, number)) {
        if (level === 3 && ++datas > 1) meetIrregular();
        continue;
      }
      if (level === 1 && number === 1000) meetIrregular();
      frame.push(fieldStart, valueEnd);
      l.frameBytes += valueEnd - fieldStart;
    }
  }

  /** Whether a child field of `length` bytes may still join the piece. */
  #fits(level: number, length: number, items: number): boolean {
    if (this.#pieceItems + items > this.#maxItems) return false;
    if (this.#maxBytes === Number.POSITIVE_INFINITY) return true;
    let bytes = this.#levels[level]!.bodyBytes + length;
    for (let l = level; l > 0; l--) {
      bytes = this.#levels[l - 1]!.bodyBytes + fieldLength(bytes);
    }
    return bytes <= this.#maxBytes;
  }

  /** The child field [from, to) of the message at `level` joins the piece. */
  #take(level: number, from: number, to: number, items: number): void {
    if (level !== this.#runLevel || from !== this.#runEnd) {
      this.#copyRun();
      this.#runLevel = level;
      this.#runStart = from;
    }
    this.#runEnd = to;
    this.#pieceItems += items;
    this.#itemsSincePart += items;
    this.#levels[level]!.bodyBytes += to - from;
  }

  /** Ends the run: a view at level 0, else a copy within the messages around it. */
  #copyRun(): void {
    const { length } = this.#bytes;
    const start = this.#runStart;
    const end = this.#runEnd;
    this.#runStart = end;
    if (start === end) return;
    if (this.#runLevel === 0) {
      this.#addPart(end - start === length ? this.#bytes : this.#bytes.subarray(start, end));
      return;
    }
    for (let level = 1; level <= this.#runLevel; level++) this.#begin(this.#levels[level]!);
    this.#out.raw(this.#bytes, start, end);
  }

  #begin(l: Level): void {
    if (l.isOpen) return;
    l.isOpen = true;
    l.handle = this.#out.begin(l.number);
    for (let i = 0; i < l.frame.length; i += 2) {
      this.#out.raw(this.#bytes, l.frame[i], l.frame[i + 1]);
    }
  }

  #end(l: Level): void {
    l.isOpen = false;
    this.#out.end(l.handle);
  }

  #closePiece(): void {
    this.#copyRun();
    for (let level = this.#lastLevel; level > 0; level--) {
      const l = this.#levels[level]!;
      if (l.isOpen) this.#end(l);
      l.bodyBytes = l.frameBytes;
    }
    this.#addWritten();
    this.#pieces.push(this.#piece);
    this.#piece = emptyPiece();
    this.#pieceItems = 0;
    this.#levels[0]!.bodyBytes = 0;
  }

  #addWritten(): void {
    if (this.#out.position === 0) return;
    this.#addPart(this.#out.take());
    this.#out.reset();
  }

  #addPart(bytes: Uint8Array): void {
    const { parts, partItems, seams } = this.#piece;
    if (this.#atSeam || parts.length === 0) seams.push(parts.length);
    this.#atSeam = false;
    parts.push(bytes);
    partItems.push(this.#itemsSincePart);
    this.#itemsSincePart = 0;
  }

  #isEmpty(): boolean {
    return (
      this.#piece.parts.length === 0 && this.#out.position === 0 && this.#runStart === this.#runEnd
    );
  }
}

const emptyPiece = (): Piece => ({ parts: [], partItems: [], seams: [] });

function isChild(level: number, number: number): boolean {
  if (level === 0 || level === 4) return number === 1;
  return level === 3 ? isMetricData(number) : number === 2;
}

/** Bytes of a field with a one-byte tag around a body. */
const fieldLength = (bodyBytes: number) => 1 + varintLength(bodyBytes) + bodyBytes;
