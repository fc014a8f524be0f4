import { describe, expect, test } from "@jest/globals";
import { AttributeSet } from "../../../src/attribute-actions/attribute-set.ts";
import { encodeValue, valueOf } from "../../../src/attribute-actions/values.ts";
import { encodeAttribute, readKeyValues } from "../../../src/pdata/attributes.ts";
import { Writer } from "../../../src/pdata/wire.ts";

const key = (text: string) => Buffer.from(text, "utf8");

function loaded(...pairs: [key: string, value: string | bigint][]): AttributeSet {
  const bytes = Buffer.concat(pairs.map(([name, value]) => encodeAttribute(7, name, value)));
  return new AttributeSet().load(bytes, 0, bytes.length, 7);
}

function written(set: AttributeSet): Uint8Array {
  const out = new Writer();
  set.write(out);
  return out.take();
}

const pairsOf = (set: AttributeSet) => {
  const bytes = written(set);
  return [...readKeyValues(bytes, 0, bytes.length, 7)];
};

describe("AttributeSet", () => {
  test("writes what it loaded, byte for byte", () => {
    const set = loaded(["a", "1"], ["b", 2n]);
    expect(set.changed).toBe(false);
    expect(written(set)).toEqual(
      Buffer.concat([encodeAttribute(7, "a", "1"), encodeAttribute(7, "b", 2n)]),
    );
  });

  test("passes over other fields and takes key and value in either order", () => {
    const w = new Writer();
    w.string(3, "other");
    w.lengthDelimited(7, Buffer.from([0x12, 3, 0x0a, 1, 0x78, 0x0a, 1, 0x6b]));
    const set = new AttributeSet().load(w.bytes, 0, w.position, 7);
    expect(set.count).toBe(1);
    expect([set.keyText(0), set.text(0)]).toEqual(["k", "x"]);
  });

  test("put, update, append, rename, remove", () => {
    const set = loaded(["a", "1"], ["b", "2"], ["c", "3"]);
    set.put(key("b"), encodeValue("two"));
    set.put(key("d"), encodeValue(4n));
    expect(set.update(key("none"), encodeValue("x"))).toBe(false);
    set.rename(set.find(key("c")), key("see"));
    set.remove(key("a"));
    expect(set.changed).toBe(true);
    expect(pairsOf(set)).toEqual([
      ["b", "two"],
      ["see", "3"],
      ["d", 4n],
    ]);
  });

  test("of equal keys the last one is read, all are written and removed", () => {
    const set = loaded(["a", "1"], ["b", "x"], ["a", "2"]);
    expect(set.text(set.find(key("a")))).toBe("2");
    set.update(key("a"), encodeValue("new"));
    expect([set.text(0), set.text(2)]).toEqual(["new", "new"]);
    set.remove(key("a"));
    expect(pairsOf(set)).toEqual([["b", "x"]]);
  });

  test("a value can be moved to another key after its own was edited", () => {
    const set = loaded(["a", "1"], ["b", "2"]);
    set.put(key("b"), set.value(set.find(key("a"))));
    set.put(key("c"), set.value(set.find(key("b"))));
    expect(pairsOf(set)).toEqual([
      ["a", "1"],
      ["b", "1"],
      ["c", "1"],
    ]);
  });

  test("long keys and values", () => {
    const long = "k".repeat(300);
    const set = loaded([long, "v".repeat(20_000)]);
    expect(set.text(0)).toHaveLength(20_000);
    set.rename(0, key("short"));
    expect(pairsOf(set)).toEqual([["short", "v".repeat(20_000)]]);
  });

  test("text is for texts only; an absent value is none", () => {
    const set = loaded(["a", 1n], ["b", ""]);
    expect([set.text(0), set.text(1)]).toEqual([undefined, ""]);
    const bare = new AttributeSet().load(Buffer.from([0x3a, 3, 0x0a, 1, 0x6b]), 0, 5, 7);
    expect([bare.keyText(0), bare.text(0), valueOf(bare.value(0))]).toEqual([
      "k",
      undefined,
      undefined,
    ]);
  });

  test("is reused: nothing of the last message stays", () => {
    const set = loaded(["a", "1"], ["b", "2"]);
    set.put(key("a"), encodeValue("edited"));
    const bytes = encodeAttribute(7, "c", "3");
    set.load(bytes, 0, bytes.length, 7);
    expect(set.changed).toBe(false);
    expect(pairsOf(set)).toEqual([["c", "3"]]);
  });
});

test("a hundred thousand attributes, every second of which goes", () => {
  const pairs = Array.from({ length: 100_000 }, (_, i) => [`k${i}`, "v"] as [string, string]);
  const set = loaded(...pairs);
  set.removeWhere((index) => index % 2 === 0);
  expect([set.count, set.keyText(0), set.keyText(49_999)]).toEqual([50_000, "k1", "k99999"]);
});
