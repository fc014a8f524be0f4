import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { LineFramer } from "../../../receivers/statsd/framer.ts";
import { maxLineBytes } from "../../../receivers/statsd/intake.ts";
import { testBudget } from "../../support/settings.ts";
import { shortly, TestAggregator } from "./support.ts";

function start(budget = testBudget()) {
  const t = new TestAggregator({}, { budget });
  const framer = new LineFramer(t.intake, "", t.settings.budget);
  return { t, framer, take: (text: string) => framer.take(Buffer.from(text)) };
}

describe("lines of a stream", () => {
  test("may come in pieces, and the last one without a newline", () => {
    const { t, framer, take } = start();
    for (const piece of ["a:", "1", "|c\nb:2|c\r", "\nc:3", "|c"]) take(piece);
    expect(shortly(t.flush())).toEqual(["a{} 1", "b{} 2"]);
    framer.end();
    expect(shortly(t.flush())).toEqual(["c{} 3"]);
  });

  test("are the same however the stream is cut", () => {
    const text = "a:1|c\n\nbad\nb:2|c|#x:y\n_e{1,1}:a|b\r\na:4|c";
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: text.length - 1 })), (cuts) => {
        const { t, framer, take } = start();
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        for (let i = 1; i < places.length; i++) take(text.slice(places[i - 1], places[i]));
        framer.end();
        expect(shortly(t.flush())).toEqual(["a{} 5", "b{x=y} 2"]);
        expect(t.refused("format")).toBe(1);
        expect(t.settings.budget.usedBytes).toBe(t.aggregator.heldBytes);
      }),
    );
  });

  test("of up to 65,527 bytes are taken, longer ones are refused once and skipped", () => {
    const { t, framer, take } = start();
    const lineOf = (length: number) => `a:1|c|#x:${"y".repeat(length - 9)}`;
    take(`${lineOf(maxLineBytes)}\n`);
    expect(t.flush()).toHaveLength(1);
    const long = lineOf(10_000_000);
    for (let at = 0; at < long.length; at += 65_536) take(long.slice(at, at + 65_536));
    expect(t.settings.budget.usedBytes - t.aggregator.heldBytes).toBe(0);
    take("more\nb:1|c\n");
    take(`${lineOf(maxLineBytes + 1)}\nc:1|c\n`);
    for (const piece of [lineOf(maxLineBytes), "z\nd:1|c"]) take(piece);
    framer.end();
    expect(t.flush().map(({ name }) => name)).toEqual(["b", "c", "d"]);
    expect(t.refused("too_long")).toBe(3);
  });

  test("that have begun and do not fit into the budget are refused, counted and skipped", () => {
    const { t, framer, take } = start(testBudget(10_000));
    take(`a:1|c\nb:1|c|#x:${"y".repeat(6000)}`);
    for (let i = 0; i < 10; i++) take("z".repeat(6000));
    expect(t.settings.budget.usedBytes).toBe(t.aggregator.heldBytes);
    take("\nc:1|");
    take("c");
    framer.end();
    expect(shortly(t.flush())).toEqual(["a{} 1", "c{} 1"]);
    expect(t.refused("memory_budget")).toBe(1);
    expect(t.count("rmt_statsd_lines")).toBe(3);
  });

  test("that are begun are in the budget until they end", () => {
    const { t, framer, take } = start();
    take("a:1");
    expect(t.settings.budget.usedBytes).toBe(3);
    take("00|c");
    expect(t.settings.budget.usedBytes).toBe(7);
    framer.end();
    expect(t.settings.budget.usedBytes).toBe(t.aggregator.heldBytes);
  });
});
