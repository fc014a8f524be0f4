/**
 * One payload as one record of the file:
 *
 *     json, not compressed     <OTLP/JSON request> "\n"
 *     otherwise                <length: uint32, big end first> <message>
 *
 * where the message is the request as protobuf or JSON, compressed into one zstd frame where the config says so.
 */
import { promisify } from "node:util";
import { zstdCompress } from "node:zlib";
import { encodeJsonBytes } from "../../src/pdata/json/encode.ts";
import type { Signal } from "../../src/pdata/payload.ts";

export interface RecordFormat {
  readonly format: "json" | "proto";
  readonly isCompressed: boolean;
}

export interface FileRecord {
  /** Side by side in the file. */
  readonly chunks: readonly Uint8Array[];
  readonly byteLength: number;
}

const newline = Uint8Array.of(0x0a);
const compress = promisify(zstdCompress);

/** Whether records are lines; otherwise their length stands before them. */
export const isLines = ({ format, isCompressed }: RecordFormat) =>
  format === "json" && !isCompressed;

/** JSON is written in slices, and compressed in the thread pool: neither holds up the event loop. */
export async function encodeRecord(
  signal: Signal,
  parts: readonly Uint8Array[],
  format: RecordFormat,
): Promise<FileRecord> {
  const message = format.format === "json" ? [await encodeJsonBytes(signal, parts)] : parts;
  if (isLines(format)) return recordOf([...message, newline]);
  const body = format.isCompressed ? [await compress(joined(message))] : message;
  return recordOf([lengthOf(body), ...body]);
}

const joined = (chunks: readonly Uint8Array[]) =>
  chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);

function lengthOf(chunks: readonly Uint8Array[]): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(sumOf(chunks));
  return length;
}

const recordOf = (chunks: readonly Uint8Array[]): FileRecord => ({
  chunks,
  byteLength: sumOf(chunks),
});

const sumOf = (chunks: readonly Uint8Array[]) =>
  chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
