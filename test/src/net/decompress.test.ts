/** Content codings on their way in: right output, exact limits, broken input, slices. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import { array, assert, asyncProperty, uint8Array } from "fast-check";
import { compress, decompress, decompressReserved } from "../../../src/net/compression.ts";
import { DecodedOutput } from "../../../src/net/decoded-output.ts";
import { Reservation } from "../../../src/net/reservation.ts";
import { encodeSnappy } from "../../../src/net/snappy.ts";
import { encodeFramedSnappy } from "../../../src/net/snappy-framed.ts";
import { xxh32 } from "../../../src/net/xxh32.ts";
import type { Slicer } from "../../../src/pdata/json/slices.ts";
import { lz4Frame } from "../../support/lz4.ts";
import { testBudget } from "../../support/settings.ts";

type Encode = (bytes: Uint8Array) => Uint8Array;

/** As foreign encoders write them, and the shapes that they may have. */
const encoders: readonly [string, string, Encode][] = [
  ["gzip", "gzip", (b) => gzipSync(b)],
  ["gzip in members", "gzip", inHalves((b) => gzipSync(b))],
  ["gzip with padding", "gzip", (b) => Buffer.concat([gzipSync(b), Buffer.alloc(7)])],
  ["zlib", "zlib", (b) => deflateSync(b)],
  ["deflate", "deflate", (b) => deflateSync(b)],
  ["deflate without a header", "deflate", (b) => deflateRawSync(b)],
  ["zstd", "zstd", (b) => zstdCompressSync(b)],
  ["zstd in frames", "zstd", inHalves((b) => zstdCompressSync(b))],
  ["snappy", "snappy", encodeSnappy],
  ["snappy, stored", "snappy", storedSnappy],
  ["framed snappy", "x-snappy-framed", (b) => encodeFramedSnappy([b])],
  ["framed snappy by its old name", "snappy", (b) => encodeFramedSnappy([b])],
  ["lz4, stored", "lz4", (b) => lz4Frame(b)],
  ["lz4 with all checksums", "lz4", (b) => lz4Frame(b, { checksums: true, announce: true })],
  ["lz4 in frames", "lz4", inHalves((b) => lz4Frame(b, { checksums: true }))],
];

const text = Buffer.from("line of a log, ".repeat(500));

describe.each(encoders)("%s", (_name, coding, encode) => {
  test("any bytes come back", async () => {
    await assert(
      asyncProperty(array(uint8Array({ maxLength: 300 }), { maxLength: 6 }), async (parts) => {
        const bytes = Buffer.concat(parts);
        const decoded = await decompress(coding, encode(bytes), 2000);
        expect(Buffer.compare(decoded, bytes)).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  test("the limit is exact", async () => {
    const encoded = encode(text);
    expect(Buffer.compare(await decompress(coding, encoded, text.length), text)).toBe(0);
    await expect(decompress(coding, encoded, text.length - 1)).rejects.toMatchObject({
      code: "TOO_LARGE",
      message: "http: request body too large",
    });
  });

  test("what is cut anywhere is refused", async () => {
    const encoded = encode(text.subarray(0, 400));
    const whole = Buffer.from(encoded);
    for (let end = 0; end < whole.length; end++) {
      const cut = whole.subarray(0, end);
      const outcome = await decompress(coding, cut, 10_000).catch((error: unknown) => error);
      // A cut at a border of members or frames leaves a shorter, whole body; the padding is none of it.
      if (outcome instanceof Uint8Array) expect(text.subarray(0, 400).indexOf(outcome)).toBe(0);
      else expect(outcome).toMatchObject({ code: "MALFORMED_DATA", retryable: false });
    }
  });

  test("the output is reserved, and the body's own share ends", async () => {
    const encoded = encode(text);
    const budget = testBudget();
    const reservation = new Reservation(budget);
    reservation.tryAdd(encoded.length);
    const decoded = await decompressReserved(coding, encoded, 100_000, reservation);
    expect(budget.usedBytes).toBe(decoded.buffer.byteLength);
    reservation.release();
    const tight = new Reservation(testBudget(encoded.length + text.length / 2));
    tight.tryAdd(encoded.length);
    await expect(decompressReserved(coding, encoded, 100_000, tight)).rejects.toMatchObject({
      code: "BUDGET_FULL",
      retryable: true,
    });
  });
});

function inHalves(encode: Encode): Encode {
  return (b) => {
    const middle = b.length >> 1;
    return Buffer.concat([encode(b.subarray(0, middle)), encode(b.subarray(middle))]);
  };
}

/** One literal, whatever its length. */
function storedSnappy(bytes: Uint8Array): Uint8Array {
  const varint: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    if (rest < 128) {
      varint.push(rest);
      break;
    }
    varint.push((rest & 127) | 128);
  }
  if (bytes.length === 0) return Buffer.from(varint);
  const length = Buffer.alloc(5);
  length[0] = 63 << 2;
  length.writeUInt32LE(bytes.length - 1, 1);
  return Buffer.concat([Buffer.from(varint), length, bytes]);
}

describe("files of the reference lz4", () => {
  const folder = join(__dirname, "../../testdata/lz4");
  const plain = readFileSync(join(folder, "plain.txt"));

  test.each(["dependent-blocks.lz4", "block-checksums.lz4", "two-frames.lz4"])(
    "%s",
    async (name) => {
      const decoded = await decompress("lz4", readFileSync(join(folder, name)), 100_000);
      const expected = name === "two-frames.lz4" ? Buffer.concat([plain, plain]) : plain;
      expect(Buffer.compare(decoded, expected)).toBe(0);
    },
  );

  test("a flipped bit is found by a checksum or the format, unless the text is the same", async () => {
    const bytes = readFileSync(join(folder, "dependent-blocks.lz4"));
    let refused = 0;
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 4;
      const outcome = await decompress("lz4", flipped, 100_000).catch((error: unknown) => error);
      if (outcome instanceof Uint8Array) expect(Buffer.compare(outcome, plain)).toBe(0);
      else refused++;
    }
    expect(refused).toBeGreaterThan(bytes.length * 0.9);
  });

  test("an announced size that is not met is refused", async () => {
    const frame = lz4Frame(text, { announce: true });
    const shorter = lz4Frame(text.subarray(1), { announce: true });
    const lying = Buffer.concat([frame.subarray(0, 15), shorter.subarray(15)]);
    await expect(decompress("lz4", lying, 100_000)).rejects.toThrow("(content size)");
  });
});

describe("snappy elements", () => {
  const hex = (bytes: string) => Buffer.from(bytes, "hex");

  test.each([
    ["one byte", "0800610d01"],
    ["two bytes", "0800611a0100"],
    ["four bytes", "0800611b01000000"],
  ])("a copy with an offset of %s repeats a pattern", async (_name, bytes) => {
    expect(Buffer.from(await decompress("snappy", hex(bytes), 8)).toString()).toBe("aaaaaaaa");
  });

  test.each([
    ["a copy from before the beginning", "0800610d02"],
    ["a distance of zero", "0800610d00"],
    ["more than announced", "0700610d01"],
    ["less than announced", "0900610d01"],
    ["a header without end", "ffffffffff01"],
    ["nothing at all", ""],
    ["a lie about the length", "80808004006100"],
    ["a copy that is cut", "08006100611a01"],
    ["a literal that is cut", "081c6161"],
  ])("%s", async (_name, bytes) => {
    await expect(decompress("snappy", hex(bytes), 2 ** 30)).rejects.toMatchObject({
      code: "MALFORMED_DATA",
      message: expect.stringContaining("snappy: corrupt input"),
    });
  });
});

describe("several frames", () => {
  test("a body of very many zstd frames is refused: each costs a decoder", async () => {
    const frame = zstdCompressSync("x");
    const some = Buffer.concat(Array<Buffer>(1000).fill(frame));
    expect(await decompress("zstd", some, 10_000)).toHaveLength(1000);
    await expect(decompress("zstd", Buffer.concat([some, frame]), 10_000)).rejects.toThrow(
      "cannot decompress zstd: more than 1000 frames",
    );
  });

  test("a zstd window of more than 8 MiB is refused", async () => {
    // Magic, a descriptor without single segment, a window of 2^27.
    const head = Buffer.from("28b52ffd0088", "hex");
    const frame = Buffer.concat([head, Buffer.from("0100000000000000000000", "hex")]);
    await expect(decompress("zstd", frame, 2 ** 30)).rejects.toThrow("cannot decompress zstd");
  });

  test("a zstd frame that announces too much is refused unread", async () => {
    // Content size of eight bytes: 2^40.
    const frame = Buffer.from("28b52ffdc0500000000000010000010000000000", "hex");
    await expect(decompress("zstd", frame, 2 ** 26)).rejects.toMatchObject({ code: "TOO_LARGE" });
  });

  test.each(["zlib", "deflate"])(
    "what follows a %s stream is refused, not ignored",
    async (coding) => {
      const two = Buffer.concat([deflateSync("one"), deflateSync("two")]);
      await expect(decompress(coding, two, 1000)).rejects.toThrow(
        `cannot decompress ${coding}: data behind the end`,
      );
    },
  );
});

describe("slices", () => {
  /** Counts pauses; each look at the clock finds a millisecond gone. */
  class CountingSlicer implements Slicer {
    looks = 0;
    pauses = 0;
    now() {
      return this.looks++;
    }
    pause() {
      this.pauses++;
      return Promise.resolve();
    }
  }

  const large = Buffer.alloc(2 * 2 ** 20);
  for (let i = 0; i < large.length; i += 4) large.writeUInt32LE((i * 2_654_435_761) >>> 0, i);

  test.each<[string, string, Uint8Array]>([
    ["snappy", "snappy", encodeSnappy(large)],
    ["snappy of one literal", "snappy", storedSnappy(large)],
    ["snappy of one pattern", "snappy", encodeSnappy(Buffer.alloc(large.length))],
    ["framed snappy", "x-snappy-framed", encodeFramedSnappy([large])],
    ["lz4", "lz4", lz4Frame(large, { checksums: true })],
  ])("2 MiB of %s are decoded with pauses", async (_name, coding, body) => {
    const slicer = new CountingSlicer();
    expect(await decompress(coding, body, 2 ** 26, slicer)).toHaveLength(large.length);
    // A step is at most 128 KiB in snappy, a block in lz4.
    expect(slicer.looks).toBeGreaterThanOrEqual(large.length / (128 * 1024));
    expect(slicer.pauses).toBeGreaterThan(slicer.looks / 9);
  });

  test.each(["snappy", "x-snappy-framed"])(
    "2 MiB are encoded as %s with pauses",
    async (coding) => {
      const slicer = new CountingSlicer();
      const body = await compress(coding, [large], undefined, slicer);
      expect(slicer.pauses).toBeGreaterThan(large.length / 65_536 / 9);
      expect(Buffer.compare(await decompress(coding, body, large.length), large)).toBe(0);
    },
  );

  test("an output of unknown length is copied to a larger array in pieces of 2 MiB", () => {
    const output = new DecodedOutput(2 ** 26);
    const nineMib = 9 * 2 ** 20;
    expect([...output.grow(nineMib)]).toHaveLength(0);
    output.add(Buffer.alloc(nineMib, 1));
    expect([...output.grow(1)]).toHaveLength(4);
    output.add(Uint8Array.of(2));
    expect(output.bytes).toHaveLength(2 * nineMib);
    expect(output.take()).toHaveLength(nineMib + 1);
    expect(Buffer.compare(output.take().subarray(nineMib - 1), Uint8Array.of(1, 2))).toBe(0);
  });
});

test.each([
  ["", 0x02cc5d05],
  ["a", 0x550d7456],
  ["abc", 0x32d153ff],
  ["Nobody inspects the spammish repetition", 0xe2293b2f],
])("XXH32 of %j", (input, hash) => {
  const bytes = Buffer.from(`..${input}..`);
  expect(xxh32(bytes, 2, bytes.length - 2)).toBe(hash);
});

test.each(["gzip", "zstd", "zlib", "deflate", "snappy", "x-snappy-framed"])(
  "what is compressed as %s is decompressed again",
  async (coding) => {
    const encoded = await compress(coding, [text.subarray(0, 100), text.subarray(100)]);
    expect(Buffer.compare(await decompress(coding, encoded, text.length), text)).toBe(0);
  },
);

test("an unknown coding is refused by name", async () => {
  await expect(decompress("br", text, 10)).rejects.toMatchObject({
    code: "MALFORMED_DATA",
    message: "unsupported Content-Encoding: br",
  });
});
