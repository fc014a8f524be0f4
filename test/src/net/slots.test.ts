import { expect, test } from "@jest/globals";
import { Slots } from "../../../src/net/slots.ts";

/** Settled promises, by name, in order. */
function recorder() {
  const seen: string[] = [];
  const record = (name: string, promise: Promise<boolean>) =>
    void promise.then((granted) => seen.push(`${name} ${granted}`));
  return { seen, record };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

test("who comes later waits in order", async () => {
  const slots = new Slots(2);
  const { seen, record } = recorder();
  for (const name of ["a", "b", "c", "d"]) record(name, slots.take());
  await settled();
  expect(seen).toEqual(["a true", "b true"]);
  slots.release();
  await settled();
  slots.release();
  await settled();
  expect(seen).toEqual(["a true", "b true", "c true", "d true"]);
});

test("who gives up loses its place, and takes no slot", async () => {
  const slots = new Slots(1);
  const { seen, record } = recorder();
  const controller = new AbortController();
  record("a", slots.take());
  record("b", slots.take(controller.signal));
  record("c", slots.take());
  controller.abort();
  slots.release();
  await settled();
  expect(seen).toEqual(["a true", "b false", "c true"]);
  slots.release();
  expect(await slots.take()).toBe(true);
});

test("who has given up before gets none", async () => {
  const slots = new Slots(1);
  expect(await slots.take(AbortSignal.abort())).toBe(false);
  expect(await slots.take()).toBe(true);
});

test("giving up after the slot was granted changes nothing", async () => {
  const slots = new Slots(1);
  const controller = new AbortController();
  expect(await slots.take(controller.signal)).toBe(true);
  controller.abort();
  const { seen, record } = recorder();
  record("b", slots.take());
  await settled();
  expect(seen).toEqual([]);
});

test("0 is no bound", async () => {
  const slots = new Slots(0);
  const taken = await Promise.all(Array.from({ length: 1000 }, () => slots.take()));
  expect(taken.every(Boolean)).toBe(true);
});
