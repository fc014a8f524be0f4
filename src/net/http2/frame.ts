/**
 * HTTP/2 frames (RFC 9113 section 4.1 and 6).
 *
 *     | length 24 | type 8 | flags 8 | R 1, stream id 31 | payload, length bytes |
 */
export const frameHeaderBytes = 9;
/** SETTINGS_MAX_FRAME_SIZE that both sides begin with; ours stays there. */
export const defaultMaxFrameBytes = 16_384;
export const defaultWindowBytes = 65_535;
export const maxWindowBytes = 2 ** 31 - 1;

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Error codes (RFC 9113 section 7). */
export const errorCode = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

/** What ends the whole connection, by GOAWAY with this code. */
export class ConnectionError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export const protocolError = (message: string) =>
  new ConnectionError(errorCode.protocolError, message);

/** The payload of a frame without its padding (section 6.1). */
export function unpadded(flags: number, payload: Buffer): Buffer {
  if ((flags & flag.padded) === 0) return payload;
  const padding = payload[0];
  if (padding === undefined || padding >= payload.length) throw protocolError("padding");
  return payload.subarray(1, payload.length - padding);
}

export const uint32At = (b: Uint8Array, at: number) =>
  ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;

/** Writes a frame's header; returns the position behind it. */
export function writeFrameHeader(
  out: Uint8Array,
  at: number,
  frame: { length: number; type: number; flags: number; streamId: number },
): number {
  const { length, type, flags, streamId } = frame;
  out[at] = length >>> 16;
  out[at + 1] = length >>> 8;
  out[at + 2] = length;
  out[at + 3] = type;
  out[at + 4] = flags;
  return writeUint32(out, at + 5, streamId);
}

export function writeUint32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
  return at + 4;
}

/** A whole frame in a buffer of its own; for frames that are rare. */
export function encodeFrame(
  type: number,
  flags: number,
  streamId: number,
  payload: Uint8Array = empty,
): Uint8Array {
  const out = new Uint8Array(frameHeaderBytes + payload.length);
  writeFrameHeader(out, 0, { length: payload.length, type, flags, streamId });
  out.set(payload, frameHeaderBytes);
  return out;
}

/** SETTINGS: pairs of a 16-bit identifier and a 32-bit value. */
export function encodeSettings(pairs: readonly (readonly [number, number])[]): Uint8Array {
  const payload = new Uint8Array(6 * pairs.length);
  for (const [i, [id, value]] of pairs.entries()) {
    payload[6 * i + 1] = id;
    writeUint32(payload, 6 * i + 2, value);
  }
  return encodeFrame(frameType.settings, 0, 0, payload);
}

const empty = new Uint8Array(0);
