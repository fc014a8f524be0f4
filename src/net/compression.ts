/**
 * Content codings in both directions. Decoding is bounded in bytes while it runs, never afterwards: a zstd
 * frame of 6 KB can stand for 200 MB.
 */
import { promisify } from "node:util";
import {
  constants,
  createGzip,
  createZstdCompress,
  deflate,
  type ZlibOptions,
  type ZstdOptions,
} from "node:zlib";
import { TelemetryError } from "../errors.ts";
import { inSlices, loopSlicer, type Slicer } from "../pdata/json/slices.ts";
import { DecodedOutput, type StepDecoder } from "./decoded-output.ts";
import { decodeZlib, zlibCodings } from "./decompress-zlib.ts";
import { lz4Steps } from "./lz4.ts";
import { budgetFull, type Reservation } from "./reservation.ts";
import { Slots } from "./slots.ts";
import { encodeSnappySteps, snappySteps } from "./snappy.ts";
import { encodeFramedSnappySteps, framedSnappySteps, isFramedSnappy } from "./snappy-framed.ts";

const framed = "x-snappy-framed";

const stepDecoders: ReadonlyMap<string, StepDecoder> = new Map([
  ["snappy", snappySteps],
  [framed, framedSnappySteps],
  ["lz4", lz4Steps],
]);

/**
 * Decodes a body. Throws TOO_LARGE as soon as more than maxBytes come out, MALFORMED_DATA for broken input and
 * unknown codings.
 */
export function decompress(
  coding: string,
  body: Uint8Array,
  maxBytes: number,
  slicer: Slicer = loopSlicer,
): Promise<Uint8Array> {
  return decode(coding, body, new DecodedOutput(maxBytes), slicer);
}

/**
 * So many requests are decoded at a time. A decoder has buffers and a window of its own, up to 9 MiB beside the
 * budget: a thousand at a time took 2.8 GB where the budget was 64 MiB.
 */
const decoders = new Slots(8);

/**
 * As `decompress`, for a body that is all of the reservation: the output is reserved while it grows (BUDGET_FULL
 * when there is no room for it), and the body's share ends with it.
 */
export async function decompressReserved(
  coding: string,
  body: Uint8Array,
  maxBytes: number,
  reservation: Reservation,
): Promise<Uint8Array> {
  await decoders.take();
  try {
    // The client may have gone away meanwhile, here and after decoding.
    if (reservation.hasEnded) throw budgetFull();
    const bodyBytes = reservation.bytes;
    const output = new DecodedOutput(maxBytes, reservation);
    const decoded = await decode(coding, body, output, loopSlicer);
    if (decoded !== body && reservation.bytes > bodyBytes) reservation.shrink(bodyBytes);
    return decoded;
  } finally {
    decoders.release();
  }
}

async function decode(
  coding: string,
  body: Uint8Array,
  output: DecodedOutput,
  slicer: Slicer,
): Promise<Uint8Array> {
  if (coding === "" || coding === "identity") {
    output.check(body.length);
    return body;
  }
  const zlibCoding = zlibCodings.find((known) => known === coding);
  if (zlibCoding !== undefined) await decodeZlib(zlibCoding, body, output, slicer);
  else {
    const steps = stepDecoders.get(coding === "snappy" && isFramedSnappy(body) ? framed : coding);
    if (steps === undefined) {
      throw new TelemetryError("MALFORMED_DATA", `unsupported Content-Encoding: ${coding}`);
    }
    await inSlices(steps(body, output), slicer);
  }
  return output.take();
}

/** Level 1 costs a fifth of zlib's default for 12 % more bytes (research on testbed requests). */
const defaultGzipLevel = 1;

/** Encodes parts as one body; gzip, zstd and deflate work in the thread pool, snappy in slices. */
export async function compress(
  coding: string,
  parts: readonly Uint8Array[],
  level?: number,
  slicer: Slicer = loopSlicer,
): Promise<Uint8Array> {
  switch (coding) {
    case "gzip":
      return collect(createGzip({ level: level ?? defaultGzipLevel } satisfies ZlibOptions), parts);
    case "zstd":
      return collect(createZstdCompress(zstdOptions(level)), parts);
    case "zlib":
    case "deflate":
      return promisify<Uint8Array, ZlibOptions, Buffer>(deflate)(joined(parts), {
        level: level ?? defaultGzipLevel,
      });
    case "snappy":
      return inSlices(encodeSnappySteps(joined(parts)), slicer);
    case framed:
      return inSlices(encodeFramedSnappySteps(parts), slicer);
    default:
      throw new TelemetryError("INTERNAL", `BUG: unknown content coding ${coding}`);
  }
}

const zstdOptions = (level = 1): ZstdOptions => ({
  params: { [constants.ZSTD_c_compressionLevel]: level },
});

const joined = (parts: readonly Uint8Array[]) =>
  parts.length === 1 ? parts[0]! : Buffer.concat(parts);

/** Feeds the parts to a compressor without joining them first. */
function collect(
  stream: ReturnType<typeof createGzip> | ReturnType<typeof createZstdCompress>,
  parts: readonly Uint8Array[],
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    for (const part of parts) stream.write(part);
    stream.end();
  });
}
