import type { Attributes, Value } from "../types.ts";
import type { Pair } from "./attribute-bytes.ts";
import type { AttributeRules } from "./attribute-rules.ts";

/** Ways in which an application may write one attribute set before the order of its keys is no longer remembered. */
const aliasesPerSeries = 4;

/**
 * One step of a path "key, value, key, value …". Nearly always one key follows, so it stands in the node, with its
 * first value: most nodes need no Map.
 */
class Node {
  row = -1;
  key: string | undefined = undefined;
  value: Value | undefined = undefined;
  next: Node | undefined = undefined;
  values: Map<Value | undefined, Node> | undefined = undefined;
  others: Map<string, Map<Value | undefined, Node>> | undefined = undefined;

  step(key: string, value: Value | undefined): Node | undefined {
    if (key !== this.key) return this.others?.get(key)?.get(value);
    return value === this.value ? this.next : this.values?.get(value);
  }

  stepOrGrow(key: string, value: Value | undefined): Node {
    const known = this.step(key, value);
    if (known !== undefined) return known;
    const node = new Node();
    if (this.key === undefined) {
      this.key = key;
      this.value = value;
      this.next = node;
    } else {
      this.#valuesOf(key).set(value, node);
    }
    return node;
  }

  #valuesOf(key: string): Map<Value | undefined, Node> {
    if (key === this.key) {
      this.values ??= new Map();
      return this.values;
    }
    this.others ??= new Map();
    let values = this.others.get(key);
    if (values === undefined) this.others.set(key, (values = new Map()));
    return values;
  }
}

export interface IndexOptions {
  readonly rules: AttributeRules;
  readonly maxSeries: number;
  /** Called for each new row, in order. */
  readonly onRow: (pairs: readonly Pair[]) => void;
}

/**
 * From attribute sets to rows. The hot path walks the keys in the order in which the application wrote them (about
 * 15 ns a key) and by that also meets keys that were not declared: they lead nowhere. What leads nowhere is brought
 * into canonical order and checked; the way it was written is then remembered, within a bound.
 */
export class AttributeIndex {
  readonly #rules: AttributeRules;
  readonly #maxSeries: number;
  readonly #onRow: (pairs: readonly Pair[]) => void;
  readonly #root = new Node();
  #overflowRow = -1;
  #aliases = 0;
  rows = 0;
  overflowed = 0;

  constructor({ rules, maxSeries, onRow }: IndexOptions) {
    this.#rules = rules;
    this.#maxSeries = maxSeries;
    this.#onRow = onRow;
  }

  rowOf(attributes: Attributes | undefined): number {
    let node: Node | undefined = this.#root;
    // for … in, because the engine keeps the keys of a shape and reads the values by position.
    for (const key in attributes) {
      node = node.step(key, attributes[key]);
      if (node === undefined) return this.#resolve(attributes);
    }
    return node.row >= 0 ? node.row : this.#resolve(attributes);
  }

  #resolve(attributes: Attributes | undefined): number {
    const { pairs, isExact } = this.#rules.canonical(attributes);
    const row = this.#find(pairs) ?? this.#add(pairs);
    if (row < 0) return this.#overflow();
    if (isExact) this.#remember(attributes, row);
    return row;
  }

  #find(pairs: readonly Pair[]): number | undefined {
    let node: Node | undefined = this.#root;
    for (const [key, value] of pairs) {
      node = node.step(key, value);
      if (node === undefined) return undefined;
    }
    return node.row < 0 ? undefined : node.row;
  }

  /** -1: there are too many. */
  #add(pairs: readonly Pair[]): number {
    const own = this.#overflowRow < 0 ? this.rows : this.rows - 1;
    if (own >= this.#maxSeries) return -1;
    let node = this.#root;
    for (const [key, value] of pairs) node = node.stepOrGrow(key, value);
    node.row = this.#take(pairs);
    return node.row;
  }

  #take(pairs: readonly Pair[]): number {
    this.#onRow(pairs);
    return this.rows++;
  }

  #overflow(): number {
    this.overflowed++;
    if (this.#overflowRow < 0) this.#overflowRow = this.#take([["otel.metric.overflow", true]]);
    return this.#overflowRow;
  }

  #remember(attributes: Attributes | undefined, row: number): void {
    if (this.#aliases >= aliasesPerSeries * this.#maxSeries) return;
    let node = this.#root;
    for (const key in attributes) node = node.stepOrGrow(key, attributes[key]);
    if (node.row >= 0) return;
    this.#aliases++;
    node.row = row;
  }
}
