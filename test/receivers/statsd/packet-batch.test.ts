import { expect, test } from "@jest/globals";
import { PacketBatch } from "../../../receivers/statsd/packet-batch.ts";
import { TestAggregator } from "./support.ts";

function start() {
  const t = new TestAggregator();
  const batch = new PacketBatch(t.intake, t.clock);
  return { t, batch, add: (text: string, sender = "") => batch.add(Buffer.from(text), sender) };
}

test("packets are read 20 ms after the first of them", async () => {
  const { t, add } = start();
  add("a:1|c");
  await t.clock.advance(15);
  add("a:1|c\nb:1|c");
  expect(t.count("rmt_statsd_lines")).toBe(0);
  await t.clock.advance(5);
  expect(t.count("rmt_statsd_lines")).toBe(3);
  expect(t.clock.pending).toBe(0);
});

test("a mebibyte of them is read at once", () => {
  const { t, add } = start();
  const packet = `a:1|c|#x:${"y".repeat(50_000)}`;
  for (let i = 0; i < 20; i++) add(packet);
  expect(t.count("rmt_statsd_lines")).toBe(0);
  add(packet);
  expect(t.count("rmt_statsd_lines")).toBe(21);
  expect(t.clock.pending).toBe(0);
});

test("each is read as its sender's, in order", () => {
  const { t, batch, add } = start();
  add("g:1|g", "one");
  add("g:2|g", "two");
  add("g:3|g", "one");
  batch.drain();
  expect(t.flush().map(({ value }) => value)).toEqual([3, 2]);
});
