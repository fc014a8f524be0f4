/**
 * Mutations of valid StatsD packets: nothing throws, every line is taken or refused with a reason, what is sent is
 * valid OTLP, and memory stays within its bounds.
 *
 * Runs 2 seconds, a minute with NIGHTLY=1. A failure prints the seed and the packet.
 */
import { expect, test } from "@jest/globals";
import { LineFramer } from "../../receivers/statsd/framer.ts";
import { sentPoints, TestAggregator } from "../receivers/statsd/support.ts";

const isNightly = process.env["NIGHTLY"] === "1";
const budgetMs = isNightly ? 60_000 : 2000;
const firstSeed = isNightly ? Date.now() % 1_000_000_000 : 1;

class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return (this.#state >>> 8) % limit;
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

const names = ["a", "api.requests", "größe", "_e", "_sc", "", "x:y", "#", "|"];
const numbers = [
  "1",
  "-1",
  "+5",
  "0",
  "-0",
  "1e3",
  "1e308",
  "-1e308",
  "0.1",
  "5e-324",
  "NaN",
  "-inf",
];
const more = ["9".repeat(30), "1.", ".5", "", ":", "1:2", "1::2", "0x1", "1e", "abc"];
const lineTypes = ["c", "g", "ms", "h", "d", "s", "", "cc", "kv"];
const partsOfLines = [
  "|@0.1",
  "|@1e-9",
  "|@0",
  "|@-1",
  "|@",
  "|#a:b",
  "|#a",
  "|#",
  "|#a:b,a:c,,",
  "|c:id",
];
const otherParts = ["|T1656581400", "|T-1", "|e:x", "|card:low", "||", "|x", "|#a:b|#c:d", "|c:"];

function lineOf(random: Random): string {
  let line = `${random.of(names)}:${random.of([...numbers, ...more])}|${random.of(lineTypes)}`;
  for (let n = random.below(4); n > 0; n--) line += random.of([...partsOfLines, ...otherParts]);
  return line;
}

function packetOf(random: Random): Buffer {
  const lines = Array.from({ length: 1 + random.below(8) }, () => lineOf(random));
  let bytes = Buffer.from(lines.join(random.of(["\n", "\r\n", "\n\n"])));
  for (let n = random.below(3); n > 0; n--) {
    const at = random.below(bytes.length + 1);
    const inserted = Buffer.from([random.of([0, 10, 13, 35, 44, 58, 64, 124, 128, 195, 255])]);
    bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + random.below(2))]);
  }
  return bytes;
}

const mapped = (observer: string) => ({
  timer_histogram_mapping: [{ statsd_type: "timer", observer_type: observer }],
});
const configs = [
  {},
  { counter_type: "float", is_monotonic_counter: false, enable_simple_tags: true },
  { counter_type: "stochastic_int", enable_metric_type: true },
  { max_series: 3, ...mapped("summary") },
  mapped("gauge"),
  mapped("histogram"),
];

function refusedLines(t: TestAggregator): number {
  let refused = 0;
  for (const [key, value] of t.settings.meter.values) {
    if (key.startsWith("rmt_statsd_refused_lines")) refused += value;
  }
  return refused;
}

test("mutated packets", () => {
  const endMs = performance.now() + budgetMs;
  let runs = 0;
  for (let seed = firstSeed; performance.now() < endMs; seed++, runs++) {
    const random = new Random(seed);
    const t = new TestAggregator(random.of(configs));
    const packets = Array.from({ length: 1 + random.below(5) }, () => packetOf(random));
    try {
      for (const packet of packets) t.send(packet, random.of(["", "one", "two"]));
      const payloads = t.payloads();
      for (const { value } of sentPoints(...payloads)) {
        if (value !== undefined) expect(Number.isFinite(value)).toBe(true);
      }
      expect(refusedLines(t) + t.count("rmt_statsd_events")).toBeLessThanOrEqual(
        t.count("rmt_statsd_lines"),
      );
      t.aggregator.close();
      expect(t.settings.budget.usedBytes).toBe(0);
    } catch (error) {
      const texts = packets.map((packet) => JSON.stringify(packet.toString("latin1")));
      throw new Error(`seed ${seed}: ${texts.join(" ")}`, { cause: error });
    }
  }
  expect(runs).toBeGreaterThan(20);
});

test("a stream means the same as a packet, however it is cut", () => {
  const endMs = performance.now() + budgetMs / 2;
  for (let seed = firstSeed; performance.now() < endMs; seed++) {
    const random = new Random(seed);
    const packet = packetOf(random);
    const whole = new TestAggregator().send(packet);
    const pieces = new TestAggregator();
    const framer = new LineFramer(pieces.intake, "", pieces.settings.budget);
    for (let at = 0; at < packet.length; ) {
      const end = Math.min(packet.length, at + 1 + random.below(20));
      framer.take(packet.subarray(at, end));
      at = end;
    }
    framer.end();
    const [expected, actual] = [whole.flush(), pieces.flush()];
    try {
      expect(actual).toEqual(expected);
      expect(pieces.count("rmt_statsd_lines")).toBe(whole.count("rmt_statsd_lines"));
    } catch (error) {
      const text = JSON.stringify(packet.toString("latin1"));
      throw new Error(`seed ${seed}: ${text}`, { cause: error });
    }
    whole.aggregator.close();
    pieces.aggregator.close();
  }
});
