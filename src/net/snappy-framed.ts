/**
 * Snappy framing format (google/snappy framing_format.txt): what Go's gRPC calls `snappy`, and what HTTP calls
 * `x-snappy-framed`.
 *
 *     stream = ff 06 00 00 "sNaPpY"  chunk…
 *     chunk  = type, length (3 bytes, little end.), body
 *       00   masked CRC-32C of the data (4 bytes, little end.), data as a snappy block
 *       01   masked CRC-32C of the data, data as it is
 *       80…fd and fe (padding) are skipped, 02…7f are errors, ff repeats the stream's beginning
 */
import { TelemetryError } from "../errors.ts";
import { runSteps } from "../pdata/json/slices.ts";
import { DecodedOutput } from "./decoded-output.ts";
import { announcedSnappyBytes, decodeSnappy, encodeSnappy } from "./snappy.ts";

const streamStart = Buffer.from("ff060000734e61507059", "hex");
/** Older Collectors send the framing format under the name of the block format. */
export const isFramedSnappy = (bytes: Uint8Array): boolean =>
  streamStart.equals(bytes.subarray(0, streamStart.length));

/** A chunk stands for at most this much data. */
const maxChunkBytes = 65_536;

const malformed = (cause: string) =>
  new TelemetryError("MALFORMED_DATA", `snappy: corrupt input (${cause})`);

/** The parts' concatenation as one stream, in steps of a chunk. */
export function* encodeFramedSnappySteps(
  parts: readonly Uint8Array[],
): Generator<void, Uint8Array> {
  const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  const chunks: Uint8Array[] = [streamStart];
  for (let at = 0; at < bytes.length; at += maxChunkBytes) {
    const data = bytes.subarray(at, at + maxChunkBytes);
    const block = encodeSnappy(data);
    const smaller = block.length < data.length;
    chunks.push(chunkHead(smaller ? 0 : 1, data, smaller ? block.length : data.length));
    chunks.push(smaller ? block : data);
    yield;
  }
  return Buffer.concat(chunks);
}

/** The same in one go: for small input. */
export const encodeFramedSnappy = (parts: readonly Uint8Array[]): Uint8Array =>
  runSteps(encodeFramedSnappySteps(parts));

function chunkHead(type: number, data: Uint8Array, bodyBytes: number): Uint8Array {
  const head = Buffer.allocUnsafe(8);
  head.writeUInt8(type, 0);
  head.writeUIntLE(bodyBytes + 4, 1, 3);
  head.writeUInt32LE(maskedCrc(data), 4);
  return head;
}

/** Decoded in one step: a chunk stands for at most 64 KiB. */
const stepBytes = 128 * 1024;

/** Decodes a stream (see `StepDecoder`). Throws TOO_LARGE before more comes out, MALFORMED_DATA for broken input. */
export function* framedSnappySteps(
  bytes: Uint8Array,
  output: DecodedOutput,
): Generator<void, void> {
  const input = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (input.length === 0) throw malformed("stream identifier");
  let work = 0;
  for (let at = 0; at < input.length; ) {
    if (at + 4 > input.length) throw malformed("chunk header");
    const type = input[at]!;
    const end = at + 4 + input.readUIntLE(at + 1, 3);
    if (end > input.length) throw malformed("chunk length");
    if (at === 0 && type !== 0xff) throw malformed("stream identifier");
    if (type <= 1) {
      const data = chunkData(type, input.subarray(at + 4, end), output);
      yield* output.grow(data.length);
      output.add(data);
      work += data.length;
    } else if (type < 0x80) throw malformed(`chunk type ${type}`);
    else if (type === 0xff && !input.subarray(at, end).equals(streamStart)) {
      throw malformed("stream identifier");
    }
    at = end;
    // A chunk costs something even if it decodes to nothing.
    work += 64;
    if (work >= stepBytes) {
      work = 0;
      yield;
    }
  }
}

/** Decodes a stream in one go: for small ones. */
export function decodeFramedSnappy(bytes: Uint8Array, maxBytes: number): Uint8Array {
  const output = new DecodedOutput(maxBytes);
  runSteps(framedSnappySteps(bytes, output));
  return output.take();
}

function chunkData(type: number, body: Buffer, output: DecodedOutput): Uint8Array {
  if (body.length < 4) throw malformed("chunk length");
  const bytes = body.subarray(4);
  const announced = type === 1 ? bytes.length : announcedSnappyBytes(bytes);
  output.check(output.length + announced);
  if (announced > maxChunkBytes) throw malformed("chunk length");
  const data = type === 1 ? bytes : decodeSnappy(bytes, maxChunkBytes);
  if (maskedCrc(data) !== body.readUInt32LE(0)) throw malformed("checksum");
  return data;
}

/** CRC-32C (Castagnoli, reflected), one byte at a time. */
const crcTable = Uint32Array.from({ length: 256 }, (_, index) => {
  let crc = index;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc >>> 0;
});

function maskedCrc(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (let i = 0; i < data.length; i++) {
    crc = (crc >>> 8) ^ crcTable[(crc ^ data[i]!) & 255]!;
  }
  crc = ~crc >>> 0;
  // The format rotates the sum, so that sums of data that contains sums stay strong.
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
