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
  gunzip,
  inflate,
  inflateRaw,
  type ZlibOptions,
  type ZstdOptions,
  zstdDecompress,
} from "node:zlib";
import { TelemetryError } from "../errors.ts";
import { causeText } from "./cause.ts";
import { decodeSnappy, encodeSnappy } from "./snappy.ts";

type Decode = (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Buffer>;

const zlibDecoders: Readonly<Record<string, Decode>> = {
  gzip: promisify(gunzip) as Decode,
  zstd: promisify(zstdDecompress) as Decode,
  // "deflate" is zlib's format by RFC 9110; some senders leave its header out.
  deflate: async (body, options) =>
    (hasZlibHeader(body) ? promisify(inflate) : promisify(inflateRaw))(body, options),
  zlib: promisify(inflate) as Decode,
};

function hasZlibHeader(body: Uint8Array): boolean {
  return body.length >= 2 && (body[0]! & 15) === 8 && (body[0]! * 256 + body[1]!) % 31 === 0;
}

/** Codings that `decompress` knows; the others of the Collector's list are refused with a text. */
export const knownCodings: readonly string[] = ["", "gzip", "zstd", "zlib", "deflate", "snappy"];

/**
 * Decodes a body. Throws TOO_LARGE as soon as more than maxBytes come out, MALFORMED_DATA for broken input and
 * unknown codings.
 */
export async function decompress(
  coding: string,
  body: Uint8Array,
  maxBytes: number,
): Promise<Uint8Array> {
  if (coding === "" || coding === "identity") {
    if (body.length > maxBytes) throw tooLarge();
    return body;
  }
  if (coding === "snappy") return decodeSnappy(body, maxBytes);
  const decode = zlibDecoders[coding];
  if (decode === undefined) {
    throw new TelemetryError("MALFORMED_DATA", `unsupported Content-Encoding: ${coding}`);
  }
  try {
    return await decode(body, { maxOutputLength: Math.max(maxBytes, 1) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw new TelemetryError("MALFORMED_DATA", `cannot decompress ${coding}: ${causeText(error)}`, {
      cause: error,
    });
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
