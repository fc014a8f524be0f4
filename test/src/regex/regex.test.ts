import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { Regex, type RegexOptions } from "../../../src/regex/regex.ts";

const both: RegexOptions = { anchor: "both" };

describe("test", () => {
  test.each<[pattern: string, options: RegexOptions, matching: string[], other: string[]]>([
    ["abc", {}, ["abc", "xabcx"], ["ab", ""]],
    ["^abc", {}, ["abc", "abcx"], ["xabc"]],
    ["abc$", {}, ["abc", "xabc"], ["abcx"]],
    ["^abc$", {}, ["abc"], ["abcx", "xabc"]],
    ["a\\.b", {}, ["a.b"], ["axb"]],
    ["^cost\\$", {}, ["cost$", "cost$1"], ["cost"]],
    ["^cost\\\\$", {}, ["cost\\"], ["cost$"]],
    ["", {}, ["", "a"], []],
    ["a|b", both, ["a", "b"], ["ab", "a|b", ""]],
    ["a|", both, ["a", ""], ["b"]],
    ["a\\|b", both, ["a|b"], ["a", "b"]],
    ["a|b.", both, ["a", "bc"], ["b", "ac"]],
    ["a.*", both, ["a", "abc"], ["ba", "a\nb"]],
    ["a.*", { anchor: "both", dotAll: true }, ["a\nb"], ["ba"]],
    ["a.b", { dotAll: true }, ["xa\nb"], ["ab"]],
    ["(?i)Ab", {}, ["xaBx"], ["a"]],
    ["\\d+", {}, ["a1"], ["a"]],
    ["^\\pL+$", {}, ["äß"], ["a1"]],
  ])("%s %p", (pattern, options, matching, other) => {
    const regex = Regex.compile(pattern, options);
    const verdicts = (texts: string[]) => texts.map((text) => regex.test(text));
    expect(verdicts([...matching, ...other, ...matching])).toEqual([
      ...matching.map(() => true),
      ...other.map(() => false),
      ...matching.map(() => true),
    ]);
  });

  test("the fast ways say what the engine says", () => {
    const piece = fc.constantFrom(
      "a",
      "b",
      ".",
      "\\.",
      "\\|",
      "|",
      "^",
      "$",
      "\\$",
      "\\\\",
      "\\-",
      "é",
      "",
    );
    const pattern = fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join(""));
    const text = fc
      .array(fc.constantFrom("a", "b", ".", "|", "$", "\\", "-", "é", "^"), { maxLength: 4 })
      .map((pieces) => pieces.join(""));
    fc.assert(
      fc.property(pattern, text, fc.boolean(), (source, candidate, isBoth) => {
        const options: RegexOptions = isBoth ? both : {};
        // The group keeps the pattern from being seen as a literal.
        const slow = Regex.compile(`(?:${source})`, options);
        const fast = Regex.compile(source, options);
        expect(fast.test(candidate)).toBe(slow.test(candidate));
        expect(fast.match(candidate) !== undefined).toBe(fast.test(candidate));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("templates", () => {
  test.each<[template: string, expanded: string]>([
    ["$1", "one"],
    ["${1}x", "onex"],
    ["$1x", ""],
    ["$0", "one-two"],
    ["$name/$1", "two/one"],
    ["${name}s", "twos"],
    ["$names", ""],
    ["$$1", "$1"],
    ["$$$1", "$one"],
    ["$", "$"],
    ["a$", "a$"],
    ["$-", "$-"],
    ["${1", "${1"],
    ["${}", "${}"],
    ["${a b}", "${a b}"],
    ["$9", ""],
    ["$01", ""],
    ["$4", ""],
    ["plain", "plain"],
    ["$1$name", "onetwo"],
    ["$ä", ""],
  ])("%s", (template, expanded) => {
    const regex = Regex.compile("^(\\w+)-(?P<name>\\w+)(x)?(!)?$");
    expect(regex.expand("one-two", regex.template(template))).toBe(expanded);
  });

  test("no match expands to nothing", () => {
    const regex = Regex.compile("a(b)");
    expect(regex.expand("xyz", regex.template("$1"))).toBeUndefined();
  });

  test("the leftmost match counts", () => {
    const regex = Regex.compile("(\\d)");
    expect(regex.expand("a1b2", regex.template("<$1>"))).toBe("<1>");
  });

  test("group names by number", () => {
    const regex = Regex.compile("(a)(?P<first>b)(?<second>c)");
    expect(regex.groupNames).toEqual(["", "", "first", "second"]);
    expect([...regex.match("abc")!]).toEqual(["abc", "a", "b", "c"]);
  });
});

function messageOf(pattern: string): string | undefined {
  try {
    Regex.compile(pattern);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe("bad patterns", () => {
  test.each([
    ["old[\\da", "error parsing regexp: missing closing ]: `[\\da`"],
    ["(a", "error parsing regexp: missing closing ): `(a`"],
    ["*a", "error parsing regexp: missing argument to repetition operator: `*`"],
    ["a{1001}", "error parsing regexp: invalid repeat count: `{1001}`"],
    ["(?=a)", "error parsing regexp: invalid or unsupported Perl syntax: `(?=`"],
    ["(a)\\1", "error parsing regexp: invalid escape sequence: `\\1`"],
    ["a\\", "error parsing regexp: trailing backslash at end of expression: ``"],
  ])("%s: Go's text", (pattern, message) => {
    expect(messageOf(pattern)).toBe(message);
  });

  test("a program that would not fit is refused before it is made", () => {
    expect(() => Regex.compile("a{1000}".repeat(1000))).toThrow(
      /^error parsing regexp: expression too large: `a\{1000\}.{193}…`$/u,
    );
    expect(() => Regex.compile("(".repeat(2000) + ")".repeat(2000))).toThrow(
      /expression nests too deeply/u,
    );
  });

  test("patterns that take a backtracking engine for ever are linear", () => {
    const text = `${"a".repeat(200_000)}!`;
    expect(Regex.compile("^(a+)+$").test(text)).toBe(false);
    expect(Regex.compile("^(a|aa)+(b)$").match(text)).toBeUndefined();
  });
});
