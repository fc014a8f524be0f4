/** Waiting with an end. */
import { type Clock, sleep } from "../clock.ts";

export interface Deadline {
  readonly signal: AbortSignal;
  /** The wait is over before its time. */
  cancel(): void;
}

/** Aborts after so long, or with `cut`. */
export function deadlineIn(clock: Clock, ms: number, cut: AbortSignal): Deadline {
  const own = new AbortController();
  const timer = clock.after(ms, () => own.abort(new Error("the time for it has passed")));
  return { signal: AbortSignal.any([own.signal, cut]), cancel: () => timer.cancel() };
}

/**
 * Whether the work ended, at the latest `graceMs` after the abort; its error is thrown. What goes on after that
 * fails unnoticed.
 */
export async function endsInTime(
  work: Promise<unknown>,
  abort: AbortSignal,
  graceMs: number,
  clock: Clock,
): Promise<boolean> {
  const given = new AbortController();
  const late = Promise.withResolvers<boolean>();
  const onAbort = () => {
    sleep(clock, graceMs, given.signal).then(
      () => late.resolve(false),
      () => {},
    );
  };
  if (abort.aborted) onAbort();
  else abort.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    abort.removeEventListener("abort", onAbort);
    given.abort();
    work.catch(() => {});
  }
}
