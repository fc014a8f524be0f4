/** Edits the attributes of items where they lie; everything else of an item is copied as bytes. */

import { copyBytes } from "../pdata/copy-bytes.ts";
import { keep, replaced, type Verdict } from "../pdata/rewriter.ts";
import { lengthAt, lengthEnd, skipValue } from "../pdata/series/point.ts";
import { Cursor, Writer } from "../pdata/wire.ts";
import type { EditResult } from "./edit-cache.ts";

/** The attribute fields of one message; reused. */
export class AttributeRegion {
  /** An absent region lies at the end of the message. */
  start = 0;
  end = 0;
  /** Whether no other field stands between them. */
  inOnePiece = true;

  /** Finds the fields `number` of the message at [start, end). A hot loop: only tags and lengths are read. */
  find(bytes: Uint8Array, start: number, end: number, number: number): this {
    let from = -1;
    let to = -1;
    let inOnePiece = true;
    let p = start | 0;
    while (p < end) {
      const fieldStart = p;
      let tag = bytes[p]!;
      let valueStart = (p + 1) | 0;
      if (tag > 127) {
        tag = lengthAt(bytes, p);
        valueStart = lengthEnd(bytes, p);
      }
      p = skipValue(bytes, valueStart, tag & 7);
      if (tag >>> 3 !== number) continue;
      if (from < 0) from = fieldStart;
      else if (to !== fieldStart) inOnePiece = false;
      to = p;
    }
    this.start = from < 0 ? end : from;
    this.end = from < 0 ? end : to;
    this.inOnePiece = inOnePiece;
    return this;
  }
}

/** Says what becomes of the attribute fields at [start, end). */
export type RegionEdit = (bytes: Uint8Array, start: number, end: number) => EditResult;

const region = new AttributeRegion();

/** Edits the attributes (field `number`) of the message at [start, end) into `out`. */
export function editAttributes(
  message: { readonly bytes: Uint8Array; readonly start: number; readonly end: number },
  number: number,
  edit: RegionEdit,
  out: Writer,
): Verdict {
  const { bytes, start, end } = message;
  const { start: from, end: to, inOnePiece } = region.find(bytes, start, end, number);
  if (!inOnePiece) {
    const together = new Writer(end - start);
    gather(bytes, start, end, number, together);
    const regular = { bytes: together.bytes, start: 0, end: together.position };
    return editAttributes(regular, number, edit, out);
  }
  const result = edit(bytes, from, to);
  if (!result.changed) return keep;
  copyBytes(bytes, start, from + result.prefix, out);
  copyBytes(result.bytes, result.start + result.prefix, result.end, out);
  copyBytes(bytes, to, end, out);
  return replaced;
}

/** Writes the message with its attributes together, behind everything else; rare, so the simple way. */
export function gather(
  bytes: Uint8Array,
  start: number,
  end: number,
  number: number,
  out: Writer,
): void {
  out.reset();
  for (const isAttribute of [false, true]) {
    const c = new Cursor().reset(bytes, start, end);
    while (c.next()) {
      if ((c.number === number) === isAttribute) out.raw(bytes, c.fieldStart, c.valueEnd);
    }
  }
}
