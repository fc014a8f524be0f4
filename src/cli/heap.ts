/**
 * V8's heap limits, fitted to a small heap with many buffers outside it.
 *
 * - V8 doubles its young generation, up to 2 x 16 MB, as often as many objects live on: the code that is loaded, the
 *   series that are met. It keeps it, although later next to nothing lives on, and the buffers of requests wait for
 *   its rare collections, in memory that no cache holds any more. At 2 x 2 MB relabel costs 0.55 µs a point instead
 *   of 0.8, the Prometheus exporter's and the attributes' a third less, peak memory is 15 to 60 MB lower, and nothing
 *   costs more; at 2 x 1 MB the converters of temporality take a fifth more, and an idle service needs no more than that.
 * - V8 counts buffers as part of the old generation and collects when that has grown by a share of the live heap:
 *   of 17 MB, after every 5 MB of requests. 700-point requests at full load then cost 1.0 µs a point, 0.6 of them
 *   collections; with room for 64 MB, V8's own bound for buffers, 0.4.
 */
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from "node:v8";
import type { Clock, Timer } from "../clock.ts";

/** What may be allocated between two collections of a small heap. */
const roomBytes = 64 * 2 ** 20;
/** Above this V8's own growth gives at least as much room. */
const largeHeapBytes = 2 * roomBytes;
const adjustEveryMs = 5000;
/** Of an interval: a tenth of a core. */
const busyCpuMicros = 100 * adjustEveryMs;
/** A smaller young generation is doubled under load. */
const smallYoungBytes = 3 * 2 ** 20;

/** Before anything large is loaded. */
export const keepYoungGenerationSmall = () => setFlagsFromString("--semi-space-growth-factor=1");

/** From the moment when the service is ready. */
export function letHeapGrow(clock: Clock): Timer {
  let before = process.cpuUsage();
  adjustOldGeneration();
  return clock.every(adjustEveryMs, () => {
    const { user, system } = process.cpuUsage(before);
    before = process.cpuUsage();
    if (user + system > busyCpuMicros) growYoungGeneration();
    adjustOldGeneration();
  });
}

/**
 * V8 has no limit that could be set this late, and grows only for objects that live on: some do until it has grown
 * once, which takes 5 ms. V8 itself shrinks it when little happens.
 */
function growYoungGeneration(): void {
  const alive: unknown[] = [];
  setFlagsFromString("--semi-space-growth-factor=2");
  while (youngGenerationBytes() < smallYoungBytes && alive.length < 1000) {
    alive.push(Array.from({ length: 1000 }));
  }
  keepYoungGenerationSmall();
}

/** Of both its halves. */
export const youngGenerationBytes = (): number =>
  getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space")!.space_size;

function adjustOldGeneration(): void {
  const percent = growingPercent(getHeapStatistics().used_heap_size);
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/** How far the old generation may grow before it is collected; 0: as V8 thinks best. */
export const growingPercent = (usedBytes: number): number =>
  usedBytes > largeHeapBytes ? 0 : Math.ceil((100 * roomBytes) / usedBytes);
