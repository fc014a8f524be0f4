/** Header blocks, put together from HEADERS and the CONTINUATION frames behind it (RFC 9113 section 4.3). */
import { ConnectionError, errorCode, flag, protocolError, uint32At, unpadded } from "./frame.ts";

/** Of a header block as it is sent, and the pieces that it may come in. */
const maxBlockBytes = 32 * 1024;
const maxBlockFrames = 32;

export interface HeaderBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  /** Valid until the next frame. */
  readonly bytes: Uint8Array;
}

interface OpenBlock {
  readonly streamId: number;
  readonly endStream: boolean;
  readonly pieces: Uint8Array[];
  length: number;
}

export class HeaderBlocks {
  #open: OpenBlock | undefined;

  /** The stream whose block must be continued before anything else may come. */
  get openStreamId(): number | undefined {
    return this.#open?.streamId;
  }

  /** The block, unless more of it follows. */
  begin(flags: number, streamId: number, payload: Buffer): HeaderBlock | undefined {
    if ((streamId & 1) === 0) throw protocolError(`HEADERS on stream ${streamId}`);
    const bytes = withoutPriority(flags, streamId, unpadded(flags, payload));
    const endStream = (flags & flag.endStream) !== 0;
    if ((flags & flag.endHeaders) !== 0) return { streamId, endStream, bytes };
    this.#open = { streamId, endStream, pieces: [Buffer.from(bytes)], length: bytes.length };
    return undefined;
  }

  /** The block that it completes. */
  continue(flags: number, piece: Buffer): HeaderBlock | undefined {
    const block = this.#open;
    if (block === undefined) throw protocolError("CONTINUATION without HEADERS");
    block.length += piece.length;
    if (block.length > maxBlockBytes || block.pieces.length >= maxBlockFrames) {
      throw new ConnectionError(errorCode.enhanceYourCalm, "header block too large");
    }
    block.pieces.push(Buffer.from(piece));
    if ((flags & flag.endHeaders) === 0) return undefined;
    this.#open = undefined;
    const { streamId, endStream, pieces } = block;
    return { streamId, endStream, bytes: Buffer.concat(pieces) };
  }
}

/** Priorities are obsolete (section 5.3.2); only their form is looked at. */
function withoutPriority(flags: number, streamId: number, bytes: Buffer): Buffer {
  if ((flags & flag.priority) === 0) return bytes;
  if (bytes.length < 5) throw new ConnectionError(errorCode.frameSizeError, "short HEADERS");
  if ((uint32At(bytes, 0) & 0x7fffffff) === streamId) {
    throw protocolError("a stream that depends on itself");
  }
  return bytes.subarray(5);
}
