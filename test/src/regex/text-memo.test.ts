import { expect, test } from "@jest/globals";
import { TextMemo } from "../../../src/regex/text-memo.ts";

function counted(maxChars?: number) {
  const seen: string[] = [];
  const memo = new TextMemo((text) => {
    seen.push(text);
    return text === "none" ? undefined : text.length;
  }, maxChars);
  return { memo, seen };
}

test("computes once a text, also where the answer is undefined", () => {
  const { memo, seen } = counted();
  expect([memo.get("ab"), memo.get("none"), memo.get("ab"), memo.get("none")]).toEqual([
    2,
    undefined,
    2,
    undefined,
  ]);
  expect(seen).toEqual(["ab", "none"]);
});

test("texts that never repeat stay within the bound; what is used stays", () => {
  const { memo, seen } = counted(10_000);
  for (let i = 0; i < 10_000; i++) {
    memo.get(`text ${i}`);
    memo.get("used");
  }
  expect(memo.heldChars).toBeLessThanOrEqual(10_000);
  expect(memo.heldChars).toBeGreaterThan(4_000);
  expect(seen.filter((text) => text === "used")).toHaveLength(1);
});

test("a huge text is answered and not kept", () => {
  const { memo } = counted();
  expect(memo.get("a".repeat(100_000))).toBe(100_000);
  expect(memo.heldChars).toBe(0);
});
