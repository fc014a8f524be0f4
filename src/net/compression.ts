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
import { decodeZlib, zlibCodings } from "./decompress-zlib.ts";
import { lz4Steps } from "./lz4.ts";
import { budgetFull, type Reservation } from "./reservation.ts";
import { encodeSnappy, snappySteps } from "./snappy.ts";
import { framedSnappySteps } from "./snappy-framed-steps.ts";

/** Asked for the size of the output before that much is kept; throws to refuse it. */
type Admit = (bytes: number) => void;

const steppers: Readonly<
  Record<string, (body: Uint8Array, admit: Admit) => Generator<void, Uint8Array>>
> = { snappy: snappySteps, "x-snappy-framed": framedSnappySteps, lz4: lz4Steps };

/**
 * Decodes a body. Throws TOO_LARGE as soon as more than maxBytes come out, MALFORMED_DATA for broken input and
 * unknown codings.
 */
export function decompress(
  coding: string,
  body: Uint8Array,
  maxBytes: number,
): Promise<Uint8Array> {
  return decode(coding, body, (bytes) => {
    if (bytes > maxBytes) throw tooLarge();
  });
}

/** As `decompress`; reserves the output while it grows, and throws BUDGET_FULL when there is no room for it. */
export function decompressReserved(
  coding: string,
  body: Uint8Array,
  maxBytes: number,
  reservation: Reservation,
): Promise<Uint8Array> {
  let reserved = 0;
  return decode(coding, body, (bytes) => {
    if (bytes > maxBytes) throw tooLarge();
    if (bytes <= reserved) return;
    if (!reservation.tryAdd(bytes - reserved)) throw budgetFull();
    reserved = bytes;
  });
}

async function decode(coding: string, body: Uint8Array, admit: Admit): Promise<Uint8Array> {
  if (coding === "" || coding === "identity") {
    admit(body.length);
    return body;
  }
  const zlibCoding = zlibCodings.find((known) => known === coding);
  if (zlibCoding !== undefined) return decodeZlib(zlibCoding, body, admit);
  const steps = steppers[coding];
  if (steps === undefined) {
    throw new TelemetryError("MALFORMED_DATA", `unsupported Content-Encoding: ${coding}`);
  }
  return run(steps(body, admit));
}

/** Decoding in JavaScript pauses after this, so that others get their turn. */
const sliceMs = 5;

async function run(steps: Generator<void, Uint8Array>): Promise<Uint8Array> {
  for (;;) {
    for (const endMs = performance.now() + sliceMs; performance.now() < endMs; ) {
      const { done, value } = steps.next();
      if (done === true) return value;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const tooLarge = () => new TelemetryError("TOO_LARGE", "http: request body too large");

/** Level 1 costs a fifth of zlib's default for 12 % more bytes (research on testbed requests). */
const defaultGzipLevel = 1;

/** Encodes parts as one body; gzip, zstd and deflate work in the thread pool. */
export async function compress(
  coding: string,
  parts: readonly Uint8Array[],
  level?: number,
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
      return encodeSnappy(joined(parts));
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
