/**
 * gRPC message framing (grpc/doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message).
 *
 *     | compressed 0/1 | length, 4 bytes big-endian | message |
 */
import { TelemetryError } from "../errors.ts";

export const prefixBytes = 5;

/** The five bytes before a message. */
export function encodePrefix(byteLength: number, compressed: boolean): Uint8Array {
  const prefix = Buffer.allocUnsafe(prefixBytes);
  prefix[0] = compressed ? 1 : 0;
  prefix.writeUInt32BE(byteLength, 1);
  return prefix;
}

export interface Frame {
  readonly compressed: boolean;
  readonly body: Uint8Array;
}

/** The single message of a unary call; throws MALFORMED_DATA for anything else. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < prefixBytes) throw malformed(`message prefix of ${bytes.length} bytes`);
  const flag = bytes[0]!;
  if (flag > 1) throw malformed(`received unexpected payload format ${flag}`);
  const length = messageLength(bytes);
  if (bytes.length !== prefixBytes + length) {
    throw malformed(`message of ${length} bytes announced, ${bytes.length - prefixBytes} received`);
  }
  return { compressed: flag === 1, body: bytes.subarray(prefixBytes) };
}

/** The announced length of the message behind a prefix. */
export function messageLength(prefix: Uint8Array): number {
  return ((prefix[1]! << 24) | (prefix[2]! << 16) | (prefix[3]! << 8) | prefix[4]!) >>> 0;
}

const malformed = (cause: string) =>
  new TelemetryError("MALFORMED_DATA", `cannot read gRPC message: ${cause}`);
