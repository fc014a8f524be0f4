/**
 * Changes to the attributes of a message as cuts in its bytes. Series whose attributes differ only in what is
 * not touched have equal patches, so that many share one, which stays in the processor's cache.
 *
 *     block    the attribute fields of a message, side by side
 *     patch    cut, cut … : a range of the block goes, other bytes may stand there; then what is appended
 */
import type { Bytes } from "../../src/attribute-actions/attribute-set.ts";
import { copyBytes } from "../../src/attribute-actions/copy-bytes.ts";
import { AttributeCursor, writeKeyValue } from "../../src/pdata/attributes.ts";
import { Writer } from "../../src/pdata/wire.ts";

/** New values of attributes by key, as texts; undefined: the attribute goes. */
export type Changes = ReadonlyMap<string, string | undefined>;

export interface AttributePatch {
  /** Ranges of the block: start, end, start, end … */
  readonly cuts: readonly number[];
  /** Where in `texts` ends what stands in the place of each cut; what follows the last is appended. */
  readonly ends: readonly number[];
  /** Patches that many series share lie in one array: copying by turns from many is slower. */
  texts: Bytes;
}

const cursor = new AttributeCursor();

/** The patch that makes the changes to the attribute fields `number` in the block at [start, end). */
export function patchOf(block: Bytes, number: number, changes: Changes): AttributePatch {
  const cuts: number[] = [];
  const ends: number[] = [];
  const texts = new Writer(64);
  const written = new Set<string>();
  const c = cursor.reset(block.bytes, block.start, block.end, number);
  while (c.next()) {
    const key = c.key();
    if (!changes.has(key)) continue;
    const value = written.has(key) ? undefined : changes.get(key);
    written.add(key);
    cuts.push(c.fieldStart - block.start, c.fieldEnd - block.start);
    if (value !== undefined) writeKeyValue(texts, number, key, value);
    ends.push(texts.position);
  }
  for (const [key, value] of changes) {
    if (value !== undefined && !written.has(key)) writeKeyValue(texts, number, key, value);
  }
  const bytes = Uint8Array.from(texts.bytes.subarray(0, texts.position));
  return { cuts, ends, texts: { bytes, start: 0, end: bytes.length } };
}

/**
 * Writes [start, end) of `bytes` with the patch applied to the block that lies in it at
 * [blockStart, blockEnd). Runs once a point.
 */
export function writePatched(
  range: Bytes,
  blockStart: number,
  blockEnd: number,
  patch: AttributePatch,
  out: Writer,
): void {
  const { bytes, end } = range;
  const { cuts, ends, texts } = patch;
  let copied = range.start;
  let text = texts.start;
  for (let i = 0; i < ends.length; i++) {
    const cutStart = blockStart + cuts[2 * i]!;
    const textEnd = texts.start + ends[i]!;
    if (copied < cutStart) copyBytes(bytes, copied, cutStart, out);
    if (text < textEnd) copyBytes(texts.bytes, text, textEnd, out);
    copied = blockStart + cuts[2 * i + 1]!;
    text = textEnd;
  }
  if (text < texts.end) {
    if (copied < blockEnd) copyBytes(bytes, copied, blockEnd, out);
    copyBytes(texts.bytes, text, texts.end, out);
    copied = blockEnd;
  }
  if (copied < end) copyBytes(bytes, copied, end, out);
}

/** Bytes of a patch's texts. */
export const patchBytes = ({ texts }: AttributePatch): number => texts.end - texts.start;
