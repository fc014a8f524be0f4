import { describe, expect, test } from "@jest/globals";
import { SizeCeiling } from "../../../src/delivery/size-ceiling.ts";

const tenMinutes = 600_000;

describe("SizeCeiling", () => {
  test("there is none before the first refusal, whatever was taken", () => {
    const ceiling = new SizeCeiling();
    ceiling.taken(1e9);
    expect(ceiling.bytes(tenMinutes * 5)).toBe(Number.POSITIVE_INFINITY);
  });

  test("a refusal leads to half of it, or to the largest that was taken below", () => {
    const ceiling = new SizeCeiling();
    ceiling.refused(1000, 0);
    expect(ceiling.bytes(0)).toBe(500);
    const known = new SizeCeiling();
    known.taken(800);
    known.refused(1000, 0);
    expect(known.bytes(0)).toBe(800);
  });

  test("it only falls, until something larger is taken", () => {
    const ceiling = new SizeCeiling();
    ceiling.refused(1000, 0);
    ceiling.refused(4000, 0);
    expect(ceiling.bytes(0)).toBe(500);
    ceiling.taken(700);
    expect(ceiling.bytes(0)).toBe(700);
  });

  test("a limit that was lowered at the destination is learnt anew", () => {
    const ceiling = new SizeCeiling();
    ceiling.taken(800);
    ceiling.refused(1000, 0);
    ceiling.refused(800, 1);
    expect(ceiling.bytes(1)).toBe(400);
    ceiling.taken(300);
    ceiling.refused(400, 2);
    expect(ceiling.bytes(2)).toBe(300);
  });

  test("ten minutes after the last refusal it rises by a quarter, and again", () => {
    const ceiling = new SizeCeiling();
    ceiling.refused(1600, 0);
    ceiling.refused(1700, 1000);
    expect(ceiling.bytes(tenMinutes + 999)).toBe(800);
    expect(ceiling.bytes(tenMinutes + 1000)).toBe(1000);
    expect(ceiling.bytes(2 * tenMinutes + 999)).toBe(1000);
    expect(ceiling.bytes(2 * tenMinutes + 1000)).toBe(1250);
  });
});
