/** Repositories that wait to be indexed by one worker; bounded. */
import { queue } from "../../instrument/index.ts";

export class IndexQueue {
  readonly #capacity: number;
  readonly #index: (repo: number) => Promise<void>;
  readonly #waiting: number[] = [];
  #isStalled = false;
  #isWorking = false;

  constructor(capacity: number, index: (repo: number) => Promise<void>) {
    this.#capacity = capacity;
    this.#index = index;
    queue("index", () => this.size, capacity);
  }

  get size(): number {
    return this.#waiting.length;
  }

  /** False: full, the repository is not taken. */
  add(repo: number): boolean {
    if (this.size >= this.#capacity) return false;
    this.#waiting.push(repo);
    void this.#work();
    return true;
  }

  /** The job under way is still done. */
  stall(isStalled: boolean): void {
    this.#isStalled = isStalled;
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#isWorking) return;
    this.#isWorking = true;
    while (!this.#isStalled && this.size > 0) await this.#index(this.#waiting.shift()!);
    this.#isWorking = false;
  }
}
