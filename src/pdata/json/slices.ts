/** Cutting long synchronous work into slices, so that the event loop is not held up. */
export interface Slicer {
  /** Monotonic milliseconds. */
  now(): number;
  /** Lets the event loop do its other work. */
  pause(): Promise<void>;
}

/** Longest time that sliced work keeps the event loop to itself; a third of the service's limit of 15 ms. */
export const sliceMs = 5;

export const loopSlicer: Slicer = {
  now: () => performance.now(),
  pause: () => new Promise((resolve) => setImmediate(resolve)),
};

/** Runs work that yields between steps of bounded length; pauses between slices of `sliceMs`. */
export async function inSlices<T>(steps: Generator<void, T>, slicer: Slicer): Promise<T> {
  for (let sliceEndMs = slicer.now() + sliceMs; ; ) {
    const { done, value } = steps.next();
    if (done === true) return value;
    if (slicer.now() < sliceEndMs) continue;
    await slicer.pause();
    sliceEndMs = slicer.now() + sliceMs;
  }
}

/** The same work in one go: for small inputs. */
export function runSteps<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
