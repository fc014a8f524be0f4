import type { Writer } from "../../pdata/wire.ts";

/** Pieces of bytes, one after another in one array: no object per piece. */
export class ByteRows {
  #bytes: Uint8Array = new Uint8Array(256);
  /** Where each piece ends; it begins where the one before ends. */
  #ends: Uint32Array = new Uint32Array(8);
  length = 0;

  append(piece: Uint8Array): void {
    const start = this.#start(this.length);
    const end = start + piece.length;
    if (end > this.#bytes.length) this.#bytes = grown(this.#bytes, new Uint8Array(end * 2));
    if (this.length === this.#ends.length) {
      this.#ends = grown(this.#ends, new Uint32Array(this.length * 2));
    }
    this.#bytes.set(piece, start);
    this.#ends[this.length++] = end;
  }

  lengthOf(row: number): number {
    return this.#ends[row]! - this.#start(row);
  }

  /** A view, until the next append. */
  at(row: number): Uint8Array {
    return this.#bytes.subarray(this.#start(row), this.#ends[row]);
  }

  write(out: Writer, row: number): void {
    out.raw(this.#bytes, this.#start(row), this.#ends[row]);
  }

  #start(row: number): number {
    return row === 0 ? 0 : this.#ends[row - 1]!;
  }
}

function grown<T extends Uint8Array | Uint32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
