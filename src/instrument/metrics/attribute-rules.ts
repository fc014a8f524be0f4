import type { Problems } from "../problems.ts";
import type { Attributes, Value } from "../types.ts";
import type { Pair } from "./attribute-bytes.ts";

const maxAttributes = 128;
const maxValueLength = 1024;

export type Declared = readonly string[] | { readonly [key: string]: readonly Value[] | "any" };

interface Canonical {
  /** Valid attributes in the one order that a series has. */
  readonly pairs: readonly Pair[];
  /** Nothing was left out or replaced: the same input may be recognised by its own keys and values. */
  readonly isExact: boolean;
}

/** What attributes an instrument takes: any, or the declared ones with their lists of values. */
export class AttributeRules {
  readonly #instrument: string;
  readonly #problems: Problems;
  readonly #declared: ReadonlyMap<string, ReadonlySet<Value> | undefined> | undefined;

  constructor(instrument: string, declared: Declared | undefined, problems: Problems) {
    this.#instrument = instrument;
    this.#problems = problems;
    this.#declared = declared === undefined ? undefined : declaredKeys(declared);
  }

  canonical(attributes: Attributes | undefined): Canonical {
    if (typeof attributes !== "object" || attributes === null) {
      return { pairs: [], isExact: attributes === undefined };
    }
    return this.#declared === undefined
      ? this.#sorted(attributes)
      : this.#inDeclaredOrder(attributes, this.#declared);
  }

  #sorted(attributes: Attributes): Canonical {
    const keys: string[] = [];
    // for … in as in the index: it must see the same keys.
    for (const key in attributes) if (attributes[key] !== undefined) keys.push(key);
    const kept = keys.toSorted().slice(0, maxAttributes);
    let isExact = kept.length === keys.length;
    const pairs: Pair[] = [];
    for (const key of kept) {
      const value = this.#valid(key, attributes[key]);
      if (value !== attributes[key]) isExact = false;
      if (value !== undefined) pairs.push([key, value]);
    }
    if (kept.length < keys.length) this.#complain("too many attributes");
    return { pairs, isExact };
  }

  #inDeclaredOrder(
    attributes: Attributes,
    declared: ReadonlyMap<string, ReadonlySet<Value> | undefined>,
  ): Canonical {
    let isExact = true;
    for (const key in attributes) {
      if (declared.has(key)) continue;
      isExact = false;
      this.#complain(`attribute ${JSON.stringify(key)} is not declared and left out`);
    }
    const pairs: Pair[] = [];
    for (const [key, values] of declared) {
      const given = attributes[key];
      if (given === undefined) continue;
      let value = this.#valid(key, given);
      if (value !== undefined && values?.has(value) === false) value = "_OTHER";
      if (value !== given) isExact = false;
      if (value !== undefined) pairs.push([key, value]);
    }
    return { pairs, isExact };
  }

  #valid(key: string, value: unknown): Value | undefined {
    if (typeof value === "string") {
      return value.length <= maxValueLength ? value : value.slice(0, maxValueLength);
    }
    if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) {
      return value;
    }
    this.#complain(`attribute ${JSON.stringify(key)} is no text, finite number or boolean`);
    return undefined;
  }

  #complain(message: string): void {
    this.#problems.report(
      "invalid_attributes",
      `${this.#instrument}: ${message}`,
      this.#instrument,
    );
  }
}

function declaredKeys(declared: Declared): Map<string, ReadonlySet<Value> | undefined> {
  if (isList(declared)) return new Map(declared.map((key) => [key, undefined]));
  return new Map(
    Object.entries(declared).map(([key, values]) => [
      key,
      values === "any" ? undefined : new Set(values),
    ]),
  );
}

const isList = (declared: Declared): declared is readonly string[] => Array.isArray(declared);
