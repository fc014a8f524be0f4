import { decodeUtf8 } from "../../pdata/wire.ts";

const maxSlots = 2048;
const maxLength = 96;

/**
 * Texts of one input by their bytes. Names and values of labels come again on line after line: found here,
 * they cost a hash instead of a new text, and a body's families share them. One slot a hash: a text that
 * falls into a taken one replaces it.
 */
export class TextCache {
  readonly #bytes: Uint8Array;
  readonly #starts: Int32Array;
  readonly #lengths: Int32Array;
  readonly #texts: string[];

  constructor(bytes: Uint8Array) {
    // A slot for each line of a short body.
    let slots = 64;
    while (slots < maxSlots && slots * 64 < bytes.length) slots *= 2;
    this.#bytes = bytes;
    this.#starts = new Int32Array(slots);
    this.#lengths = new Int32Array(slots).fill(-1);
    this.#texts = Array.from<string>({ length: slots }).fill("");
  }

  /** The text at [start, end). */
  text(start: number, end: number): string {
    const b = this.#bytes;
    const length = end - start;
    if (length > maxLength) return decodeUtf8(b, start, end);
    let hash = length;
    for (let p = start; p < end; p++) hash = (Math.imul(hash, 31) + b[p]!) | 0;
    const slot = (hash ^ (hash >>> 15)) & (this.#lengths.length - 1);
    if (this.#lengths[slot] === length && this.#isAt(this.#starts[slot]!, start, length)) {
      return this.#texts[slot]!;
    }
    const text = decodeUtf8(b, start, end);
    this.#starts[slot] = start;
    this.#lengths[slot] = length;
    this.#texts[slot] = text;
    return text;
  }

  #isAt(known: number, start: number, length: number): boolean {
    const b = this.#bytes;
    for (let i = 0; i < length; i++) if (b[known + i] !== b[start + i]) return false;
    return true;
  }
}
