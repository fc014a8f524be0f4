/** The most that is remembered; what comes for older ones is answered as for any closed stream. */
const maxRemembered = 1000;

/**
 * Streams that ended here before the client had sent all of its request. What was on its way then is no fault
 * and is thrown away, as far as the stream's window allowed it (RFC 9113 section 5.1).
 */
export class StoppedStreams {
  /** Bytes that may still come, by stream. */
  readonly #windows = new Map<number, number>();

  add(streamId: number, windowBytes: number): void {
    this.#windows.set(streamId, windowBytes);
    if (this.#windows.size <= maxRemembered) return;
    const [oldest] = this.#windows.keys();
    this.#windows.delete(oldest!);
  }

  /** False: the stream is none of them, or sends more than it may. */
  take(streamId: number, bytes: number, isLast: boolean): boolean {
    const window = this.#windows.get(streamId);
    if (window === undefined || bytes > window) return false;
    if (isLast) this.#windows.delete(streamId);
    else this.#windows.set(streamId, window - bytes);
    return true;
  }

  /** The client has ended the stream too. False: it is none of them. */
  end(streamId: number): boolean {
    return this.#windows.delete(streamId);
  }
}
