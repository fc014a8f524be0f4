/**
 * What an edit makes of a set of attributes, remembered by the raw bytes of the set: senders repeat the same sets
 * request after request. Within a bound of bytes; input that never repeats is edited past the cache.
 */
import { equalBytes, hashBytes } from "../pdata/series/hash.ts";
import { Interned } from "../pdata/series/interned.ts";
import { Generations, RawCache } from "../pdata/series/raw-cache.ts";
import { dataViewOf, Writer } from "../pdata/wire.ts";
import { AttributeSet } from "./attribute-set.ts";

/** What an edit also depends on, beside the attributes: one object for one state of it. */
export class EditVariant<V = unknown> extends Interned {
  readonly parent = undefined;
  readonly value: V;

  constructor(number: number, value: V) {
    super(Math.imul(number + 1, 0x9e3779b1) | 0, 0);
    this.value = value;
  }
}

/** Edits the set in place; what it returns is kept beside the result (`EditResult.flags`). */
export type SetEdit<V = unknown> = (set: AttributeSet, variant: EditVariant<V>) => number;

/** The outcome for one set; valid until the next look-up. */
export interface EditResult {
  readonly flags: number;
  readonly changed: boolean;
  /** Whether `bytes` stay as they are; else they are valid until the next look-up. */
  readonly isKept: boolean;
  /** The edited attributes, where changed. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** So many bytes at the beginning are those of the original: whoever has it at hand can copy from there. */
  readonly prefix: number;
}

const empty = new Uint8Array(0);
/** Stands for edited bytes that found no room. */
const lost = new Uint8Array(0);

class Edited extends Interned<Edited> implements EditResult {
  readonly parent: EditVariant;
  flags = 0;
  changed = false;
  readonly isKept = true;
  bytes: Uint8Array = empty;
  start = 0;
  end = 0;
  prefix = 0;
  /** The generation in whose slabs the edited bytes lie. */
  slabGeneration = -1;

  constructor(parent: EditVariant, hash: number, length: number) {
    super(hash, length);
    this.parent = parent;
  }
}

/** Keys that RawCache would not keep. */
const maxKeyBytes = 16 * 1024;
const slabBytes = 64 * 1024;
const scratchBytes = 1024;
/** A larger writer is not kept for the next edit. */
const keptScratchBytes = 256 * 1024;
/** Look-ups between two looks at how many of them were hits. */
const windowSize = 1024;
/** With fewer hits in a window than one in this many, what follows is edited past the cache for a while. */
const worthwhileShare = 4;
const maxBypassWindows = 16;

export class EditCache<V = unknown> {
  readonly #edit: SetEdit<V>;
  readonly #maxEditedBytes: number;
  readonly #generations: Generations;
  readonly #cache: RawCache<Edited>;
  readonly #set = new AttributeSet();
  #scratch = new Writer(scratchBytes);
  /** The outcome of an edit that is not kept. */
  readonly #passing = {
    flags: 0,
    changed: false,
    isKept: false,
    bytes: empty as Uint8Array,
    start: 0,
    end: 0,
    prefix: 0,
  };
  #last: Edited | undefined;
  #slab: Uint8Array = empty;
  #slabUsed = 0;
  #slabGeneration = 0;
  #editedBytes = 0;
  #previousEditedBytes = 0;
  #lookups = 0;
  #misses = 0;
  #bypassed = 0;
  #bypassWindows = 1;

  /** Keeps about `maxBytes` of sets and as much of what became of them. */
  constructor(edit: SetEdit<V>, maxBytes = 8 * 1024 * 1024) {
    this.#edit = edit;
    this.#maxEditedBytes = maxBytes / 2;
    this.#generations = new Generations(maxBytes);
    this.#cache = new RawCache(this.#generations);
  }

  /** Bytes it holds, about. */
  get heldBytes(): number {
    return this.#generations.heldBytes + this.#editedBytes + this.#previousEditedBytes;
  }

  /** The outcome for the attribute fields `number` at [start, end), nothing else between them. */
  lookup(
    variant: EditVariant<V>,
    number: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): EditResult {
    const length = end - start;
    const view = dataViewOf(bytes);
    const expected = this.#last?.follower;
    if (
      expected !== undefined &&
      expected.length === length &&
      expected.parent === variant &&
      expected.generation === this.#cache.generation &&
      expected.slabGeneration === expected.generation &&
      equalBytes(view, start, expected.slab.view, expected.offset, length)
    ) {
      this.#last = expected;
      return expected;
    }
    // The bytes of an empty set do not say which field it would be.
    if (length === 0 || length > maxKeyBytes) {
      return this.#editPast(variant, number, bytes, start, end);
    }
    if (this.#bypassed > 0) {
      this.#bypassed--;
      return this.#editPast(variant, number, bytes, start, end);
    }
    return this.#intern(variant, number, bytes, start, end);
  }

  #intern(
    variant: EditVariant<V>,
    number: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): EditResult {
    const view = dataViewOf(bytes);
    const hash = hashBytes(view, start, end, variant.hash);
    if (++this.#lookups === windowSize) this.#endWindow();
    const found = this.#cache.intern(variant, hash, view, start, end - start, (h) =>
      this.#create(variant, h, this.#editPast(variant, number, bytes, start, end), end - start),
    );
    if (found.slabGeneration !== this.#cache.generation && !this.#keepEdited(found)) {
      return this.#editPast(variant, number, bytes, start, end);
    }
    if (this.#last !== undefined) this.#last.follower = found;
    this.#last = found;
    return found;
  }

  #create(variant: EditVariant<V>, hash: number, result: EditResult, length: number): Edited {
    this.#misses++;
    const made = new Edited(variant, hash, length);
    made.flags = result.flags;
    made.changed = result.changed;
    made.bytes = result.bytes;
    made.end = result.end;
    return made;
  }

  /** Edits into the scratch writer. */
  #editPast(
    variant: EditVariant<V>,
    number: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): EditResult {
    const set = this.#set.load(bytes, start, end, number);
    const result = this.#passing;
    result.flags = this.#edit(set, variant);
    result.changed = set.changed;
    if (set.changed) {
      if (this.#scratch.bytes.length > keptScratchBytes) this.#scratch = new Writer(scratchBytes);
      const out = this.#scratch;
      out.reset();
      set.write(out);
      result.bytes = out.bytes;
      result.end = out.position;
    }
    return result;
  }

  /**
   * Copies the edited bytes of an entry that came into this generation to its slabs, so that those of earlier
   * generations can go. false: there is no room, or was none when it was made.
   */
  #keepEdited(entry: Edited): boolean {
    this.#followGeneration();
    if (entry.changed) {
      const length = entry.end - entry.start;
      const hasRoom = this.#editedBytes + length <= this.#maxEditedBytes;
      if (!hasRoom) entry.bytes = lost;
      if (entry.bytes === lost) return false;
      if (entry.slabGeneration < 0) entry.prefix = commonPrefix(entry);
      this.#copyToSlab(entry, length);
    }
    entry.slabGeneration = this.#slabGeneration;
    return true;
  }

  #followGeneration(): void {
    const { generation } = this.#cache;
    if (generation === this.#slabGeneration) return;
    this.#slabGeneration = generation;
    this.#previousEditedBytes = this.#editedBytes;
    this.#editedBytes = 0;
    this.#slab = empty;
  }

  #copyToSlab(entry: Edited, length: number): void {
    if (this.#slabUsed + length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, length));
      this.#slabUsed = 0;
    }
    this.#slab.set(entry.bytes.subarray(entry.start, entry.end), this.#slabUsed);
    entry.bytes = this.#slab;
    entry.start = this.#slabUsed;
    entry.end = entry.start + length;
    this.#slabUsed += length;
    this.#editedBytes += length;
  }

  #endWindow(): void {
    const isWorthwhile = (windowSize - this.#misses) * worthwhileShare >= windowSize;
    if (isWorthwhile) {
      this.#bypassWindows = 1;
    } else {
      this.#bypassed = windowSize * this.#bypassWindows;
      this.#bypassWindows = Math.min(this.#bypassWindows * 2, maxBypassWindows);
    }
    this.#lookups = 0;
    this.#misses = 0;
  }
}

function commonPrefix({ slab, offset, length, bytes, start, end }: Edited): number {
  const most = Math.min(length, end - start);
  let i = 0;
  while (i < most && slab.bytes[offset + i] === bytes[start + i]) i++;
  return i;
}
