import { equalBytes } from "./hash.ts";
import { evicted, type Interned, passing, type Slab } from "./interned.ts";

/** Makes the object for bytes that are seen for the first time. */
export type Create<T> = (hash: number) => T;

/** Also the longest key that can be kept. */
export const slabBytes = 64 * 1024;
/** What an object costs beside its key, about: its fields, its place in the table, what is memoised. */
const overheadBytes = 256;
/** Longer keys are not kept: one attribute set must not push out thousands. */
const usualMaxKeyBytes = 16 * 1024;
const smallestTable = 8;

const emptySlots = <T>(capacity: number) =>
  Array.from<T | undefined>({ length: capacity }).fill(undefined);

/** An open-addressing table of one generation. */
class Table<T extends Interned<T>> {
  slots: (T | undefined)[];
  count = 0;

  constructor(capacity: number) {
    this.slots = emptySlots(capacity);
  }

  /** The capacity that its entries need: a table must not stay large because it once was. */
  get usedCapacity(): number {
    let capacity = this.slots.length;
    while (capacity > smallestTable && this.count * 4 < capacity) capacity /= 2;
    return capacity;
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
 * The bound of bytes of one cache, or of several whose objects hold their parents in another: these turn together,
 * so that what is evicted is not kept alive, uncounted, by children that nobody can find again without it.
 *
 * Two generations: what is used moves to the young one; when that has half of the bytes, the old one is forgotten
 * whole. So eviction costs nothing a lookup, and input that never repeats costs a constant more than decoding it.
 */
export class Generations {
  readonly #halfBytes: number;
  readonly #caches: { turn: (generation: number) => void }[] = [];
  #number = 0;
  #youngBytes = 0;
  #oldBytes = 0;

  constructor(maxBytes: number) {
    this.#halfBytes = maxBytes / 2;
  }

  /** Bytes of all caches, about. */
  get heldBytes(): number {
    return this.#youngBytes + this.#oldBytes;
  }

  join(cache: { turn: (generation: number) => void }): void {
    this.#caches.push(cache);
  }

  /** Counts an object that is about to join the young generation. */
  book(bytes: number): void {
    if (this.#youngBytes + bytes > this.#halfBytes) this.#turn();
    this.#youngBytes += bytes;
  }

  #turn(): void {
    this.#number++;
    for (const cache of this.#caches) cache.turn(this.#number);
    this.#oldBytes = this.#youngBytes;
    this.#youngBytes = 0;
  }
}

/** Objects by their raw bytes, within the bound of its generations. */
export class RawCache<T extends Interned<T>> {
  readonly #generations: Generations;
  readonly #maxKeyBytes: number;
  #young = new Table<T>(256);
  #old = new Table<T>(smallestTable);
  #generation = 0;
  #slab: Slab = newSlab(slabBytes);
  #slabUsed = 0;

  /** `maxKeyBytes` is at most `slabBytes`. */
  constructor(generations: Generations, maxKeyBytes = usualMaxKeyBytes) {
    this.#generations = generations;
    this.#maxKeyBytes = maxKeyBytes;
    generations.join(this);
  }

  /** The young generation's number: objects with another one were not used since the last turn. */
  get generation(): number {
    return this.#generation;
  }

  /** The object of these bytes within its parent; made when they are new, and kept unless it is passing. */
  intern(
    parent: Interned | undefined,
    hash: number,
    view: DataView,
    start: number,
    length: number,
    create: Create<T>,
  ): T {
    if (length > this.#maxKeyBytes || parent?.generation === passing) {
      return this.#makePassing(view, start, create(hash));
    }
    const young = this.#young.find(parent, hash, view, start, length);
    if (young !== undefined) return young;
    const old = this.#old.find(parent, hash, view, start, length);
    if (old !== undefined) {
      this.keep(old);
      return old;
    }
    const made = create(hash);
    this.#add(made, view, start);
    return made;
  }

  #makePassing(view: DataView, start: number, made: T): T {
    this.#ownBytes(made, newSlab(made.length), 0, view, start);
    made.generation = passing;
    return made;
  }

  /** Moves an object that is in use to the young generation. */
  keep(entry: T): void {
    if (entry.generation === this.#generation || entry.generation < 0) return;
    this.#add(entry, entry.slab.view, entry.offset);
  }

  #add(entry: T, view: DataView, start: number): void {
    this.#generations.book(overheadBytes + entry.length + entry.decodedBytes);
    if (this.#slabUsed + entry.length > slabBytes) {
      this.#slab = newSlab(slabBytes);
      this.#slabUsed = 0;
    }
    this.#ownBytes(entry, this.#slab, this.#slabUsed, view, start);
    this.#slabUsed += entry.length;
    entry.generation = this.#generation;
    this.#young.add(entry);
  }

  #ownBytes(entry: T, slab: Slab, at: number, view: DataView, start: number): void {
    const { bytes } = slab;
    for (let i = 0; i < entry.length; i++) bytes[at + i] = view.getUint8(start + i);
    entry.slab = slab;
    entry.offset = at;
  }

  /** Called by its generations. Forgets the old one; its objects must not keep one another alive through `follower`. */
  turn(generation: number): void {
    for (const entry of this.#old.slots) {
      if (entry === undefined || entry.generation === this.#generation) continue;
      entry.generation = evicted;
      entry.follower = undefined;
    }
    this.#old = this.#young;
    this.#young = new Table<T>(this.#old.usedCapacity);
    this.#generation = generation;
    this.#slab = newSlab(slabBytes);
    this.#slabUsed = 0;
  }
}

function newSlab(length: number): Slab {
  const bytes = Buffer.allocUnsafeSlow(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
