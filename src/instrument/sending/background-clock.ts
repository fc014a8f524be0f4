import type { Clock, Timer } from "../../clock.ts";

const maxDelayMs = 2 ** 31 - 1;
const within = (delayMs: number) => Math.min(Math.max(delayMs, 1), maxDelayMs);

function background(timer: NodeJS.Timeout, clear: (timer: NodeJS.Timeout) => void): Timer {
  timer.unref();
  return { cancel: () => clear(timer) };
}

/** The system's clock with timers that do not keep the application's process alive. */
export const backgroundClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => background(setTimeout(callback, within(delayMs)), clearTimeout),
  every: (periodMs, callback) => background(setInterval(callback, within(periodMs)), clearInterval),
};
