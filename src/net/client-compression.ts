/** Compression of what clients send: the shared codings, and snappy's framing format. */
import { compress, decompress } from "./compression.ts";
import { decodeFramedSnappy, encodeFramedSnappy } from "./snappy-framed.ts";

const framed = "x-snappy-framed";

/** As `compress`, and `x-snappy-framed`. */
export async function compressRequest(
  coding: string,
  parts: readonly Uint8Array[],
  level: number,
): Promise<Uint8Array> {
  return coding === framed ? encodeFramedSnappy(parts) : compress(coding, parts, level);
}

/** As `decompress`, and `x-snappy-framed`. */
export async function decompressResponse(
  coding: string,
  body: Uint8Array,
  maxBytes: number,
): Promise<Uint8Array> {
  return coding === framed
    ? decodeFramedSnappy(body, maxBytes)
    : decompress(coding, body, maxBytes);
}

/** The coding behind a `grpc-encoding`: gRPC implementations mean the framing format by `snappy`. */
export const codingOfGrpc = (encoding: string) => (encoding === "snappy" ? framed : encoding);
