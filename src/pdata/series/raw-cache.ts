import { equalBytes } from "./hash.ts";
import type { Interned, Slab } from "./interned.ts";

/** Makes the object for bytes that are seen for the first time. */
export type Create<T> = (hash: number) => T;

const slabBytes = 64 * 1024;
/** What an object costs beside its key, about: its fields, its place in the table, what is memoised. */
const overheadBytes = 256;
/** Longer keys are not cached: one attribute set must not push out thousands. */
const maxKeyBytes = 16 * 1024;

const emptySlots = <T>(capacity: number) =>
  Array.from<T | undefined>({ length: capacity }).fill(undefined);

/** An open-addressing table of one generation. */
class Table<T extends Interned<T>> {
  slots: (T | undefined)[];
  count = 0;

  constructor(capacity: number) {
    this.slots = emptySlots(capacity);
  }

  find(
    parent: Interned | undefined,
    hash: number,
    view: DataView,
    start: number,
    length: number,
  ): T | undefined {
    const { slots } = this;
    const mask = slots.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const entry = slots[i];
      if (entry === undefined) return undefined;
      if (
        entry.hash === hash &&
        entry.length === length &&
        entry.parent === parent &&
        equalBytes(view, start, entry.slab.view, entry.offset, length)
      ) {
        return entry;
      }
    }
  }

  add(entry: T): void {
    if (this.count * 2 >= this.slots.length) this.#grow();
    this.count++;
    this.#place(entry);
  }

  #place(entry: T): void {
    const mask = this.slots.length - 1;
    let i = entry.hash & mask;
    while (this.slots[i] !== undefined) i = (i + 1) & mask;
    this.slots[i] = entry;
  }

  #grow(): void {
    const old = this.slots;
    this.slots = emptySlots(old.length * 2);
    for (const entry of old) if (entry !== undefined) this.#place(entry);
  }
}

/**
 * Objects by their raw bytes, within a bound of bytes. Two generations: what is used moves to the young one;
 * when that has half of the bytes, the old one is forgotten whole. So eviction costs nothing a lookup, and
 * input that never repeats costs a constant more than decoding it.
 */
export class RawCache<T extends Interned<T>> {
  readonly #halfBytes: number;
  #young = new Table<T>(256);
  #old = new Table<T>(8);
  #youngBytes = 0;
  #oldBytes = 0;
  #generation = 0;
  #slab: Slab = newSlab(slabBytes);
  #slabUsed = 0;

  constructor(maxBytes: number) {
    this.#halfBytes = maxBytes / 2;
  }

  /** Bytes it holds, about. */
  get heldBytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  /** The young generation's number: objects with another one were not used since the last turn. */
  get generation(): number {
    return this.#generation;
  }

  /** The object of these bytes within its parent; made and kept when they are new. */
  intern(
    parent: Interned | undefined,
    hash: number,
    view: DataView,
    start: number,
    length: number,
    create: Create<T>,
  ): T {
    const young = this.#young.find(parent, hash, view, start, length);
    if (young !== undefined) return young;
    const old = this.#old.find(parent, hash, view, start, length);
    if (old !== undefined) {
      this.keep(old);
      return old;
    }
    const made = create(hash);
    if (length > maxKeyBytes) this.#ownBytes(made, newSlab(length), 0, view, start);
    else this.#add(made, view, start);
    return made;
  }

  /** Moves an object that is in use to the young generation. */
  keep(entry: T): void {
    if (entry.generation === this.#generation || entry.generation === -1) return;
    this.#add(entry, entry.slab.view, entry.offset);
  }

  #add(entry: T, view: DataView, start: number): void {
    const bytes = entry.length + overheadBytes;
    if (this.#youngBytes + bytes > this.#halfBytes) this.#turn();
    if (this.#slabUsed + entry.length > slabBytes) {
      this.#slab = newSlab(slabBytes);
      this.#slabUsed = 0;
    }
    this.#ownBytes(entry, this.#slab, this.#slabUsed, view, start);
    this.#slabUsed += entry.length;
    this.#youngBytes += bytes;
    entry.generation = this.#generation;
    this.#young.add(entry);
  }

  #ownBytes(entry: T, slab: Slab, at: number, view: DataView, start: number): void {
    const { bytes } = slab;
    for (let i = 0; i < entry.length; i++) bytes[at + i] = view.getUint8(start + i);
    entry.slab = slab;
    entry.offset = at;
  }

  /** Forgets the old generation; its objects must not keep one another alive through `follower`. */
  #turn(): void {
    for (const entry of this.#old.slots) {
      if (entry === undefined || entry.generation === this.#generation) continue;
      entry.generation = -1;
      entry.follower = undefined;
    }
    this.#old = this.#young;
    this.#oldBytes = this.#youngBytes;
    this.#young = new Table<T>(this.#old.slots.length);
    this.#youngBytes = 0;
    this.#generation++;
    this.#slab = newSlab(slabBytes);
    this.#slabUsed = 0;
  }
}

function newSlab(length: number): Slab {
  const bytes = Buffer.allocUnsafeSlow(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
