/** Names become label values: beyond so many different ones, the rest is "_OTHER". */
export class BoundedNames {
  readonly #names = new Set<string>();
  limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  admit(name: string): string {
    if (this.#names.has(name)) return name;
    if (this.#names.size >= this.limit) return "_OTHER";
    this.#names.add(name);
    return name;
  }
}
