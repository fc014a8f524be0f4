/**
 * Scaling exponential histogram points: the buckets of their scale stay, the counts move to other ones.
 *
 *     ExponentialHistogramDataPoint = sum:5  scale:6  positive:8  negative:9  exemplars:11  min:12  max:13
 *                                     zeroThreshold:14
 *     Buckets = offset:1 (zigzag)  bucketCounts:2 (varints, packed or not)
 */
import { pointAttributesField } from "../../src/pdata/attributes.ts";
import { Cursor, type Writer, wireVarint } from "../../src/pdata/wire.ts";
import type { Arena } from "./arena.ts";
import { DraftPoint } from "./draft-point.ts";
import { type ScaledFields, withScaledFields } from "./value-operations.ts";

const fields: ScaledFields = { doubles: new Set([5, 12, 13, 14]), exemplars: 11 };

/** The point with its values times a factor above 0; undefined: its buckets would lie beyond all offsets. */
export function scaledExponential(
  point: DraftPoint,
  factor: number,
  arena: Arena,
): DraftPoint | undefined {
  const shift = bucketShift(scaleOf(point), factor);
  // Not a number where the scale is none that an SDK makes.
  if (!(Math.abs(shift) < 2 ** 31)) return undefined;
  return withMovedBuckets(withScaledFields(point, fields, factor, arena), shift, arena);
}

function scaleOf({ bytes, start, end }: DraftPoint): number {
  const c = new Cursor().reset(bytes, start, end);
  let scale = 0;
  while (c.next()) if (c.number === 6) scale = c.sint32();
  return scale;
}

/** So many buckets further up lies the middle of a bucket times the factor, as the Collector finds it. */
function bucketShift(scale: number, factor: number): number {
  const bucketsPerDoubling = 2 ** scale;
  const base = 2 ** (1 / bucketsPerDoubling);
  const moved = ((1 + base) / 2) * factor;
  // Of a base beyond all doubles, its half is the middle.
  const log = Number.isFinite(moved)
    ? Math.log2(moved)
    : 1 / bucketsPerDoubling - 1 + Math.log2(factor);
  return Math.ceil(log * bucketsPerDoubling) - 1;
}

function withMovedBuckets(point: DraftPoint, shift: number, arena: Arena): DraftPoint {
  const { bytes } = point;
  const start = arena.write((out) => {
    const c = new Cursor().reset(bytes, point.start, point.end);
    while (c.next()) {
      if (c.number === 8 || c.number === 9) writeMoved(c, shift, out);
      else out.raw(bytes, c.fieldStart, c.valueEnd);
    }
  });
  const field = pointAttributesField.exponentialHistogram;
  const moved = DraftPoint.read(arena.bytes, start, arena.end, field);
  moved.edited = point.edited;
  return moved;
}

function writeMoved({ bytes, number, valueStart, valueEnd }: Cursor, by: number, out: Writer) {
  const handle = out.begin(number);
  const c = new Cursor().reset(bytes, valueStart, valueEnd);
  let offset = 0;
  let hasCounts = false;
  while (c.next()) {
    if (c.number === 1) {
      offset = c.sint32();
      continue;
    }
    if (c.number === 2 && c.valueEnd > c.valueStart) hasCounts = true;
    out.raw(bytes, c.fieldStart, c.valueEnd);
  }
  out.tag(1, wireVarint);
  out.sint32(hasCounts ? offset + by : offset);
  out.end(handle);
}
