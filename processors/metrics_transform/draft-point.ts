/**
 * A data point of a metric that is being transformed: a range of bytes, and what stands for its attributes.
 *
 *     point = head attributes tail        attributes at [attributesStart, attributesEnd), or `edited`
 */
import type { Bytes } from "../../src/attribute-actions/attribute-set.ts";
import type { EditResult } from "../../src/attribute-actions/edit-cache.ts";
import { AttributeRegion, gather } from "../../src/attribute-actions/item-editor.ts";
import { copyBytes } from "../../src/pdata/copy-bytes.ts";
import { Writer } from "../../src/pdata/wire.ts";
import type { Arena } from "./arena.ts";

const region = new AttributeRegion();

export class DraftPoint {
  bytes: Uint8Array;
  start: number;
  end: number;
  attributesStart = 0;
  attributesEnd = 0;
  /** undefined: the attributes are as they came. */
  edited: Bytes | undefined;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
  }

  /** The point at [start, end), whose attributes are the fields `number`. */
  static read(bytes: Uint8Array, start: number, end: number, number: number): DraftPoint {
    const point = new DraftPoint(bytes, start, end);
    region.find(bytes, start, end, number);
    if (!region.inOnePiece) point.#gather(number);
    point.attributesStart = region.start;
    point.attributesEnd = region.end;
    return point;
  }

  /** Puts scattered attributes together, in bytes of its own. */
  #gather(number: number): void {
    const own = new Writer(this.end - this.start);
    gather(this.bytes, this.start, this.end, number, own);
    this.bytes = own.bytes;
    this.start = 0;
    this.end = own.position;
    region.find(own.bytes, 0, own.position, number);
  }

  clone(): DraftPoint {
    const copy = new DraftPoint(this.bytes, this.start, this.end);
    copy.attributesStart = this.attributesStart;
    copy.attributesEnd = this.attributesEnd;
    copy.edited = this.edited;
    return copy;
  }

  /** The attribute fields as they are now. */
  get attributes(): Bytes {
    return (
      this.edited ?? { bytes: this.bytes, start: this.attributesStart, end: this.attributesEnd }
    );
  }

  edit({ bytes, start, end, isKept }: EditResult, arena: Arena): void {
    // Kept bytes never change where they lie; the others are overwritten by the next look-up.
    if (isKept) {
      this.edited = { bytes, start, end };
    } else {
      const at = arena.copy(bytes, start, end);
      this.edited = { bytes: arena.bytes, start: at, end: at + end - start };
    }
  }

  write(out: Writer): void {
    const { bytes, start, end } = this.attributes;
    copyBytes(this.bytes, this.start, this.attributesStart, out);
    copyBytes(bytes, start, end, out);
    copyBytes(this.bytes, this.attributesEnd, this.end, out);
  }

  /** A copy whose values can be written over. */
  ownCopy(arena: Arena): DraftPoint {
    const at = arena.copy(this.bytes, this.start, this.end);
    const shift = at - this.start;
    const copy = new DraftPoint(arena.bytes, at, this.end + shift);
    copy.attributesStart = this.attributesStart + shift;
    copy.attributesEnd = this.attributesEnd + shift;
    copy.edited = this.edited;
    return copy;
  }
}
