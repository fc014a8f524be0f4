/** What is remembered of one series; SeriesStates owns the fields here, its user those of the class derived. */
export abstract class SeriesState {
  /** In the table of states. */
  key = "";
  metric = "";
  /** With the start time what tells states of one series apart. */
  variant = "";
  startHigh = 0;
  startLow = 0;
  /** Monotonic. */
  seenMs = 0;
  /** Another one after each change; 0: it is not remembered. */
  version = 0;

  /** What is replaced as a whole; undefined: nothing is. Also what it holds may change in place, if it is saved. */
  shape: unknown = undefined;
  /** Bytes of its arrays, about. */
  abstract readonly heldBytes: number;
  /** How many numbers `save` writes: all that is changed in place. */
  abstract readonly words: number;
  abstract save(to: Float64Array, at: number): void;
  /** After `shape` has been put back. */
  abstract load(from: Float64Array, at: number): void;
}

/**
 * The changes of one payload, so that they can be taken back. In one array of numbers and reused: objects that live
 * until the next stage has answered cost more than all the rest of a conversion.
 *
 *     words  … | what `save` wrote | how many words that is | version before | version after | …
 */
export class StateChanges<S extends SeriesState> {
  readonly #states: (S | undefined)[] = [];
  readonly #shapes: unknown[] = [];
  #words = new Float64Array(64);
  #used = 0;
  #count = 0;

  get capacity(): number {
    return this.#words.length;
  }

  /** Notes what a state is before it gets its next version; `before` 0: it is new. */
  add(state: S, before: number, after: number): void {
    const length = before === 0 ? 0 : state.words;
    this.#reserve(length + 3);
    if (length > 0) state.save(this.#words, this.#used);
    this.#used += length;
    this.#words[this.#used++] = length;
    this.#words[this.#used++] = before;
    this.#words[this.#used++] = after;
    this.#states[this.#count] = state;
    this.#shapes[this.#count++] = state.shape;
  }

  /** Takes the changes back, but for states that have moved on since. Returns the bytes that others gained. */
  undo(remove: (state: S) => void): number {
    const words = this.#words;
    let at = this.#used;
    let growth = 0;
    for (let i = this.#count - 1; i >= 0; i--) {
      const state = this.#states[i]!;
      const after = words[--at]!;
      const before = words[--at]!;
      const length = words[--at]!;
      at -= length;
      if (state.version !== after) continue;
      if (before === 0) {
        remove(state);
        continue;
      }
      growth -= state.heldBytes;
      state.shape = this.#shapes[i];
      state.load(words, at);
      growth += state.heldBytes;
      state.version = before;
    }
    this.clear();
    return growth;
  }

  /** Keeps no state alive. */
  clear(): void {
    for (let i = 0; i < this.#count; i++) {
      this.#states[i] = undefined;
      this.#shapes[i] = undefined;
    }
    this.#count = 0;
    this.#used = 0;
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#words.length) return;
    const larger = new Float64Array(2 * this.#words.length + length);
    larger.set(this.#words);
    this.#words = larger;
  }
}
