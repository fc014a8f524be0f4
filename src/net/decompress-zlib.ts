/** gzip, zlib, deflate and zstd in the thread pool, bounded while they run. */
import {
  constants,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import { TelemetryError } from "../errors.ts";
import { causeText } from "./cause.ts";

type Decoder = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

/** RFC 9659: no more for zstd as a content coding; the window is memory that the sender chooses. */
const zstdWindowLog = 23;
const smallestChunkBytes = 16 * 1024;
const largestChunkBytes = 1 << 20;

export const zlibCodings = ["gzip", "zstd", "zlib", "deflate"] as const;
type ZlibCoding = (typeof zlibCodings)[number];

/**
 * Decodes; several gzip members or zstd frames are one body. `admit` is asked for the size of the output so far
 * before it is kept, and throws to end the work. Throws MALFORMED_DATA for what cannot be decoded.
 */
export function decodeZlib(
  coding: ZlibCoding,
  body: Uint8Array,
  admit: (bytes: number) => void,
): Promise<Uint8Array> {
  const announced = announcedBytes(coding, body);
  // zstd's announcement binds the decoder, gzip's trailer may be garbage behind the last member.
  if (coding === "zstd" && announced > 0) admitAnnounced(announced, admit);
  // One byte more than the whole output: the decoder sees at once that nothing follows.
  const chunkSize = Math.min(Math.max(announced + 1, smallestChunkBytes), largestChunkBytes);
  const decoder = createDecoder(coding, body, chunkSize);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    decoder.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      try {
        admit(bytes);
        chunks.push(chunk);
      } catch (error) {
        decoder.destroy();
        reject(error);
      }
    });
    decoder.on("error", (error) => reject(malformed(coding, causeText(error))));
    decoder.on("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    decoder.end(body);
  });
}

/** Only asks whether that much would be too large; the room is taken as the output comes. */
function admitAnnounced(announced: number, admit: (bytes: number) => void): void {
  if (announced > Number.MAX_SAFE_INTEGER) admit(Number.MAX_SAFE_INTEGER);
}

function createDecoder(coding: ZlibCoding, body: Uint8Array, chunkSize: number): Decoder {
  switch (coding) {
    case "gzip":
      return createGunzip({ chunkSize });
    case "zlib":
      return createInflate({ chunkSize });
    case "deflate":
      // RFC 9110 means zlib's format by it; some senders leave its header out.
      return hasZlibHeader(body) ? createInflate({ chunkSize }) : createInflateRaw({ chunkSize });
    case "zstd":
      return createZstdDecompress({
        chunkSize,
        params: { [constants.ZSTD_d_windowLogMax]: zstdWindowLog },
      });
    default:
      return coding satisfies never;
  }
}

function hasZlibHeader(body: Uint8Array): boolean {
  return body.length >= 2 && (body[0]! & 15) === 8 && (body[0]! * 256 + body[1]!) % 31 === 0;
}

/** What the body says of its decoded length; 0: nothing. A hint for the size of the chunks. */
function announcedBytes(coding: ZlibCoding, bytes: Uint8Array): number {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (coding === "gzip") return body.length < 18 ? 0 : body.readUInt32LE(body.length - 4);
  return coding === "zstd" ? zstdContentBytes(body) : 0;
}

const dictionaryIdBytes = [0, 1, 2, 4] as const;

/** Frame_Content_Size (RFC 8878, 3.1.1.1). */
function zstdContentBytes(body: Buffer): number {
  if (body.length < 18 || body.readUInt32LE(0) !== 0xfd2fb528) return 0;
  const descriptor = body[4]!;
  const isSingleSegment = (descriptor & 32) !== 0;
  const at = 5 + (isSingleSegment ? 0 : 1) + dictionaryIdBytes[descriptor & 3]!;
  switch (descriptor >> 6) {
    case 0:
      return isSingleSegment ? body[at]! : 0;
    case 1:
      return body.readUInt16LE(at) + 256;
    case 2:
      return body.readUInt32LE(at);
    default:
      return Number(body.readBigUInt64LE(at));
  }
}

const malformed = (coding: string, cause: string) =>
  new TelemetryError("MALFORMED_DATA", `cannot decompress ${coding}: ${cause}`);
