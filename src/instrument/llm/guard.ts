import { messageOf, type Problems } from "../problems.ts";

/** Runs what is within the application's own calls and must not fail them; undefined: it failed, which is told. */
export function guard<R>(problems: Problems, run: () => R): R | undefined {
  try {
    return run();
  } catch (error) {
    problems.report("llm_failed", `cannot measure a call: ${messageOf(error)}`);
    return undefined;
  }
}
