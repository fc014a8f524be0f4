import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { Line } from "../../../receivers/statsd/line.ts";
import { RawCache } from "../../../receivers/statsd/raw-cache.ts";

function lineOf(text: string): Line {
  const bytes = Buffer.from(text);
  const line = new Line();
  expect(line.parse(bytes, 0, bytes.length)).toBeUndefined();
  return line;
}

class TextCache {
  readonly cache = new RawCache<{ text: string }>();
  get(text: string): string | undefined {
    const line = lineOf(text);
    return this.cache.get(line, RawCache.hashOf(line))?.text;
  }
  set(text: string): number {
    const line = lineOf(text);
    return this.cache.set(line, RawCache.hashOf(line), { text });
  }
}

describe("a cache of series by the bytes of their lines", () => {
  test("finds what it was given, whatever value, rate and time say", () => {
    const cache = new TextCache();
    cache.set("a:1|c|#x:y|c:id");
    expect(cache.get("a:2:3|c|@0.5|c:id|#x:y|T5")).toBe("a:1|c|#x:y|c:id");
  });

  test("tells apart what has the same bytes in another place", () => {
    const cache = new TextCache();
    const lines = [
      "ab:1|c|#cd:e",
      "abc:1|c|#d:e",
      "ab:1|g|#cd:e",
      "ab:1|c|#cd:|c:e",
      "ab:1|c|c:cd:e",
      "ab:1|c",
    ];
    for (const line of lines) cache.set(line);
    for (const line of lines) expect(cache.get(line)).toBe(line);
  });

  test("of any number of keys", () => {
    const name = fc.stringMatching(/^[a-z]{1,30}$/u);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, name), { maxLength: 300, selector: String }),
        (keys) => {
          const cache = new TextCache();
          const lines = keys.map(([a, b]) => `${a}:1|c|#${b}:x`);
          for (const line of lines) expect(cache.get(line)).toBeUndefined();
          for (const line of lines) cache.set(line);
          for (const line of lines) expect(cache.get(line)).toBe(line);
        },
      ),
      { numRuns: 30 },
    );
  });

  test("keys with one hash are told apart", () => {
    const cache = new RawCache<{ text: string }>();
    for (const text of ["a:1|c", "b:1|c", "c:1|c"]) cache.set(lineOf(text), 7, { text });
    expect(cache.get(lineOf("b:1|c"), 7)?.text).toBe("b:1|c");
    expect(cache.get(lineOf("d:1|c"), 7)).toBeUndefined();
  });

  test("does not keep keys of more than 4,096 bytes", () => {
    const cache = new TextCache();
    const line = `a:1|c|#x:${"y".repeat(4096)}`;
    expect(cache.set(line)).toBe(0);
    expect(cache.get(line)).toBeUndefined();
    expect(cache.set("a:1|c|#x:y")).toBeGreaterThan(4);
  });

  test("is small when empty, and again after clear", () => {
    const cache = new TextCache();
    const { heldBytes } = cache.cache;
    expect(heldBytes).toBeLessThan(1000);
    for (let i = 0; i < 1000; i++) cache.set(`name${i}:1|c`);
    expect(cache.cache.heldBytes).toBeGreaterThan(30_000);
    cache.cache.clear();
    expect(cache.cache.heldBytes).toBe(heldBytes);
    expect(cache.get("name7:1|c")).toBeUndefined();
  });
});
