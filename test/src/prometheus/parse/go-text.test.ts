import { describe, expect, test } from "@jest/globals";
import {
  parseFloatText,
  parseIntText,
  quoteByte,
  quoteBytes,
  quoteText,
} from "../../../../src/prometheus/parse/go-text.ts";
import { familiesOf } from "../../../support/parse-families.ts";

test.each([
  ['a\n\t"\\', String.raw`"a\n\t\"\\"`],
  ["\u{0}\u{7f}\u{1b}", String.raw`"\x00\x7f\x1b"`],
  ["größe 日本 😀", '"größe 日本 😀"'],
  ["\u{200b}\u{a0}", String.raw`"\u200b\u00a0"`],
])("quotes %j as Go does", (text, quoted) => {
  expect(quoteText(text)).toBe(quoted);
});

test.each([
  ["a", "'a'"],
  ["'", String.raw`'\''`],
  ['"', `'"'`],
  ["\n", String.raw`'\n'`],
  ["\u{1}", String.raw`'\x01'`],
  ["\u{80}", String.raw`'\u0080'`],
  ["\u{c3}", "'Ã'"],
])("quotes the byte %j as Go does", (character, quoted) => {
  expect(quoteByte(character.charCodeAt(0))).toBe(quoted);
});

test("bytes that are no UTF-8 are shown one by one, long texts are cut", () => {
  expect(quoteBytes(Buffer.of(0xff, 0x61, 0xe2, 0x82), 0, 4)).toBe(String.raw`"\xffa\xe2\x82"`);
  expect(quoteText("x".repeat(10_000))).toBe(`"${"x".repeat(512)}…"`);
});

describe("numbers", () => {
  test.each([
    ["0", 0],
    ["-1.5e3", -1500],
    [".5", 0.5],
    ["5.", 5],
    ["+08", 8],
    ["1e-400", 0],
    ["NaN", NaN],
    ["nan", NaN],
    ["+Inf", Infinity],
    ["-infinity", -Infinity],
    ["INF", Infinity],
  ])("%s", (text, value) => {
    expect(parseFloatText(text)).toBe(value);
  });

  test.each(["", ".", "e5", "1e", "0x1", "1 ", "--1", "+nan", "infi", "1,5", "１"])(
    "%j is none",
    (text) => {
      const { error } = parseFloatText(text) as { error: string };
      expect(error).toBe(`strconv.ParseFloat: parsing ${quoteText(text)}: invalid syntax`);
    },
  );

  test("bytes that are no UTF-8 are shown as they came", () => {
    const body = Buffer.from("a 1\xff\n", "latin1");
    expect(() => familiesOf(body, "text-scrape")).toThrow(
      String.raw`strconv.ParseFloat: parsing "1\xff": invalid syntax while parsing: "a 1\xff"`,
    );
    expect(() => familiesOf(body, "text-push")).toThrow(
      String.raw`line 1: expected float as value, got "1\xff"`,
    );
    const time = Buffer.from("a 1 2\xff\n", "latin1");
    expect(() => familiesOf(time, "text-push")).toThrow(
      String.raw`line 1: expected integer as timestamp, got "2\xff"`,
    );
  });

  test("out of range", () => {
    expect(parseFloatText("-1e999")).toEqual({
      error: 'strconv.ParseFloat: parsing "-1e999": value out of range',
    });
    expect(parseIntText("9223372036854775808")).toEqual({
      error: 'strconv.ParseInt: parsing "9223372036854775808": value out of range',
    });
    expect(parseIntText("-9223372036854775808")).toBe(-(2 ** 63));
    expect(parseIntText("+5")).toBe(5);
    expect(parseIntText("1.0")).toHaveProperty("error");
  });
});
