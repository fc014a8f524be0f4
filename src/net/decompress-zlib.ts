/** gzip, zlib, deflate and zstd in the thread pool, bounded while they run. */
import {
  constants,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from "node:zlib";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import { inSlices, type Slicer } from "../pdata/json/slices.ts";
import { causeText } from "./cause.ts";
import type { DecodedOutput } from "./decoded-output.ts";

type Decoder = ReturnType<typeof createGunzip> | ReturnType<typeof createZstdDecompress>;

/** RFC 9659: no more for zstd as a content coding; the window is memory that the sender chooses. */
const zstdWindowLog = 23;
/** Each frame of a body costs a decoder (0.1 ms), so that many tiny ones are an attack. */
const maxZstdFrames = 1000;
const smallestChunkBytes = 16 * 1024;
const largestChunkBytes = 1 << 20;
/** No deflate stream expands further; a larger announcement is a lie. */
const maxDeflateRatio = 1032;

export const zlibCodings = ["gzip", "zstd", "zlib", "deflate"] as const;
type ZlibCoding = (typeof zlibCodings)[number];

/**
 * Decodes into the output; several gzip members or zstd frames are one body. Throws what the output throws, and
 * MALFORMED_DATA for what cannot be decoded to its end.
 */
export async function decodeZlib(
  coding: ZlibCoding,
  body: Uint8Array,
  output: DecodedOutput,
  slicer: Slicer,
): Promise<void> {
  const read = await decodeStream(coding, body, output, slicer);
  // gzip's members are joined by Node, and what may follow them is padding.
  if (read === body.length || coding === "gzip") return;
  if (coding !== "zstd") throw malformed(coding, "data behind the end");
  await decodeFrames(body.subarray(read), output, slicer);
}

/** Node stops behind one zstd frame; the others follow here. */
async function decodeFrames(
  body: Uint8Array,
  output: DecodedOutput,
  slicer: Slicer,
): Promise<void> {
  for (let at = 0, frames = 2; at < body.length; frames++) {
    if (frames > maxZstdFrames) throw malformed("zstd", `more than ${maxZstdFrames} frames`);
    at += await decodeStream("zstd", body.subarray(at), output, slicer);
  }
}

/** Decodes up to the end of the stream; resolves to the bytes that were read. */
function decodeStream(
  coding: ZlibCoding,
  body: Uint8Array,
  output: DecodedOutput,
  slicer: Slicer,
): Promise<number> {
  const announced = announcedBytes(coding, body);
  const expected = output.length + announced;
  // zstd's announcement binds the decoder; gzip's trailer may be garbage behind the last member.
  if (coding === "zstd") output.check(expected);
  // One byte more than the whole output: the decoder sees at once that nothing follows.
  const chunkSize = Math.min(Math.max(announced + 1, smallestChunkBytes), largestChunkBytes);
  const decoder = createDecoder(coding, body, chunkSize);
  return new Promise((resolve, reject) => {
    const take = async (chunk: Buffer) => {
      try {
        if (output.adopt(chunk, expected)) return;
        decoder.pause();
        await inSlices(output.grow(chunk.length, expected), slicer);
        output.add(chunk);
        decoder.resume();
      } catch (error) {
        decoder.destroy();
        reject(asTelemetryError(error));
      }
    };
    decoder.on("data", (chunk: Buffer) => {
      if (output.hasRoom(chunk.length)) output.add(chunk);
      else void take(chunk);
    });
    decoder.on("error", (error) => reject(malformed(coding, causeText(error))));
    decoder.on("end", () => resolve(decoder.bytesWritten));
    decoder.end(body);
  });
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

/** What the body says of its decoded length; 0: nothing believable. */
function announcedBytes(coding: ZlibCoding, bytes: Uint8Array): number {
  const body = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (coding === "zstd") return zstdContentBytes(body);
  if (coding !== "gzip" || body.length < 18) return 0;
  const announced = body.readUInt32LE(body.length - 4);
  return announced > body.length * maxDeflateRatio ? 0 : announced;
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
