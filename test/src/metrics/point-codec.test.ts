import { expect, test } from "@jest/globals";
import {
  copyWithout,
  hasMax,
  hasMin,
  hasSum,
  histogramFields,
  type PointBody,
  readHistogram,
  sameArrays,
  writeHistogram,
} from "../../../src/metrics/point-codec.ts";
import { Writer, wireFixed64 } from "../../../src/pdata/wire.ts";

function written(write: (out: Writer) => void): PointBody {
  const out = new Writer();
  write(out);
  const bytes = out.take();
  const view = new DataView(bytes.buffer);
  return { bytes, view, start: 0, end: bytes.length };
}

function packed(out: Writer, field: number, values: readonly number[], isCount: boolean): void {
  const list = new Writer();
  for (const value of values) {
    if (isCount) list.fixed64(BigInt(value));
    else list.double(value);
  }
  out.lengthDelimited(field, list.take());
}

test("lists of a histogram come packed, in pieces and value by value", () => {
  const point = readHistogram(
    written((out) => {
      packed(out, 6, [1, 2], true);
      packed(out, 7, [0.5], false);
      out.tag(6, wireFixed64);
      out.fixed64(3n);
      packed(out, 6, [4], true);
      out.tag(7, wireFixed64);
      out.double(2.5);
      packed(out, 7, [], false);
    }),
  );
  expect([...point.counts]).toEqual([1, 2, 3, 4]);
  expect([...point.bounds]).toEqual([0.5, 2.5]);
});

test("what is written is read back; counts are exact up to 2^53", () => {
  const counts = Float64Array.of(0, 1, 2 ** 32, 2 ** 53);
  const has = hasSum | hasMin | hasMax;
  const values = { count: 2 ** 53, has, sum: -1.5, min: -2, max: 3, counts };
  const point = readHistogram(written((out) => writeHistogram(values, out)));
  expect(point).toMatchObject(values);
  const bare = { ...values, count: 1, has: 0, counts: new Float64Array(0) };
  const {
    count,
    has: none,
    counts: noCounts,
  } = readHistogram(written((out) => writeHistogram(bare, out)));
  expect([count, none, noCounts.length]).toEqual([1, 0, 0]);
});

test("a copy without fields keeps all others in their order", () => {
  const from = written((out) => {
    out.string(9, "a");
    const counts = Float64Array.of(1);
    writeHistogram({ count: 1, has: hasSum, sum: 2, min: 0, max: 0, counts }, out);
    packed(out, 7, [1], false);
    out.string(77, "b");
  });
  const kept = written((out) => copyWithout(from, histogramFields, out));
  const expected = written((out) => {
    out.string(9, "a");
    packed(out, 7, [1], false);
    out.string(77, "b");
  });
  expect(Buffer.from(kept.bytes).equals(expected.bytes)).toBe(true);
});

test("bounds are the same bit for bit", () => {
  expect(sameArrays(Float64Array.of(1, Number.NaN), Float64Array.of(1, Number.NaN))).toBe(true);
  expect(sameArrays(Float64Array.of(0), Float64Array.of(-0))).toBe(false);
  expect(sameArrays(Float64Array.of(1), Float64Array.of(1, 2))).toBe(false);
});
