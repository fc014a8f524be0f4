import { expect, test } from "@jest/globals";
import { SharedVerdicts } from "../../../processors/relabel/shared-verdicts.ts";
import { Verdict } from "../../../processors/relabel/verdict.ts";

const patch = (append: string) => ({
  cuts: [0, 4],
  inserts: [Buffer.of()],
  append: Buffer.from(append),
});

test("equal verdicts become one object, others do not", () => {
  const shared = new SharedVerdicts();
  const first = shared.of(new Verdict(undefined, patch("a"), "name"));
  expect(shared.of(new Verdict(undefined, patch("a"), "name"))).toBe(first);
  expect(shared.of(new Verdict(undefined, patch("b"), "name"))).not.toBe(first);
  expect(shared.of(new Verdict(undefined, patch("a")))).not.toBe(first);
  expect(shared.of(new Verdict(undefined, undefined, "name"))).not.toBe(first);
});

test("verdicts that never repeat are held within a bound", () => {
  const shared = new SharedVerdicts();
  let largest = 0;
  for (let i = 0; i < 20_000; i++) {
    shared.of(new Verdict(undefined, patch(`${"x".repeat(500)}${i}`)));
    largest = Math.max(largest, shared.heldBytes);
  }
  expect(largest).toBeGreaterThan(1_000_000);
  expect(largest).toBeLessThan(16_000_000);
  const long = shared.of(new Verdict(undefined, patch("y".repeat(5000))));
  expect(shared.of(new Verdict(undefined, patch("y".repeat(5000))))).not.toBe(long);
});
