import { expect, test } from "@jest/globals";
import { growingPercent, letHeapGrow } from "../../../src/cli/heap.ts";
import { FakeClock } from "../../support/fake-clock.ts";

const mib = 2 ** 20;

test("a small heap gets room for 64 MiB, a large one is left to V8", () => {
  for (const used of [8, 17, 64, 100, 128]) {
    const room = (growingPercent(used * mib) / 100) * used;
    expect(room).toBeGreaterThanOrEqual(64);
    expect(room).toBeLessThan(66);
  }
  expect(growingPercent(129 * mib)).toBe(0);
  expect(growingPercent(4096 * mib)).toBe(0);
});

test("it is adjusted again and again, until it is cancelled", () => {
  const clock = new FakeClock();
  const timer = letHeapGrow(clock);
  expect(clock.pending).toBe(1);
  timer.cancel();
  expect(clock.pending).toBe(0);
});
