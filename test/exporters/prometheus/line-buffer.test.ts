import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { LineBuffer } from "../../../exporters/prometheus/line-buffer.ts";

const written = (out: LineBuffer) => Buffer.concat(out.take(true)).toString("latin1");

test("digits are those of the number", () => {
  const borders = [0, 1, 9, 10, 99, 100, 99_999, 100_000, 999_999, 1_000_000, 999_999_999];
  for (const value of borders) {
    const out = new LineBuffer();
    out.digits(value);
    expect(written(out)).toBe(String(value));
  }
});

test("lines are what was written, in whole pieces, across the ends of chunks", () => {
  const piece = fc.oneof(
    fc.string({ unit: "binary-ascii", maxLength: 40 }),
    fc.nat({ max: 999_999_999 }),
    fc.constantFrom("x".repeat(100_000), "y".repeat(300_000)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.nat({ max: 30 }), (pieces, taken) => {
      const out = new LineBuffer();
      let text = "";
      for (const [i, next] of pieces.entries()) {
        if (typeof next === "number") out.digits(next);
        else out.text(next);
        out.endLine();
        if (i === taken) for (const chunk of out.take(false)) text += chunk.toString("latin1");
      }
      expect(text + written(out)).toBe(pieces.map((next) => `${next}\n`).join(""));
    }),
  );
});
