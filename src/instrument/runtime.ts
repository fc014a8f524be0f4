import { Problems } from "./problems.ts";
import type { Meter } from "./types.ts";

/** What start() sets up and all helpers of the process share. */
export interface Runtime {
  readonly meter: Meter;
  readonly problems: Problems;
  /** By OTEL_SDK_DISABLED: nothing is measured, and nothing said about it. */
  readonly isDisabled: boolean;
}

let current: Runtime | undefined;
/** Of its own, so that what is called for every request is told once. */
const beforeStart = new Problems(undefined);

export function setRuntime(runtime: Runtime | undefined): void {
  current = runtime;
}

/** Unless another one has been set meanwhile. */
export function endRuntime(runtime: Runtime): void {
  if (current === runtime) current = undefined;
}

/** Undefined: the caller has no effect, because nothing is started (this is told) or because all is disabled. */
export function runtimeFor(caller: string): Runtime | undefined {
  if (current !== undefined) return current.isDisabled ? undefined : current;
  beforeStart.report("not_started", `${caller} has no effect before start()`, caller);
  return undefined;
}

/** Instruments that several callers share: made at the first call after a start. */
export function oncePerRuntime<T>(create: (runtime: Runtime) => T): (runtime: Runtime) => T {
  let made: { readonly runtime: Runtime; readonly value: T } | undefined;
  return (runtime) => {
    if (made?.runtime !== runtime) made = { runtime, value: create(runtime) };
    return made.value;
  };
}
