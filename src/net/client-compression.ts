/** Compression of what clients send and receive; gRPC has a name of its own for one coding. */
export { compress as compressRequest, decompress as decompressResponse } from "./compression.ts";

/** The coding behind a `grpc-encoding`: gRPC implementations mean the framing format by `snappy`. */
export const codingOfGrpc = (encoding: string) =>
  encoding === "snappy" ? "x-snappy-framed" : encoding;
