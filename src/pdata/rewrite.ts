/**
 * Editing payloads: callbacks at the levels that are asked for, everything else is copied as bytes or stays
 * the same object. Unknown fields and the order of fields survive.
 */
import { createPayload, type Payload, type Signal } from "./payload.ts";
import { onRegular } from "./regular.ts";
import { RewriteWalk } from "./rewrite-walk.ts";
import type { Rewriter } from "./rewriter.ts";

export {
  drop,
  keep,
  type MetricKind,
  type Place,
  type Rewriter,
  replaced,
  type Verdict,
} from "./rewriter.ts";

/**
 * The payload as the rewriter leaves it; undefined when nothing is left. Containers that lost all their
 * children vanish; the payload and its parts stay the same objects where nothing changed. Callbacks may be
 * called twice for an item of a payload that was not made by `verifyAndNormalise`.
 */
export function rewrite<S extends Signal>(
  payload: Payload<S>,
  rewriter: Rewriter,
): Payload<S> | undefined {
  return onRegular(payload, (regular) => rewriteRegular(regular, rewriter));
}

/** As `rewrite`; leaves by `meetIrregular` where a shape is irregular. */
export function rewriteRegular<S extends Signal>(
  payload: Payload<S>,
  rewriter: Rewriter,
): Payload<S> | undefined {
  const walk = new RewriteWalk(payload.signal, rewriter);
  const parts: (Uint8Array | undefined)[] = [];
  const partItems: number[] = [];
  let changed = false;
  for (const [i, part] of payload.parts.entries()) {
    const result = walk.part(part);
    if (result !== part) changed = true;
    parts.push(result);
    partItems.push(payload.partItems[i]! + walk.itemsAdded);
  }
  return changed ? withoutGaps(payload, parts, partItems) : payload;
}

/** The payload of the parts that are left, seams moved along. */
export function withoutGaps<S extends Signal>(
  payload: Payload<S>,
  parts: readonly (Uint8Array | undefined)[],
  partItems: readonly number[],
): Payload<S> | undefined {
  const left: Uint8Array[] = [];
  const leftItems: number[] = [];
  const seams: number[] = [];
  let nextSeam = 0;
  let atSeam = false;
  for (const [i, part] of parts.entries()) {
    if (payload.seams[nextSeam] === i) {
      nextSeam++;
      atSeam = true;
    }
    if (part === undefined) continue;
    if (atSeam) seams.push(left.length);
    atSeam = false;
    left.push(part);
    leftItems.push(partItems[i]!);
  }
  if (left.length === 0) return undefined;
  return createPayload(payload.signal, left, leftItems, seams);
}
