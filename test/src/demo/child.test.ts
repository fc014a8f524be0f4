/** A process of the demo, asked over its channel. */
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Child } from "../../../src/demo/child.ts";
import { defaultKnobs } from "../../../src/demo/knobs.ts";
import type { OutsideCalls } from "../../../src/demo/outside.ts";

const main = join(__dirname, "..", "..", "..", "src", "main.ts");
const [, argument] = process.argv;
const { NODE_OPTIONS } = process.env;
let child: Child<OutsideCalls>;

beforeEach(() => {
  process.argv[1] = main;
  process.env["NODE_OPTIONS"] = "";
  child = new Child("outside", []);
});
afterEach(async () => {
  await child.stop(10_000);
  process.argv[1] = argument!;
  if (NODE_OPTIONS === undefined) delete process.env["NODE_OPTIONS"];
  else process.env["NODE_OPTIONS"] = NODE_OPTIONS;
});

test("answers calls, also with what they throw", async () => {
  await expect(child.call("report", null, 20_000)).rejects.toThrow("undefined");
  const llmUrl = await child.call("start", { seed: 1, knobs: defaultKnobs }, 20_000);
  expect((await fetch(llmUrl)).status).toBe(404);
});

test("a call has a deadline", async () => {
  await expect(child.call("report", null, 1)).rejects.toThrow(
    `the outside did not answer "report" within 0.001 s`,
  );
});

test("calls to a process that ends, or has ended, are rejected", async () => {
  const pending = child.call("start", { seed: 1, knobs: defaultKnobs }, 20_000);
  child.kill();
  await expect(pending).rejects.toThrow("the outside ended (SIGKILL)");
  await child.exited;
  await expect(child.call("report", null, 20_000)).rejects.toThrow("the outside ended (SIGKILL)");
  await child.stop(1);
});

test("ends in order when it is stopped, and keeps its last words", async () => {
  await child.call("start", { seed: 1, knobs: defaultKnobs }, 20_000);
  expect(child.hasExited).toBe(false);
  await child.stop(10_000);
  expect([child.hasExited, child.end, child.output]).toEqual([true, "exit code 0", ""]);
});
