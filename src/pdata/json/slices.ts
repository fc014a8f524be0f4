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
