/**
 * Where decompressed bytes go: one array, within a limit and the memory budget, both asked before it grows.
 * An announced length alone takes nothing; it is believed when the first bytes have come out.
 */
import { TelemetryError } from "../errors.ts";
import { budgetFull, type Reservation } from "./reservation.ts";

const empty = new Uint8Array(0);
/** Copied in one step: 1 ms, with the page faults of new memory. */
const copyBytes = 2 * 2 ** 20;

export class DecodedOutput {
  /** At least `length` bytes; those behind are free. */
  bytes: Uint8Array = empty;
  length = 0;
  readonly maxBytes: number;
  readonly #reservation: Reservation | undefined;
  /** `bytes` belongs to the decoder and must not be written to. */
  #isView = false;

  /** Without a reservation the output is bounded by the limit alone. */
  constructor(maxBytes: number, reservation?: Reservation) {
    this.maxBytes = maxBytes;
    this.#reservation = reservation;
  }

  /** Throws TOO_LARGE when the whole output would not be allowed. */
  check(bytes: number): void {
    if (bytes > this.maxBytes) {
      throw new TelemetryError("TOO_LARGE", "http: request body too large");
    }
  }

  /** Whether n more bytes fit without growing. */
  hasRoom(n: number): boolean {
    return this.length + n <= this.bytes.length && !this.#isView;
  }

  /**
   * Makes room behind `length`, in steps: copying a large output to a larger array takes its time.
   * `expectedBytes` is the whole length as far as it is known, 0: it is not. Throws TOO_LARGE or BUDGET_FULL;
   * nothing was allocated then.
   */
  *grow(more: number, expectedBytes = 0): Generator<void, void> {
    const needed = this.length + more;
    this.check(needed);
    if (this.hasRoom(more)) return;
    const old = this.bytes;
    const whole = expectedBytes >= needed ? expectedBytes : Math.max(needed, old.length * 2);
    const wanted = Math.min(whole, this.maxBytes);
    this.#take(wanted - old.length);
    // Of its own: a slice of Node's pool would keep its neighbours alive.
    const larger = Buffer.allocUnsafeSlow(wanted);
    for (let at = 0; at < this.length; at += copyBytes) {
      larger.set(old.subarray(at, Math.min(at + copyBytes, this.length)), at);
      if (at + copyBytes < this.length) yield;
    }
    this.bytes = larger;
    this.#isView = false;
  }

  /** Adds bytes for which there is room. */
  add(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Takes the first chunk over instead of copying it, if it is all that is expected. */
  adopt(chunk: Uint8Array, expectedBytes: number): boolean {
    if (this.length > 0 || chunk.length < expectedBytes || !fillsItsBuffer(chunk)) return false;
    this.check(chunk.length);
    this.#take(chunk.length);
    this.bytes = chunk;
    this.length = chunk.length;
    this.#isView = true;
    return true;
  }

  /** What came out. */
  take(): Uint8Array {
    return this.bytes.length === this.length ? this.bytes : this.bytes.subarray(0, this.length);
  }

  #take(bytes: number): void {
    if (this.#reservation?.tryAdd(bytes) === false) throw budgetFull();
  }
}

/** A view of a buffer that is mostly something else would keep more alive than was reserved. */
const fillsItsBuffer = (chunk: Uint8Array) => chunk.length * 2 >= chunk.buffer.byteLength;

/** Decodes a body in steps of bounded work, so that a large one need not hold up the event loop. */
export type StepDecoder = (body: Uint8Array, output: DecodedOutput) => Generator<void, void>;
