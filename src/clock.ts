/** Time as the service sees it; tests hand in a fake one (`test/support/fake-clock.ts`). */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. */
  now(): number;
  /** Never goes back; milliseconds from an arbitrary start. For durations and deadlines. */
  monotonicMs(): number;
  /** Calls once after delayMs. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls every periodMs until cancelled. */
  every(periodMs: number, callback: () => void): Timer;
}

/** Longest delay that setTimeout honours; a longer one would fire at once. */
const maxDelayMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, callback) {
    const handle = setTimeout(callback, Math.min(Math.max(delayMs, 0), maxDelayMs));
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, callback) {
    const handle = setInterval(callback, Math.min(Math.max(periodMs, 1), maxDelayMs));
    return { cancel: () => clearInterval(handle) };
  },
};

/** Resolves after delayMs, or rejects with the signal's reason when it is aborted first. */
export function sleep(clock: Clock, delayMs: number, abort?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (abort?.aborted) return reject(abort.reason as Error);
    const onAbort = () => {
      timer.cancel();
      reject(abort?.reason as Error);
    };
    const timer = clock.after(delayMs, () => {
      abort?.removeEventListener("abort", onAbort);
      resolve();
    });
    abort?.addEventListener("abort", onAbort, { once: true });
  });
}
