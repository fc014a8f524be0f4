const firstChunkBytes = 256 * 1024;
const maxChunkBytes = 2 * 1024 * 1024;
/** A call into V8's copy costs as much as so many characters in a loop. */
const shortText = 24;
const newline = 10;
const zero = 48;

/**
 * Collects lines into chunks. Texts are binary strings (a character a byte), so writing one is a copy: 40 ns
 * for a hundred bytes, a third of encoding UTF-8 or of joining strings. Chunks grow, as gzip takes the next one only when
 * the event loop runs: of small ones it had one in each of the page's slices, and the rest when all was written.
 */
export class LineBuffer {
  #chunkBytes = firstChunkBytes;
  #buffer = Buffer.allocUnsafeSlow(firstChunkBytes);
  #at = 0;
  readonly #full: Buffer[] = [];

  /** Makes room for a text of this length. */
  #reserve(length: number): void {
    if (this.#at + length <= this.#buffer.length) return;
    if (this.#at > 0) this.#full.push(this.#buffer.subarray(0, this.#at));
    this.#chunkBytes = Math.min(2 * this.#chunkBytes, maxChunkBytes);
    this.#buffer = Buffer.allocUnsafeSlow(Math.max(this.#chunkBytes, length));
    this.#at = 0;
  }

  text(text: string): void {
    const { length } = text;
    this.#reserve(length);
    const at = this.#at;
    this.#at = at + length;
    const buffer = this.#buffer;
    if (length >= shortText) buffer.write(text, at, "latin1");
    else for (let i = 0; i < length; i++) buffer[at + i] = text.charCodeAt(i);
  }

  /** The digits of a whole number in [0, 1e9). */
  digits(value: number): void {
    this.#reserve(9);
    let rest = value | 0;
    let length = 1;
    for (let limit = 10; limit <= rest && length < 9; limit *= 10) length++;
    this.#at += length;
    for (let at = this.#at - 1; at >= this.#at - length; at--) {
      const next = (rest / 10) | 0;
      this.#buffer[at] = zero + rest - 10 * next;
      rest = next;
    }
  }

  endLine(): void {
    this.#reserve(1);
    this.#buffer[this.#at++] = newline;
  }

  /** The full chunks; with `all`, what was begun too. */
  take(all: boolean): Buffer[] {
    if (all && this.#at > 0) {
      this.#full.push(this.#buffer.subarray(0, this.#at));
      this.#buffer = Buffer.allocUnsafeSlow(firstChunkBytes);
      this.#at = 0;
    }
    return this.#full.splice(0);
  }
}
