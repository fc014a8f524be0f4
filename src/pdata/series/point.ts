import type { Memos, Series } from "./interned.ts";

/**
 * One data point where it lies: offsets into the part, read on demand. One object is reused for all points of
 * a walk, because an allocation a point would cost more than the walk: take out what is to be kept.
 */
export class Point<M extends Memos = Memos> {
  series!: Series<M>;
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  /** The body of the point's message. */
  start = 0;
  end = 0;
  /** Offsets of the values; -1: absent. */
  startTimeAt = -1;
  timeAt = -1;
  valueAt = -1;
  /** Whether the value is a sfixed64; else it is a double. */
  valueIsInt = false;
  /** Where the first exemplar's tag stands. */
  exemplarsAt = -1;
  flags = 0;

  /** DataPointFlags: the series has ended, there is no value. */
  get noRecordedValue(): boolean {
    return (this.flags & 1) !== 0;
  }

  /** Nanoseconds since 1970, to 256 ns (a double's precision): for ordering. */
  get timeNs(): number {
    return this.timeAt < 0 ? 0 : uint64At(this.view, this.timeAt);
  }

  /** Milliseconds since 1970, exact. */
  get timeMs(): number {
    return this.timeAt < 0 ? 0 : unixMsAt(this.view, this.timeAt);
  }

  get startTimeNs(): number {
    return this.startTimeAt < 0 ? 0 : uint64At(this.view, this.startTimeAt);
  }

  /** A number point's value; integers beyond 2^53 lose precision. */
  get value(): number {
    if (this.valueAt < 0) return 0;
    return this.valueIsInt
      ? int64At(this.view, this.valueAt)
      : this.view.getFloat64(this.valueAt, true);
  }
}

export function uint64At(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

export function int64At(view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true);
}

/** A fixed64 of nanoseconds as whole milliseconds, exact: 2^32 is 4294 millions and 967296. */
export function unixMsAt(view: DataView, at: number): number {
  const high = view.getUint32(at + 4, true);
  return high * 4294 + Math.floor((high * 967296 + view.getUint32(at, true)) / 1e6);
}

/** Position behind the value of a field whose tag ends at p. Integers throughout: `| 0` keeps them untagged. */
export function skipValue(b: Uint8Array, p: number, wireType: number): number {
  if (wireType === 1) return (p + 8) | 0;
  if (wireType === 5) return (p + 4) | 0;
  if (wireType === 0) {
    while (b[p]! > 127) p = (p + 1) | 0;
    return (p + 1) | 0;
  }
  const first = b[p]!;
  if (first < 128) return (p + 1 + first) | 0;
  return (lengthEnd(b, p) + lengthAt(b, p)) | 0;
}

/** The length of more than one byte at p; within a part, so it has 31 bits. */
export function lengthAt(b: Uint8Array, p: number): number {
  let length = 0;
  for (let shift = 0; shift < 32; shift += 7) {
    const byte = b[p++]!;
    length |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  return length;
}

/** Position behind the length at p; it may be written overlong. */
export function lengthEnd(b: Uint8Array, p: number): number {
  while (b[p]! > 127) p = (p + 1) | 0;
  return (p + 1) | 0;
}
