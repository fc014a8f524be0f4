/**
 * Changes to the attributes of a message as cuts in its bytes. Series whose attributes differ only in what is
 * not touched have equal patches, so that many share one, which stays in the processor's cache.
 *
 *     block    the attribute fields of a message, side by side
 *     patch    cut, cut … : a range of the block goes, other bytes may stand there; then what is appended
 */

import { AttributeCursor, writeKeyValue } from "../../src/pdata/attributes.ts";
import { copyBytes } from "../../src/pdata/copy-bytes.ts";
import { Writer } from "../../src/pdata/wire.ts";

/** New values of attributes by key, as texts; undefined: the attribute goes. */
export type Changes = ReadonlyMap<string, string | undefined>;

export interface AttributePatch {
  /** Ranges of the block: start, end, start, end … */
  readonly cuts: readonly number[];
  /** What stands in the place of each cut. */
  readonly inserts: readonly Uint8Array[];
  readonly append: Uint8Array;
}

const nothing = new Uint8Array(0);
const cursor = new AttributeCursor();

/** The patch that makes the changes to the attribute fields `number` in the block at [start, end). */
export function patchOf(
  block: { readonly bytes: Uint8Array; readonly start: number; readonly end: number },
  number: number,
  changes: Changes,
): AttributePatch {
  const cuts: number[] = [];
  const inserts: Uint8Array[] = [];
  const written = new Set<string>();
  const c = cursor.reset(block.bytes, block.start, block.end, number);
  while (c.next()) {
    const key = c.key();
    if (!changes.has(key)) continue;
    const value = written.has(key) ? undefined : changes.get(key);
    written.add(key);
    cuts.push(c.fieldStart - block.start, c.fieldEnd - block.start);
    inserts.push(value === undefined ? nothing : attributeField(number, [[key, value]]));
  }
  const added = [...changes].filter(([key, value]) => value !== undefined && !written.has(key));
  return { cuts, inserts, append: attributeField(number, added) };
}

/** An array of its own: `Writer.take` gives a Buffer, whose view costs more to make and to copy. */
function attributeField(
  number: number,
  attributes: readonly (readonly [string, string | undefined])[],
): Uint8Array {
  const out = new Writer(64);
  for (const [key, value] of attributes) writeKeyValue(out, number, key, value);
  return new Uint8Array(out.bytes.subarray(0, out.position));
}

/**
 * Writes [start, end) of `bytes` with the patch applied to the block that lies in it at
 * [blockStart, blockEnd). Runs once a point.
 */
export function writePatched(
  range: { readonly bytes: Uint8Array; readonly start: number; readonly end: number },
  blockStart: number,
  blockEnd: number,
  patch: AttributePatch,
  out: Writer,
): void {
  const { bytes, end } = range;
  const { cuts, inserts, append } = patch;
  let copied = range.start;
  for (let i = 0; i < inserts.length; i++) {
    const cutStart = blockStart + cuts[2 * i]!;
    if (copied < cutStart) copyBytes(bytes, copied, cutStart, out);
    writeAll(inserts[i]!, out);
    copied = blockStart + cuts[2 * i + 1]!;
  }
  if (append.length > 0) {
    if (copied < blockEnd) copyBytes(bytes, copied, blockEnd, out);
    writeAll(append, out);
    copied = blockEnd;
  }
  if (copied < end) copyBytes(bytes, copied, end, out);
}

/** As out.raw, which would make a view of the array first. */
function writeAll(bytes: Uint8Array, out: Writer): void {
  const { length } = bytes;
  if (length === 0) return;
  out.reserve(length);
  out.bytes.set(bytes, out.position);
  out.position += length;
}

/** Bytes of a patch's texts. */
export function patchBytes({ inserts, append }: AttributePatch): number {
  return inserts.reduce((sum, { length }) => sum + length, append.length);
}
