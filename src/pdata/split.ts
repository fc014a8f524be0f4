/**
 * Cutting payloads by items or bytes. Order is kept; whole resources stay views of the part they came in;
 * where a container is cut, its other fields are repeated in both halves, as every half must stand alone.
 */
import { createPayload, type Payload, type Signal } from "./payload.ts";
import { onRegular } from "./regular.ts";
import { SplitWalk } from "./split-walk.ts";

export interface SplitLimit {
  /** Most items of one payload. */
  readonly maxItems?: number;
  /** Most bytes of one payload; an item that alone is larger becomes a payload of its own. */
  readonly maxBytes?: number;
}

/** The payload in pieces within the limit; itself where it fits. Containers without items stay where they are. */
export function split<S extends Signal>(payload: Payload<S>, limit: SplitLimit): Payload<S>[] {
  const maxItems = Math.max(limit.maxItems ?? Number.POSITIVE_INFINITY, 1);
  const maxBytes = limit.maxBytes ?? Number.POSITIVE_INFINITY;
  if (payload.itemCount <= maxItems && payload.byteLength <= maxBytes) return [payload];
  return onRegular(payload, (regular) => {
    const walk = new SplitWalk(regular.signal, maxItems, maxBytes);
    const seams = new Set(regular.seams);
    for (const [i, part] of regular.parts.entries()) {
      walk.part(part, regular.partItems[i]!, seams.has(i));
    }
    return walk
      .finish()
      .map((piece) => createPayload(regular.signal, piece.parts, piece.partItems, piece.seams));
  });
}
