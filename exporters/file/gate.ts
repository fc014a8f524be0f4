/** Lets work through while the weight inside is below a bound; the rest waits in order. */
export class Gate {
  readonly #limit: number;
  #inside = 0;
  #waiting: (() => void)[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when there is room; what alone exceeds the bound goes through when nothing else is inside. */
  async enter(weight: number): Promise<void> {
    while (this.#inside > 0 && this.#inside + weight > this.#limit) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    }
    this.#inside += weight;
  }

  leave(weight: number): void {
    this.#inside -= weight;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
