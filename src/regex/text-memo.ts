/** Longer texts are not kept: one of them must not push out thousands. */
const maxTextLength = 1024;
/** What an entry costs beside its text, about. */
const overheadChars = 64;

/**
 * What follows from a text alone, kept within a bound. Two generations: what is used moves to the young one;
 * when that has half of the bound, the old one is forgotten whole. Texts that never repeat cost a set each.
 */
export class TextMemo<V> {
  readonly #compute: (text: string) => V;
  readonly #halfChars: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  #youngChars = 0;
  #oldChars = 0;

  /** Keeps texts of about `maxChars` characters in all. */
  constructor(compute: (text: string) => V, maxChars = 1024 * 1024) {
    this.#compute = compute;
    this.#halfChars = maxChars / 2;
  }

  /** Characters it holds, about. */
  get heldChars(): number {
    return this.#youngChars + this.#oldChars;
  }

  get(text: string): V {
    const young = this.#young.get(text);
    if (young !== undefined) return young;
    return this.#slowGet(text);
  }

  #slowGet(text: string): V {
    if (text.length > maxTextLength) return this.#compute(text);
    // undefined is a value, too.
    if (this.#young.has(text)) return this.#young.get(text) as V;
    const value = this.#old.has(text) ? (this.#old.get(text) as V) : this.#compute(text);
    const chars = text.length + overheadChars;
    if (this.#youngChars + chars > this.#halfChars) this.#turn();
    this.#young.set(text, value);
    this.#youngChars += chars;
    return value;
  }

  #turn(): void {
    this.#old = this.#young;
    this.#oldChars = this.#youngChars;
    this.#young = new Map();
    this.#youngChars = 0;
  }
}
