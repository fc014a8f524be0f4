/**
 * The attributes of one message, taken apart for editing. Keys and values stay ranges of the bytes they came
 * from; what is not touched is written as it was.
 *
 *     attribute = tag length KeyValue         KeyValue = key:1 (string)  value:2 (AnyValue)
 */
import { AttributeCursor, readAnyValue } from "../pdata/attributes.ts";
import { decodeUtf8, varintLength, type Writer, wireLength } from "../pdata/wire.ts";

/** A range of bytes. */
export interface Bytes {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** One attribute; reused. An edited one has no field any more, only a key and a value. */
class Entry {
  isEdited = false;
  fieldStart = 0;
  fieldEnd = 0;
  keyBytes: Uint8Array = empty;
  keyStart = 0;
  keyEnd = 0;
  valueBytes: Uint8Array = empty;
  valueStart = 0;
  valueEnd = 0;
}

const empty = new Uint8Array(0);
/** What a message with more attributes needs is not kept for the next one. */
const keptEntries = 1024;

export class AttributeSet {
  /** Attributes in it. */
  count = 0;
  /** Whether anything was edited since `load`. */
  changed = false;
  /** Field number of the attributes. */
  number = 0;
  #bytes: Uint8Array = empty;
  readonly #entries: Entry[] = [];
  readonly #cursor = new AttributeCursor();

  /** Takes the attribute fields `number` of the message, or piece of one, at [start, end). */
  load(bytes: Uint8Array, start: number, end: number, number: number): this {
    this.#bytes = bytes;
    this.number = number;
    this.count = 0;
    this.changed = false;
    if (this.#entries.length > keptEntries) this.#entries.length = keptEntries;
    const c = this.#cursor.reset(bytes, start, end, number);
    while (c.next()) {
      const entry = this.#add();
      entry.isEdited = false;
      entry.fieldStart = c.fieldStart;
      entry.fieldEnd = c.fieldEnd;
      entry.keyBytes = bytes;
      entry.keyStart = c.keyStart;
      entry.keyEnd = c.keyEnd;
      entry.valueBytes = bytes;
      entry.valueStart = c.valueStart;
      entry.valueEnd = c.valueEnd;
    }
    return this;
  }

  /** Index of the attribute with this key (UTF-8), the last of equal keys; -1: none. */
  find(key: Uint8Array): number {
    for (let i = this.count - 1; i >= 0; i--) if (this.keyIs(i, key)) return i;
    return -1;
  }

  keyText(index: number): string {
    const { keyBytes, keyStart, keyEnd } = this.#entries[index]!;
    return decodeUtf8(keyBytes, keyStart, keyEnd);
  }

  /** The AnyValue of an attribute; valid until the attribute is edited. */
  value(index: number): Bytes {
    const { valueBytes, valueStart, valueEnd } = this.#entries[index]!;
    return { bytes: valueBytes, start: valueStart, end: valueEnd };
  }

  /** The text of a string value, undefined for other kinds. */
  text(index: number): string | undefined {
    const { valueBytes: b, valueStart: start, valueEnd: end } = this.#entries[index]!;
    const length = end - start;
    // One short string field, by far the most frequent value.
    if (length >= 2 && length < 130 && b[start] === 0x0a && b[start + 1] === length - 2) {
      return decodeUtf8(b, start + 2, end);
    }
    const value = readAnyValue(b, start, end);
    return typeof value === "string" ? value : undefined;
  }

  setValue(index: number, { bytes, start, end }: Bytes): void {
    const entry = this.#entries[index]!;
    entry.valueBytes = bytes;
    entry.valueStart = start;
    entry.valueEnd = end;
    this.#edited(entry);
  }

  rename(index: number, key: Uint8Array): void {
    const entry = this.#entries[index]!;
    entry.keyBytes = key;
    entry.keyStart = 0;
    entry.keyEnd = key.length;
    this.#edited(entry);
  }

  /** Adds an attribute behind the others; its key must not exist. */
  append(key: Uint8Array, value: Bytes): void {
    this.#add();
    this.rename(this.count - 1, key);
    this.setValue(this.count - 1, value);
  }

  /** Sets the value of a key, all of them where it stands several times; adds it where it is missing. */
  put(key: Uint8Array, value: Bytes): void {
    if (!this.update(key, value)) this.append(key, value);
  }

  /** Sets the value of a key; false: there is no such key. */
  update(key: Uint8Array, value: Bytes): boolean {
    let found = false;
    for (let i = 0; i < this.count; i++) {
      if (!this.keyIs(i, key)) continue;
      this.setValue(i, value);
      found = true;
    }
    return found;
  }

  /** Removes the key, all of them where it stands several times. */
  remove(key: Uint8Array): void {
    this.removeWhere((index) => this.keyIs(index, key));
  }

  /** Removes the attributes for which `isRemoved` says so; each is asked once, in order. */
  removeWhere(isRemoved: (index: number) => boolean): void {
    const entries = this.#entries;
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      if (isRemoved(i)) continue;
      // The places are exchanged, so that no entry is lost to the pool.
      const entry = entries[i]!;
      entries[i] = entries[kept]!;
      entries[kept++] = entry;
    }
    if (kept === this.count) return;
    this.count = kept;
    this.changed = true;
  }

  /** Writes the attributes as they are now; untouched ones that stand side by side in one piece. */
  write(out: Writer): void {
    const entries = this.#entries;
    for (let i = 0; i < this.count; ) {
      const first = entries[i++]!;
      if (first.isEdited) {
        this.#writeEdited(first, out);
        continue;
      }
      let end = first.fieldEnd;
      for (; i < this.count; i++) {
        const next = entries[i]!;
        if (next.isEdited || next.fieldStart !== end) break;
        end = next.fieldEnd;
      }
      out.raw(this.#bytes, first.fieldStart, end);
    }
  }

  #writeEdited(entry: Entry, out: Writer): void {
    const keyLength = entry.keyEnd - entry.keyStart;
    const valueLength = entry.valueEnd - entry.valueStart;
    out.tag(this.number, wireLength);
    out.varint(2 + varintLength(keyLength) + keyLength + varintLength(valueLength) + valueLength);
    out.lengthDelimited(1, entry.keyBytes, entry.keyStart, entry.keyEnd);
    out.lengthDelimited(2, entry.valueBytes, entry.valueStart, entry.valueEnd);
  }

  #edited(entry: Entry): void {
    entry.isEdited = true;
    this.changed = true;
  }

  #add(): Entry {
    let entry = this.#entries[this.count];
    if (entry === undefined) {
      entry = new Entry();
      this.#entries.push(entry);
    }
    this.count++;
    return entry;
  }

  /** Whether the key of an attribute is this UTF-8 text. */
  keyIs(index: number, key: Uint8Array): boolean {
    const { keyBytes, keyStart, keyEnd } = this.#entries[index]!;
    if (keyEnd - keyStart !== key.length) return false;
    // From the end: keys of one namespace differ there.
    for (let i = key.length - 1; i >= 0; i--) if (keyBytes[keyStart + i] !== key[i]) return false;
    return true;
  }
}
