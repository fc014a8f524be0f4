/**
 * One request's body on its way in, in one contiguous array.
 *
 * The memory that it takes is reserved before it is allocated, and follows what has really arrived: an announced length
 * is believed up to 16 times of what came, or 128 KiB. As long as it is not, the array grows by doubling: so a body of
 * 300 KB in HTTP/2 frames of 16 KiB takes one of 32 KiB and one of its size, and V8, which collects by the bytes that
 * were allocated, does so less often. A body in tiny pieces costs its bytes, not an object for each piece.
 */
import type { Reservation } from "./reservation.ts";

const smallestBytes = 1024;
/** An announced length up to this is believed: most requests then need one array, and a lie costs no more. */
const believedBytes = 128 * 1024;
const believedFactor = 16;
const empty = new Uint8Array(0);

export interface BodyBufferOptions {
  /** Chunks stay as they are when `add` has returned: a body of one chunk needs no copy. */
  readonly chunksStay: boolean;
}

export class BodyBuffer {
  readonly #reservation: Reservation;
  readonly #chunksStay: boolean;
  #bytes: Uint8Array = empty;
  /** Whether `#bytes` is a view of the transport's buffer, which must not be written to. */
  #isView = false;
  length = 0;

  constructor(reservation: Reservation, { chunksStay }: BodyBufferOptions) {
    this.#reservation = reservation;
    this.#chunksStay = chunksStay;
  }

  /**
   * Takes a chunk; `announcedBytes` is the length that the whole body will have, 0 if unknown. False: the budget
   * is full, and nothing was taken.
   */
  add(chunk: Uint8Array, announcedBytes: number): boolean {
    const length = this.length + chunk.length;
    if (this.#chunksStay && this.length === 0 && isWhole(chunk, announcedBytes)) {
      if (!this.#reservation.tryAdd(chunk.length)) return false;
      this.#bytes = chunk;
      this.#isView = true;
    } else {
      if (!this.#reserveRoom(length, announcedBytes)) return false;
      this.#bytes.set(chunk, this.length);
    }
    this.length = length;
    return true;
  }

  /** What has arrived; the buffer is empty afterwards, the reservation stays. */
  take(): Uint8Array {
    const bytes = this.#bytes;
    const { length } = this;
    this.clear();
    return bytes.length === length ? bytes : bytes.subarray(0, length);
  }

  clear(): void {
    this.#bytes = empty;
    this.#isView = false;
    this.length = 0;
  }

  #reserveRoom(length: number, announcedBytes: number): boolean {
    const old = this.#bytes;
    if (length <= old.length && !this.#isView) return true;
    const isBelieved =
      announcedBytes >= length &&
      announcedBytes <= Math.max(length * believedFactor, believedBytes);
    const wanted = isBelieved ? announcedBytes : Math.max(length * 2, smallestBytes);
    if (!this.#reservation.tryAdd(wanted - old.length)) return false;
    // Of its own: a slice of Node's pool would keep its neighbours alive.
    const larger = Buffer.allocUnsafeSlow(wanted);
    larger.set(this.length === old.length ? old : old.subarray(0, this.length));
    this.#bytes = larger;
    this.#isView = false;
    return true;
  }
}

/** A view of a buffer that is mostly something else would keep more alive than was reserved. */
const isWhole = (chunk: Uint8Array, announcedBytes: number) =>
  chunk.length >= announcedBytes && chunk.length * 2 >= chunk.buffer.byteLength;
