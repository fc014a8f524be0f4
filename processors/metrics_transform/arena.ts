import { Writer } from "../../src/pdata/wire.ts";

/** A larger writer is not kept for the next payload. */
const keptBytes = 1024 * 1024;

/**
 * Bytes that the transforms of one payload make. They are added behind one another, never moved: where the
 * writer grows, what was handed out before stays where it is.
 */
export class Arena {
  #out = new Writer(16 * 1024);

  /** Forgets what was made for the payload before. */
  reset(): void {
    if (this.#out.bytes.length > keptBytes) this.#out = new Writer(16 * 1024);
    this.#out.reset();
  }

  /** A copy that can be written over: it lies in `bytes` from the returned position. */
  copy(bytes: Uint8Array, start: number, end: number): number {
    this.#out.raw(bytes, start, end);
    return this.#out.position - (end - start);
  }

  /** What holds the last copy or message. */
  get bytes(): Uint8Array {
    return this.#out.bytes;
  }

  /** A new message; it lies in `bytes` from the returned position to `end`. */
  write(message: (out: Writer) => void): number {
    const start = this.#out.position;
    message(this.#out);
    return start;
  }

  get end(): number {
    return this.#out.position;
  }
}
