/** The CPU work of a handler: a fixed number of steps, as a fixed time would hide what is added to it. */

/** 64 kB, so that it pushes other things out of the first cache, as a handler's own data does. */
const cells = Uint32Array.from({ length: 16 * 1024 }, (_, i) => i * 2654435761);
const mask = cells.length - 1;
const calibrationSteps = 20_000;
const calibrations = 200;

/** Kept, so that no compiler finds the work to be useless. */
const result = new Uint32Array(1);

function work(steps: number): void {
  let hash = result[0]!;
  for (let i = 0; i < steps; i++) hash = Math.imul(hash ^ cells[i & mask]!, 0x01000193);
  result[0] = hash;
}

/** Work of so much CPU time on an idle machine. */
export function workOf(microseconds: number): () => void {
  const steps = stepsOf(microseconds);
  return () => work(steps);
}

/** By the fastest of many tries, as other processes only make them slower. */
function stepsOf(microseconds: number): number {
  let fastestMs = Infinity;
  for (let i = 0; i < calibrations; i++) {
    const startMs = performance.now();
    work(calibrationSteps);
    fastestMs = Math.min(fastestMs, performance.now() - startMs);
  }
  return Math.round((microseconds / 1000 / fastestMs) * calibrationSteps);
}
