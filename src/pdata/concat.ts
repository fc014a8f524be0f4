/**
 * Joins payloads and takes them apart at the seams, without a copy: requests are joined by concatenation.
 */
import { createPayload, type Payload, type Signal } from "./payload.ts";

/** One payload with the bytes of all, in order; the seams stay. At least one payload, all of one signal. */
export function concat<S extends Signal>(payloads: readonly Payload<S>[]): Payload<S> {
  const [first] = payloads;
  if (first === undefined) throw new Error("BUG: nothing to concatenate");
  if (payloads.length === 1) return first;
  const parts: Uint8Array[] = [];
  const partItems: number[] = [];
  const seams: number[] = [];
  for (const payload of payloads) {
    const offset = parts.length;
    for (const seam of payload.seams) seams.push(offset + seam);
    for (const part of payload.parts) parts.push(part);
    for (const items of payload.partItems) partItems.push(items);
  }
  return createPayload(first.signal, parts, partItems, seams);
}

/** One payload for each client's request. */
export function splitAtSeams<S extends Signal>(payload: Payload<S>): Payload<S>[] {
  const { seams } = payload;
  if (seams.length < 2) return [payload];
  return seams.map((seam, i) => slice(payload, i, seam, seams[i + 1] ?? payload.parts.length));
}

/**
 * Two payloads of whole client requests, as equal in bytes as the seams allow; undefined where there is only
 * one request.
 */
export function halveAtSeams<S extends Signal>(
  payload: Payload<S>,
): [Payload<S>, Payload<S>] | undefined {
  const { seams, parts, byteLength } = payload;
  if (seams.length < 2) return undefined;
  let best = 1;
  let bestDistance = Number.POSITIVE_INFINITY;
  let bytes = 0;
  let part = 0;
  for (let i = 1; i < seams.length; i++) {
    while (part < seams[i]!) bytes += parts[part++]!.byteLength;
    const distance = Math.abs(byteLength - 2 * bytes);
    if (distance < bestDistance) {
      best = i;
      bestDistance = distance;
    }
  }
  const cut = seams[best]!;
  return [slice(payload, 0, 0, cut, best), slice(payload, best, cut, parts.length, seams.length)];
}

/** Parts [from, to) with the seams [firstSeam, endSeam) that lie in them. */
function slice<S extends Signal>(
  payload: Payload<S>,
  firstSeam: number,
  from: number,
  to: number,
  endSeam = firstSeam + 1,
): Payload<S> {
  const seams = payload.seams.slice(firstSeam, endSeam).map((seam) => seam - from);
  return createPayload(
    payload.signal,
    payload.parts.slice(from, to),
    payload.partItems.slice(from, to),
    seams,
  );
}
