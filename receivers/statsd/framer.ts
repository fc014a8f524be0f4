import type { Budget } from "../../src/component.ts";
import { type Intake, maxLineBytes } from "./intake.ts";

const lineFeed = 10;

/** Makes lines of the pieces of one stream. Keeps the beginning of a line until its newline comes. */
export class LineFramer {
  readonly #intake: Intake;
  readonly #sender: string;
  readonly #budget: Budget;
  #begun: Buffer | undefined;
  /** The rest of a line that is too long, up to its newline, is not kept. */
  #isSkipping = false;

  constructor(intake: Intake, sender: string, budget: Budget) {
    this.#intake = intake;
    this.#sender = sender;
    this.#budget = budget;
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    if (this.#isSkipping || this.#begun !== undefined) rest = this.#finishLine(chunk);
    const end = rest.lastIndexOf(lineFeed) + 1;
    if (end > 0) this.#intake.takeLines(rest, end, this.#sender);
    if (end < rest.length) this.#begin(rest.subarray(end));
  }

  /** Joins the beginning of a line with its end; returns what follows. */
  #finishLine(chunk: Buffer): Buffer {
    const at = chunk.indexOf(lineFeed);
    if (at < 0) {
      if (!this.#isSkipping) this.#begin(Buffer.concat([this.#takeBegun(), chunk]));
      return chunk.subarray(chunk.length);
    }
    if (this.#isSkipping) this.#isSkipping = false;
    else {
      const line = Buffer.concat([this.#takeBegun(), chunk.subarray(0, at + 1)]);
      this.#intake.takeLines(line, line.length, this.#sender);
    }
    return chunk.subarray(at + 1);
  }

  #begin(bytes: Buffer): void {
    const isTooLong = bytes.length > maxLineBytes;
    if (isTooLong || !this.#budget.tryReserve(bytes.length)) {
      this.#intake.refuseBegun(isTooLong ? "too_long" : "memory_budget");
      this.#isSkipping = true;
      return;
    }
    // A copy: the chunk is larger, and the kernel's next one reuses nothing of it.
    this.#begun = Buffer.from(bytes);
  }

  #takeBegun(): Buffer {
    const begun = this.#begun ?? Buffer.alloc(0);
    this.#begun = undefined;
    this.#budget.release(begun.length);
    return begun;
  }

  /** The stream has ended; its last line may stand without a newline. */
  end(): void {
    const last = this.#takeBegun();
    if (last.length > 0) this.#intake.takeLines(last, last.length, this.#sender);
  }
}
