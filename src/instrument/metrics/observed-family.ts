import { messageOf } from "../problems.ts";
import type { Attributes, ObservedKind } from "../types.ts";
import type { FamilyOptions } from "./family.ts";
import { NumberFamily } from "./number-family.ts";

type Read = (observe: (value: number, attributes?: Attributes) => void) => void;

/**
 * Values that the application says when asked. A row has two cells: the value of this collection (NaN: not said,
 * so not sent), and the total that was sent last, from which a counter's delta is taken.
 */
export class ObservedFamily extends NumberFamily {
  readonly #reads = new Set<Read>();
  readonly #onFailure: (message: string) => void;
  readonly #observe: (value: number, attributes?: Attributes) => void;

  constructor(options: FamilyOptions, kind: ObservedKind) {
    super(options, kind, 2);
    this.#onFailure = (message) => options.problems.report("observe_failed", message, this.name);
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

  override beforeCollect(): void {
    for (let row = 0; row < this.rows; row++) {
      this.slab.chunkOf(row)[this.slab.offsetOf(row)] = Number.NaN;
    }
    for (const read of this.#reads) this.#call(read);
  }

  #call(read: Read): void {
    try {
      read(this.#observe);
    } catch (error) {
      this.#onFailure(`${this.name}: cannot observe: ${messageOf(error)}`);
    }
  }

  #set(value: number, attributes: Attributes | undefined): void {
    const isGood = typeof value === "number" && Number.isFinite(value);
    if (!isGood || (this.kind === "counter" && value < 0)) return this.refuseValue(value);
    const row = this.safeRowOf(attributes);
    this.slab.chunkOf(row)[this.slab.offsetOf(row)] = value;
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
