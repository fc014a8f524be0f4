import { messageOf } from "../problems.ts";
import type { Attributes, ObservedKind } from "../types.ts";
import type { FamilyOptions } from "./family.ts";
import { NumberFamily } from "./number-family.ts";

type Read = (observe: (value: number, attributes?: Attributes) => void) => unknown;

/**
 * Values that the application says when asked. A row has two cells: the value of this collection (NaN: not said,
 * so not sent), and the total that was sent last, from which a counter's delta is taken.
 */
export class ObservedFamily extends NumberFamily {
  readonly #reads = new Set<Read>();
  #isReading = false;
  readonly #onFailure: (reason: string) => void;
  readonly #observe: (value: number, attributes?: Attributes) => void;

  constructor(options: FamilyOptions, kind: ObservedKind) {
    super(options, kind, 2);
    this.#onFailure = (reason) => {
      const message = `${this.name}: cannot observe: ${reason}`;
      options.problems.report("observe_failed", message, this.name);
    };
    this.#observe = (value, attributes) => this.#set(value, attributes);
  }

  addRead(read: Read): Disposable {
    // A function of its own, so that one callback registered twice is two.
    const own: Read = (observe) => read(observe);
    this.#reads.add(own);
    return {
      [Symbol.dispose]: () => {
        this.#reads.delete(own);
      },
    };
  }

  /** A callback may itself ask for a collection. */
  override beforeCollect(): void {
    if (this.#isReading) return;
    this.#isReading = true;
    for (let row = 0; row < this.rows; row++) {
      this.slab.chunkOf(row)[this.slab.offsetOf(row)] = Number.NaN;
    }
    // Not those that a callback adds: it might go on for ever.
    const reads = [...this.#reads];
    for (const read of reads) this.#call(read);
    this.#isReading = false;
  }

  #call(read: Read): void {
    try {
      const result = read(this.#observe) as PromiseLike<unknown> | undefined;
      if (typeof result?.then !== "function") return;
      this.#onFailure("the callback is asynchronous, and is not waited for");
      // A rejection that nobody handles would end the application.
      Promise.resolve(result).catch(() => {});
    } catch (error) {
      this.#onFailure(messageOf(error));
    }
  }

  override totalOf(row: number): number {
    return this.slab.chunkOf(row)[this.slab.offsetOf(row)]!;
  }

  /** Of sums, values that meet in one row (`_OTHER`, the overflow series) are added up, so that totals stay exact. */
  #set(value: number, attributes: Attributes | undefined): void {
    if (!this.#isReading) return this.#onFailure("a value came after the callback had returned");
    const isGood = typeof value === "number" && Number.isFinite(value);
    if (!isGood || (this.kind === "counter" && value < 0)) return this.refuseValue(value);
    const row = this.safeRowOf(attributes);
    const cells = this.slab.chunkOf(row);
    const at = this.slab.offsetOf(row);
    const before = cells[at]!;
    cells[at] = this.kind === "gauge" || Number.isNaN(before) ? value : before + value;
  }

  protected override takeRow(row: number): void {
    super.takeRow(row);
    this.slab.chunkOf(row)[this.slab.offsetOf(row)] = Number.NaN;
  }

  protected override collectValue(row: number, isDelta: boolean): number {
    const cells = this.slab.chunkOf(row);
    const at = this.slab.offsetOf(row);
    const value = cells[at]!;
    if (!isDelta || Number.isNaN(value)) return value;
    // A total that fell began anew at zero.
    const before = cells[at + 1]! <= value ? cells[at + 1]! : 0;
    cells[at + 1] = value;
    return value - before;
  }
}
