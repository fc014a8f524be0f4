import { malformed } from "./limits.ts";

/** Refuses lines that are too long before they are looked at. */
export class LineGuard {
  readonly #bytes: Uint8Array;
  readonly #maxLineBytes: number;
  /** Every line that begins up to here has its end within the bound. */
  #safeUpTo = -1;

  constructor(bytes: Uint8Array, maxLineBytes: number) {
    this.#bytes = bytes;
    this.#maxLineBytes = maxLineBytes;
  }

  /** Throws if the line that begins at `start` has no end within the bound. Searches once for many lines. */
  check(start: number): void {
    const last = start + this.#maxLineBytes;
    if (start <= this.#safeUpTo || last >= this.#bytes.length) return;
    this.#safeUpTo = this.#bytes.lastIndexOf(0x0a, last);
    if (this.#safeUpTo >= start) return;
    throw malformed(`line is longer than ${this.#maxLineBytes} bytes`);
  }
}
