import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { adjustOldGeneration, growingPercent } from "../../../src/cli/heap.ts";
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
  const timer = adjustOldGeneration(clock);
  expect(clock.pending).toBe(1);
  timer.cancel();
  expect(clock.pending).toBe(0);
});

test("the young generation stays small, however many objects live on", () => {
  const heap = join(__dirname, "..", "..", "..", "src", "cli", "heap.ts");
  const script = `
    import { getHeapSpaceStatistics } from "node:v8";
    import { keepYoungGenerationSmall } from ${JSON.stringify(heap)};
    const kept = [];
    keepYoungGenerationSmall();
    for (let i = 0; i < 2_000_000; i++) kept.push({ i });
    const young = getHeapSpaceStatistics().find((space) => space.space_name === "new_space");
    // While it collects, V8 goes beyond its own limit; without one it would be 32 MiB.
    console.log(young.space_size < 12 * 2 ** 20 ? "small" : "large");
  `;
  const args = ["--input-type=module-typescript", "--eval", script];
  const env = { ...process.env, NODE_OPTIONS: "" };
  expect(execFileSync(process.execPath, args, { encoding: "utf8", env })).toBe("small\n");
});
