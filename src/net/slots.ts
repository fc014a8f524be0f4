/** A bound on what runs at a time; who comes later waits in order. */
export class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  /** 0: no bound. */
  constructor(count: number) {
    this.#free = count > 0 ? count : Number.POSITIVE_INFINITY;
  }

  /** Resolves with true once there is a slot, with false when aborted first; `release` must follow true. */
  take(abort?: AbortSignal): Promise<boolean> {
    if (abort?.aborted === true) return Promise.resolve(false);
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const grant = () => {
        abort?.removeEventListener("abort", giveUp);
        resolve(true);
      };
      const giveUp = () => {
        this.#waiting.splice(this.#waiting.indexOf(grant), 1);
        resolve(false);
      };
      this.#waiting.push(grant);
      abort?.addEventListener("abort", giveUp, { once: true });
    });
  }

  release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }
}
