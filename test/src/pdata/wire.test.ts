import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { copyBytes } from "../../../src/pdata/copy-bytes.ts";
import { countItems } from "../../../src/pdata/count.ts";
import { lengthAt, lengthEnd, skipValue } from "../../../src/pdata/series/point.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { Cursor, Writer } from "../../../src/pdata/wire.ts";
import { rawFields } from "../../support/otlp-model.ts";
import { Dice, oddForm } from "../../support/otlp-odd.ts";
import { lengthDelimited as ld, randomMessage, varint } from "../../support/otlp-random.ts";

/** The heads of a message of which `inner` is written and `length` bytes follow. */
const around = (tag: number, inner: Buffer, length: number) =>
  Buffer.concat([Buffer.from([tag]), varint(BigInt(inner.length + length)), inner]);

describe("Cursor", () => {
  test("reads what a plain reader reads, in odd forms too", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const plain = randomMessage("Span", seed, { order: "shuffled", unknown: true });
        const bytes = oddForm("Span", plain, new Dice(seed));
        const cursor = new Cursor().reset(bytes);
        const seen: unknown[] = [];
        while (cursor.next()) {
          const value = bytes.subarray(cursor.valueStart, cursor.valueEnd);
          seen.push([cursor.number, cursor.wireType, value.toString("hex")]);
        }
        expect(seen).toEqual(
          rawFields(bytes).map((f) => [f.number, f.wireType, f.value.toString("hex")]),
        );
      }),
    );
  });

  test("comes to an end in any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200, size: "max" }), (bytes) => {
        const cursor = new Cursor().reset(bytes);
        let last = -1;
        while (cursor.next()) {
          expect(cursor.fieldStart).toBeGreaterThan(last);
          last = cursor.fieldStart;
        }
      }),
      { numRuns: 500 },
    );
    // A length with the sign bit set would lead backwards.
    const back = Buffer.from([0x0a, 0xf0, 0xff, 0xff, 0xff, 0x0f, 0, 0]);
    const cursor = new Cursor().reset(back);
    expect(cursor.next()).toBe(true);
    expect(cursor.next()).toBe(false);
  });

  test("passes messages of more than 256 MiB", () => {
    const length = 270 * 1024 * 1024;
    const bodyHead = Buffer.concat([Buffer.from([0xa2, 6]), varint(BigInt(length))]);
    const next = ld(2, Buffer.alloc(0));
    // A log record with one large field, and a small one behind it.
    const record = around(0x12, bodyHead, length);
    const scope = around(0x12, record, length + next.length);
    const head = around(0x0a, scope, length + next.length);
    // Zeroed memory is not touched, so it costs nothing.
    const bytes = Buffer.alloc(head.length + length + next.length);
    head.copy(bytes);
    next.copy(bytes, bytes.length - next.length);
    // Who reads 28 bits of the record's length would find another record here.
    const wrongEnd = (bodyHead.length + length) % 2 ** 28;
    next.copy(bytes, head.length - bodyHead.length + wrongEnd);
    expect(verify("logs", bytes)).toBe(2);
    expect(countItems("logs", bytes)).toBe(2);
    const fields = new Cursor().reset(bytes);
    expect([fields.next(), fields.valueEnd, fields.next()]).toEqual([true, bytes.length, false]);
    expect(skipValue(bytes, 1, 2)).toBe(bytes.length);
  });
});

test("lengths and positions behind values, however long they are written", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 31 - 1), fc.nat(5), (value, padding) => {
      const plain = varint(BigInt(value));
      const bytes = Buffer.concat([plain, Buffer.alloc(padding, 0x80)]);
      if (padding > 0) {
        bytes[plain.length - 1]! |= 0x80;
        bytes[bytes.length - 1] = 0;
      }
      expect([lengthAt(bytes, 0), lengthEnd(bytes, 0)]).toEqual([value, bytes.length]);
      expect(skipValue(bytes, 0, 0)).toBe(bytes.length);
      if (value < 2 ** 30) expect(skipValue(bytes, 0, 2)).toBe(bytes.length + value);
    }),
  );
});

/** Arrays that are copied from, as parts and slabs are: also views into the middle of a larger buffer. */
const sources = [0, 1, 2].map((n) => {
  const buffer = Buffer.from(Array.from({ length: 900 }, (_, i) => (i * (n + 3) + n) % 251));
  return buffer.subarray(n * 5);
});

type Step =
  | { do: "raw"; source: number; start: number; length: number }
  | { do: "copy"; source: number; start: number; length: number }
  | { do: "nest"; guess: number; steps: Step[] }
  | { do: "string"; text: string }
  | { do: "varint"; value: number };

const range = <N extends "raw" | "copy">(name: N) =>
  fc.record({
    do: fc.constant(name),
    source: fc.nat(2),
    start: fc.nat(100),
    length: fc.oneof(fc.nat(40), fc.nat(170), fc.nat(700)),
  });

const steps = fc.letrec<{ steps: Step[] }>((tie) => ({
  steps: fc.array(
    fc.oneof(
      { maxDepth: 3 },
      range("raw"),
      range("copy"),
      fc.record({
        do: fc.constant("string" as const),
        text: fc.string({ unit: "binary", maxLength: 80 }),
      }),
      fc.record({ do: fc.constant("varint" as const), value: fc.maxSafeNat() }),
      fc.record({
        do: fc.constant("nest" as const),
        guess: fc.integer({ min: 1, max: 4 }),
        steps: tie("steps"),
      }),
    ),
    { maxLength: 8 },
  ),
})).steps;

function write(out: Writer, step: Step): void {
  if (step.do === "raw") out.raw(sources[step.source]!, step.start, step.start + step.length);
  else if (step.do === "copy") {
    copyBytes(sources[step.source]!, step.start, step.start + step.length, out);
  } else if (step.do === "string") out.string(3, step.text);
  else if (step.do === "varint") out.varint(step.value);
  else {
    const handle = out.begin(2, step.guess);
    for (const inner of step.steps) write(out, inner);
    out.end(handle);
  }
}

function expected(step: Step): Buffer {
  if (step.do === "string") return ld(3, Buffer.from(step.text));
  if (step.do === "varint") return varint(BigInt(step.value));
  if (step.do === "nest") return ld(2, Buffer.concat(step.steps.map(expected)));
  return sources[step.source]!.subarray(step.start, step.start + step.length);
}

test("a Writer writes what is said, into however little room, again and again", () => {
  const reused = new Writer(1);
  fc.assert(
    fc.property(steps, fc.nat(3000), (all, room) => {
      const before = sources.map((source) => source.toString("hex"));
      for (const out of [new Writer(room), reused]) {
        out.reset();
        for (const step of all) write(out, step);
        expect(Buffer.from(out.take())).toEqual(Buffer.concat(all.map(expected)));
      }
      expect(sources.map((source) => source.toString("hex"))).toEqual(before);
    }),
    { numRuns: 200 },
  );
});

describe("sint32", () => {
  const read = (value: Buffer) => {
    const cursor = new Cursor().reset(Buffer.concat([Buffer.from([8]), value]));
    cursor.next();
    return cursor.sint32();
  };

  test("comes back as it was written, the way protobuf zigzags", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer(), fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, -1, 0, 1)),
        (n) => {
          const out = new Writer(8);
          out.sint32(n);
          const bytes = Buffer.from(out.bytes.subarray(0, out.position));
          const wide = BigInt(n);
          expect(bytes).toEqual(varint(wide < 0n ? -2n * wide - 1n : 2n * wide));
          expect(read(bytes)).toBe(n);
        },
      ),
    );
  });

  test("of a longer varint the low 32 bits count", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (bits) => {
        const low = BigInt.asUintN(32, bits);
        expect(read(varint(bits))).toBe(Number((low >> 1n) ^ -(low & 1n)));
      }),
    );
  });
});
