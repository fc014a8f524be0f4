import { type ParsedFamily, stepsOf } from "../../src/prometheus/parse/parse.ts";

/** The families of a body, parsed without pauses. */
export function familiesOf(...args: Parameters<typeof stepsOf>): ParsedFamily[] {
  const steps = stepsOf(...args);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}
