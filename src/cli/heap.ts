/**
 * V8's heap limits, fitted to a small heap with many buffers outside it.
 *
 * - Loading code makes objects that live on, and V8 answers by growing its young generation to 2 x 16 MB, which an
 *   idle process then keeps although it needs 2 x 1 MB. Held small until the service is ready (13 MB less resident
 *   memory for some 20 ms more CPU), it grows afterwards with the load as ever.
 * - V8 counts buffers as part of the old generation and collects when that has grown by a share of the live heap:
 *   of 17 MB, after every 5 MB of requests. 700-point requests at full load then cost 1.0 µs a point, 0.6 of them
 *   collections; with room for 64 MB, V8's own bound for buffers, 0.4.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import type { Clock, Timer } from "../clock.ts";

/** What may be allocated between two collections of a small heap. */
const roomBytes = 64 * 2 ** 20;
/** Above this V8's own growth gives at least as much room. */
const largeHeapBytes = 2 * roomBytes;
const adjustEveryMs = 5000;

/** Before anything large is loaded. */
export const keepYoungGenerationSmall = () => setFlagsFromString("--semi-space-growth-factor=1");

/** From the moment when the service is ready. */
export function letHeapGrow(clock: Clock): Timer {
  setFlagsFromString("--semi-space-growth-factor=2");
  adjust();
  return clock.every(adjustEveryMs, adjust);
}

function adjust(): void {
  const percent = growingPercent(getHeapStatistics().used_heap_size);
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/** How far the old generation may grow before it is collected; 0: as V8 thinks best. */
export const growingPercent = (usedBytes: number): number =>
  usedBytes > largeHeapBytes ? 0 : Math.ceil((100 * roomBytes) / usedBytes);
