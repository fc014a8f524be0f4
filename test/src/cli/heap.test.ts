import { execFileSync } from "node:child_process";
import { join } from "node:path";
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

test("the young generation of a service at work grows to 2 x 2 MiB and no further, that of an idle one does not", () => {
  const heap = join(__dirname, "..", "..", "..", "src", "cli", "heap.ts");
  const script = `
    import { keepYoungGenerationSmall, letHeapGrow, youngGenerationBytes } from ${JSON.stringify(heap)};
    const kept = [];
    const keepMany = () => { for (let i = 0; i < 100_000; i++) kept.push({ i }); };
    const log = (when) => console.log(when, Math.round(youngGenerationBytes() / 2 ** 20));
    keepYoungGenerationSmall();
    keepMany();
    log("start");
    let interval;
    letHeapGrow({ every: (_, callback) => { interval = callback; } });
    interval();
    log("idle");
    const before = process.cpuUsage();
    while (process.cpuUsage(before).user < 600_000);
    interval();
    log("busy");
    for (let i = 0; i < 12; i++) keepMany();
    interval();
    // While it collects, V8 may go beyond its own limit.
    console.log(youngGenerationBytes() > 12 * 2 ** 20 ? "beyond" : "no further");
  `;
  const args = ["--input-type=module-typescript", "--eval", script];
  const env = { ...process.env, NODE_OPTIONS: "" };
  expect(execFileSync(process.execPath, args, { encoding: "utf8", env }).split("\n")).toEqual([
    "start 2",
    "idle 2",
    "busy 4",
    "no further",
    "",
  ]);
});
