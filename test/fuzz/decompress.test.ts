/**
 * Every decompressor with random bytes and with mutated streams: it ends with bytes within the limit or with a
 * permanent error, and what it reserved covers what it gives back.
 *
 * Runs a second a coding, half a minute with NIGHTLY=1. A failure prints the shrunk input and the seed.
 */
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { TelemetryError } from "../../src/errors.ts";
import { decompressReserved } from "../../src/net/compression.ts";
import { Reservation } from "../../src/net/reservation.ts";
import { encodeSnappy } from "../../src/net/snappy.ts";
import { encodeFramedSnappy } from "../../src/net/snappy-framed.ts";
import { lz4Frame } from "../support/lz4.ts";
import { testBudget } from "../support/settings.ts";

const isNightly = process.env["NIGHTLY"] === "1";
const budgetMs = isNightly ? 30_000 : 1000;
const limitBytes = 5000;

const plain = [
  Buffer.from(""),
  Buffer.from("a"),
  Buffer.from("resource attributes and log lines, ".repeat(60)),
  Buffer.alloc(4000, 7),
];

const codings: Readonly<Record<string, readonly Uint8Array[]>> = {
  gzip: plain.flatMap((p) => [gzipSync(p), Buffer.concat([gzipSync(p), gzipSync("tail")])]),
  zlib: plain.map((p) => deflateSync(p)),
  deflate: plain.flatMap((p) => [deflateSync(p), deflateRawSync(p)]),
  zstd: plain.flatMap((p) => [
    zstdCompressSync(p),
    Buffer.concat([zstdCompressSync(p), zstdCompressSync("tail")]),
  ]),
  snappy: plain.map((p) => encodeSnappy(p)),
  "x-snappy-framed": plain.map((p) => encodeFramedSnappy([p])),
  lz4: plain.flatMap((p) => [lz4Frame(p), lz4Frame(p, { checksums: true, announce: true })]),
};

/** Seeds with bytes changed, removed, repeated or inserted. */
function mutations(seeds: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.integer({ min: 0, max: 6 }),
    insert: fc.oneof(
      fc.uint8Array({ maxLength: 4 }),
      fc.constant(Uint8Array.of(255, 255, 255, 255)),
    ),
  });
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: 3 }))
    .map(([seed, edits]) => {
      let body = Buffer.from(seed);
      for (const { at, remove, insert } of edits) {
        const position = Math.floor(at * body.length);
        const rest = body.subarray(position + remove);
        body = Buffer.concat([body.subarray(0, position), insert, rest]);
      }
      return body;
    });
}

/** Throws when something is wrong; true: the body was accepted. */
async function check(coding: string, body: Buffer): Promise<boolean> {
  const budget = testBudget();
  const reservation = new Reservation(budget);
  reservation.tryAdd(body.length);
  let decoded: Uint8Array;
  try {
    decoded = await decompressReserved(coding, body, limitBytes, reservation);
  } catch (error) {
    if (!(error instanceof TelemetryError) || error.retryable) throw error;
    if (error.code !== "MALFORMED_DATA" && error.code !== "TOO_LARGE") throw error;
    reservation.release();
    return false;
  }
  if (decoded.length > limitBytes) throw new Error(`${decoded.length} bytes came out`);
  if (reservation.bytes < decoded.buffer.byteLength)
    throw new Error(`${reservation.bytes} reserved for ${decoded.buffer.byteLength}`);
  reservation.release();
  return true;
}

describe.each(Object.entries(codings))("%s", (coding, seeds) => {
  const run = async (arbitrary: fc.Arbitrary<Buffer>) => {
    const counts = { accepted: 0, refused: 0 };
    const property = fc.asyncProperty(arbitrary, async (body) => {
      counts[(await check(coding, body)) ? "accepted" : "refused"]++;
    });
    await fc.assert(property, {
      numRuns: Number.MAX_SAFE_INTEGER,
      interruptAfterTimeLimit: budgetMs,
    });
    return counts;
  };

  test(
    "random bytes",
    async () => {
      const { refused } = await run(fc.uint8Array({ maxLength: 200 }).map((b) => Buffer.from(b)));
      expect(refused).toBeGreaterThan(20);
    },
    budgetMs + 30_000,
  );

  test(
    "mutated streams",
    async () => {
      const { refused } = await run(mutations(seeds));
      expect(refused).toBeGreaterThan(20);
    },
    budgetMs + 30_000,
  );
});
