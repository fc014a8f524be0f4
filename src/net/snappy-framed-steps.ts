/** Framed snappy (layout: snappy-framed.ts) decoded in steps, bounded before anything is decoded. */
import { TelemetryError } from "../errors.ts";
import { announcedSnappyBytes } from "./snappy.ts";
import { decodeFramedSnappy } from "./snappy-framed.ts";

/** Compressed bytes a step; chunks stay whole. */
const stepBytes = 256 * 1024;
const startBytes = 10;

const malformed = (cause: string) =>
  new TelemetryError("MALFORMED_DATA", `snappy: corrupt input (${cause})`);

/** `admit` is asked for the output's size before it grows, and throws to refuse. */
export function* framedSnappySteps(
  bytes: Uint8Array,
  admit: (bytes: number) => void,
): Generator<void, Uint8Array> {
  const decoded: Uint8Array[] = [];
  let length = 0;
  for (let start = 0; start < bytes.length; ) {
    const slice = sliceAt(bytes, start);
    length += slice.bytes;
    admit(length);
    const chunks = bytes.subarray(start, slice.end);
    // Each slice is a stream of its own: the identifier that it lacks is put before it.
    const stream = start === 0 ? chunks : Buffer.concat([bytes.subarray(0, startBytes), chunks]);
    decoded.push(decodeFramedSnappy(stream, slice.bytes));
    start = slice.end;
    yield;
  }
  return decoded.length === 1 ? decoded[0]! : Buffer.concat(decoded);
}

/** Whole chunks from a position on, and what they announce to decode to. */
function sliceAt(bytes: Uint8Array, start: number): { end: number; bytes: number } {
  let at = start;
  let announced = 0;
  while (at < bytes.length && at - start < stepBytes) {
    if (at + 4 > bytes.length) throw malformed("chunk header");
    const length = bytes[at + 1]! | (bytes[at + 2]! << 8) | (bytes[at + 3]! << 16);
    const end = at + 4 + length;
    if (end > bytes.length) throw malformed("chunk length");
    const type = bytes[at]!;
    if (type === 0) announced += announcedSnappyBytes(bytes.subarray(at + 8, end));
    else if (type === 1) announced += Math.max(length - 4, 0);
    at = end;
  }
  return { end: at, bytes: announced };
}
