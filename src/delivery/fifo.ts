/** A first-in-first-out list whose `shift` stays cheap however long it is. */
export class Fifo<T> {
  /** Undefined: already taken. */
  #items: (T | undefined)[] = [];
  /** Index of the oldest one. */
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  peek(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head] = undefined;
    this.#head++;
    // Half of it is used up: moving the rest down costs at most one step for each shift before.
    if (this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes all, oldest first. */
  drain(): T[] {
    const items = this.#items.filter((item) => item !== undefined);
    this.#items = [];
    this.#head = 0;
    return items;
  }

  /** Takes one from wherever it stands. */
  remove(item: T): void {
    const index = this.#items.indexOf(item, this.#head);
    if (index >= 0) this.#items.splice(index, 1);
  }
}
