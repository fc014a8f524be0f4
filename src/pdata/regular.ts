/**
 * The one form of the legal shapes that readers understand differently. After `verifyAndNormalise` no payload
 * has them; whoever walks a payload and meets one all the same starts again on its regular form.
 *
 *     resource given twice in a container, or scope     -> one, the bodies joined (protobuf merges messages)
 *     a metric with several data members                -> the last one (so does the Collector)
 *     field 1000, the scope list of OTLP before 0.19    -> field 2; left out where the container has a field 2
 */
import { createPayload, type Payload, type Signal } from "./payload.ts";
import { Cursor, Writer } from "./wire.ts";

const oldScopeList = 1000;

/** Whether a field number is one of a metric's data members: gauge, sum, histogram, exponential, summary. */
export function isMetricData(number: number): boolean {
  return number === 5 || number === 7 || (number >= 9 && number <= 11);
}

/** Thrown inside this folder by a walk that meets an irregular shape; never leaves it. */
class IrregularError extends Error {
  override readonly name = "IrregularError";
}

/** Leaves a walk that met an irregular shape; see `onRegular`. */
export function meetIrregular(): never {
  throw new IrregularError("BUG: an irregular shape was met outside of onRegular");
}

/** Runs a walk; if it meets an irregular shape, once more on the payload's regular form. */
export function onRegular<S extends Signal, R>(
  payload: Payload<S>,
  walk: (payload: Payload<S>) => R,
): R {
  try {
    return walk(payload);
  } catch (error) {
    if (!(error instanceof IrregularError)) throw error;
    const parts = payload.parts.map((part) => normalise(payload.signal, part));
    return walk(createPayload(payload.signal, parts, payload.partItems, payload.seams));
  }
}

/** The regular form of a verified request. */
export function normalise(signal: Signal, bytes: Uint8Array): Uint8Array {
  const out = new Writer(bytes.length + 16);
  const cursor = new Cursor().reset(bytes);
  while (cursor.next()) {
    if (cursor.number === 1) writeResource(signal, cursor, out);
    else out.raw(bytes, cursor.fieldStart, cursor.valueEnd);
  }
  return out.take();
}

function writeResource(signal: Signal, at: Cursor, out: Writer): void {
  const { bytes, valueStart, valueEnd } = at;
  const cursor = new Cursor();
  let hasScopes = false;
  cursor.reset(bytes, valueStart, valueEnd);
  while (cursor.next()) if (cursor.number === 2) hasScopes = true;
  const handle = out.begin(1);
  let resourceWritten = false;
  cursor.reset(bytes, valueStart, valueEnd);
  while (cursor.next()) {
    if (cursor.number === 1) {
      if (!resourceWritten) writeMerged(bytes, valueStart, valueEnd, out);
      resourceWritten = true;
    } else if (cursor.number === 2 || (cursor.number === oldScopeList && !hasScopes)) {
      writeScope(signal, cursor, out);
    } else if (cursor.number !== oldScopeList) {
      out.raw(bytes, cursor.fieldStart, cursor.valueEnd);
    }
  }
  out.end(handle);
}

function writeScope(signal: Signal, at: Cursor, out: Writer): void {
  const { bytes, valueStart, valueEnd } = at;
  const handle = out.begin(2);
  const cursor = new Cursor().reset(bytes, valueStart, valueEnd);
  let scopeWritten = false;
  while (cursor.next()) {
    if (cursor.number === 1) {
      if (!scopeWritten) writeMerged(bytes, valueStart, valueEnd, out);
      scopeWritten = true;
    } else if (cursor.number === 2 && signal === "metrics") {
      writeMetric(cursor, out);
    } else {
      out.raw(bytes, cursor.fieldStart, cursor.valueEnd);
    }
  }
  out.end(handle);
}

/** All fields 1 of the message at [start, end) as one: their bodies, joined. */
function writeMerged(bytes: Uint8Array, start: number, end: number, out: Writer): void {
  const cursor = new Cursor().reset(bytes, start, end);
  const handle = out.begin(1);
  while (cursor.next()) {
    if (cursor.number === 1) out.raw(bytes, cursor.valueStart, cursor.valueEnd);
  }
  out.end(handle);
}

function writeMetric(at: Cursor, out: Writer): void {
  const { bytes, valueStart, valueEnd } = at;
  const cursor = new Cursor();
  let lastData = -1;
  cursor.reset(bytes, valueStart, valueEnd);
  while (cursor.next()) if (isMetricData(cursor.number)) lastData = cursor.fieldStart;
  const handle = out.begin(2);
  cursor.reset(bytes, valueStart, valueEnd);
  while (cursor.next()) {
    if (isMetricData(cursor.number) && cursor.fieldStart !== lastData) continue;
    out.raw(bytes, cursor.fieldStart, cursor.valueEnd);
  }
  out.end(handle);
}
