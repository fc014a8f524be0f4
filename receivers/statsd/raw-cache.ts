/**
 * Recognises a series by the bytes of its line: name, tags and container as they stand, and the type. An open
 * hash table over typed arrays; the bytes of the keys stand one after the other in an arena of their own.
 *
 *     entry = hash | key's offset in the arena | name length | tags length | container length | type code
 *
 * A cache, nothing else: its owner clears it when it is too large, and the same series is found by its attributes.
 */
import { equalBytes, hashBytes } from "../../src/pdata/series/hash.ts";
import { dataViewOf } from "../../src/pdata/wire.ts";
import type { Line } from "./line.ts";

const entrySize = 6;
/** Longer ones are rare and cheap to look up by attributes, compared to what keeping them would cost. */
const longestKey = 4096;
/** There is a cache a sender, when senders are told apart. */
const initialSize = 8;
const initialArena = 256;
/** Of the table, the entry and the value. */
const bytesPerEntry = 48;

export class RawCache<T extends object> {
  /** Entry number + 1; 0: free. At most half full. */
  #buckets = new Int32Array(2 * initialSize);
  #entries = new Int32Array(initialSize * entrySize);
  #values: T[] = [];
  #arena: Uint8Array = new Uint8Array(initialArena);
  #arenaView = new DataView(this.#arena.buffer);
  #arenaUsed = 0;

  get heldBytes(): number {
    return this.#buckets.byteLength + this.#entries.byteLength + this.#arena.byteLength;
  }

  /** Of the line's name, tags, container and type. */
  static hashOf(line: Line): number {
    const view = dataViewOf(line.bytes);
    let hash = hashBytes(view, line.start, line.nameEnd, line.typeCode);
    if (line.tagsEnd > line.tagsStart) hash = hashBytes(view, line.tagsStart, line.tagsEnd, hash);
    if (line.containerEnd > line.containerStart) {
      hash = hashBytes(view, line.containerStart, line.containerEnd, ~hash);
    }
    return hash;
  }

  get(line: Line, hash: number): T | undefined {
    const buckets = this.#buckets;
    const entries = this.#entries;
    const mask = buckets.length - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const number = buckets[i]!;
      if (number === 0) return undefined;
      const entry = (number - 1) * entrySize;
      if (entries[entry] === hash && this.#isKey(entry, line)) return this.#values[number - 1];
    }
  }

  #isKey(entry: number, line: Line): boolean {
    const entries = this.#entries;
    const nameLength = line.nameEnd - line.start;
    const tagsLength = line.tagsEnd - line.tagsStart;
    const containerLength = line.containerEnd - line.containerStart;
    if (
      entries[entry + 2] !== nameLength ||
      entries[entry + 3] !== tagsLength ||
      entries[entry + 4] !== containerLength ||
      entries[entry + 5] !== line.typeCode
    ) {
      return false;
    }
    const view = dataViewOf(line.bytes);
    const arena = this.#arenaView;
    const key = entries[entry + 1]!;
    const tagsKey = key + nameLength;
    return (
      equalBytes(view, line.start, arena, key, nameLength) &&
      equalBytes(view, line.tagsStart, arena, tagsKey, tagsLength) &&
      (containerLength === 0 ||
        equalBytes(view, line.containerStart, arena, tagsKey + tagsLength, containerLength))
    );
  }

  /** Remembers a value for a key that it does not have, unless the key is long; returns the bytes it took. */
  set(line: Line, hash: number, value: T): number {
    const { bytes } = line;
    const length =
      line.nameEnd -
      line.start +
      (line.tagsEnd - line.tagsStart) +
      (line.containerEnd - line.containerStart);
    if (length > longestKey) return 0;
    this.#makeRoom(length);
    const entry = this.#values.length * entrySize;
    this.#entries[entry] = hash;
    this.#entries[entry + 1] = this.#arenaUsed;
    this.#entries[entry + 2] = this.#append(bytes, line.start, line.nameEnd);
    this.#entries[entry + 3] = this.#append(bytes, line.tagsStart, line.tagsEnd);
    this.#entries[entry + 4] = this.#append(bytes, line.containerStart, line.containerEnd);
    this.#entries[entry + 5] = line.typeCode;
    this.#values.push(value);
    this.#link(hash, this.#values.length);
    return length + bytesPerEntry;
  }

  #append(bytes: Uint8Array, start: number, end: number): number {
    this.#arena.set(bytes.subarray(start, end), this.#arenaUsed);
    this.#arenaUsed += end - start;
    return end - start;
  }

  #link(hash: number, number: number): void {
    const mask = this.#buckets.length - 1;
    let i = hash & mask;
    while (this.#buckets[i] !== 0) i = (i + 1) & mask;
    this.#buckets[i] = number;
  }

  #makeRoom(keyLength: number): void {
    const count = this.#values.length + 1;
    if (count * entrySize > this.#entries.length) {
      this.#entries = grown(this.#entries, new Int32Array(this.#entries.length * 2));
    }
    if (count * 2 > this.#buckets.length) this.#rehash(this.#buckets.length * 2);
    let size = this.#arena.length;
    while (this.#arenaUsed + keyLength > size) size *= 2;
    if (size > this.#arena.length) {
      this.#arena = grown(this.#arena, new Uint8Array(size));
      this.#arenaView = new DataView(this.#arena.buffer);
    }
  }

  #rehash(size: number): void {
    this.#buckets = new Int32Array(size);
    for (let n = 0; n < this.#values.length; n++) this.#link(this.#entries[n * entrySize]!, n + 1);
  }

  clear(): void {
    this.#buckets = new Int32Array(2 * initialSize);
    this.#entries = new Int32Array(initialSize * entrySize);
    this.#values = [];
    this.#arena = new Uint8Array(initialArena);
    this.#arenaView = new DataView(this.#arena.buffer);
    this.#arenaUsed = 0;
  }
}

function grown<A extends Int32Array | Uint8Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
