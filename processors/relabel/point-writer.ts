/** Points with other attributes; all their other fields stay as bytes. */
import { pointAttributesField } from "../../src/pdata/attributes.ts";
import type { Place } from "../../src/pdata/rewrite.ts";
import { lengthAt, lengthEnd, skipValue } from "../../src/pdata/series/point.ts";
import { Cursor, Writer } from "../../src/pdata/wire.ts";
import { type AttributePatch, writePatched } from "./attribute-patch.ts";

/** Writes the point at `place` with the patch applied. Index loops: it runs once a point. */
export function writePoint(place: Place, patch: AttributePatch, out: Writer): void {
  const b = place.bytes;
  const { start, end } = place;
  const number = pointAttributesField[place.metricKind];
  let blockStart = end;
  let blockEnd = end;
  let p = start | 0;
  while (p < end) {
    const fieldStart = p;
    let tag = b[p]!;
    let at = (p + 1) | 0;
    if (tag > 127) {
      tag = lengthAt(b, p);
      at = lengthEnd(b, p);
    }
    p = skipValue(b, at, tag & 7);
    if (tag >>> 3 !== number) continue;
    if (blockStart === end) blockStart = fieldStart;
    else if (blockEnd !== fieldStart) return writeScattered(place, number, patch, out);
    blockEnd = p;
  }
  writePatched(place, blockStart, blockEnd, patch, out);
}

/** Attribute fields with others between them are put together first, behind the other fields. */
function writeScattered(place: Place, number: number, patch: AttributePatch, out: Writer): void {
  const block = new Writer(place.end - place.start);
  const c = new Cursor().reset(place.bytes, place.start, place.end);
  while (c.next()) {
    (c.number === number ? block : out).raw(place.bytes, c.fieldStart, c.valueEnd);
  }
  const range = { bytes: block.bytes, start: 0, end: block.position };
  writePatched(range, 0, block.position, patch, out);
}
