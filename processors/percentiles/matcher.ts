/** Which series are sampled, by name and attributes. */
import type { Attribute } from "../../src/pdata/series/attributes.ts";
import type { Series } from "../../src/pdata/series/interned.ts";
import { Regex } from "../../src/regex/regex.ts";
import type { MatchConfig } from "./config.ts";

type TextTest = (text: string) => boolean;

/** An include or exclude section, made ready. */
class Section {
  /** Undefined: any name. */
  readonly #name: TextTest | undefined;
  readonly #attributes: readonly { readonly key: string; readonly test: TextTest }[];

  constructor({ match_type, metric_names, attributes }: MatchConfig) {
    const testOf = match_type === "regexp" ? patternTest : equalTest;
    const tests = metric_names.map(testOf);
    this.#name = tests.length === 0 ? undefined : (name) => tests.some((test) => test(name));
    this.#attributes = attributes.map(({ key, value }) => ({
      key,
      test: value === undefined ? () => true : testOf(String(value)),
    }));
  }

  get isEmpty(): boolean {
    return this.#name === undefined && this.#attributes.length === 0;
  }

  get namesMetrics(): boolean {
    return this.#name !== undefined;
  }

  hasName(name: string): boolean {
    return this.#name === undefined || this.#name(name);
  }

  hasAttributes(series: Series): boolean {
    if (this.#attributes.length === 0) return true;
    const point = series.attributes();
    const resource = series.parent.parent.parent.attributes;
    return this.#attributes.every(({ key, test }) => {
      const found = find(point, key) ?? find(resource, key);
      return found !== undefined && test(found.text);
    });
  }
}

const equalTest =
  (wanted: string): TextTest =>
  (text) =>
    text === wanted;

function patternTest(pattern: string): TextTest {
  const regex = Regex.compile(pattern);
  return (text) => regex.test(text);
}

export const find = (attributes: readonly Attribute[], key: string): Attribute | undefined =>
  attributes.find((attribute) => attribute.key === key);

/** include without exclude. An empty include has everything, an empty exclude nothing. */
export class Matcher {
  readonly #include: Section;
  readonly #exclude: Section;

  constructor(include: MatchConfig, exclude: MatchConfig) {
    this.#include = new Section(include);
    this.#exclude = new Section(exclude);
  }

  /** Whether the config names metrics at all, rather than taking all of a type. */
  get namesMetrics(): boolean {
    return this.#include.namesMetrics;
  }

  /** False: no series of this name matches. */
  mayMatch(name: string): boolean {
    return this.#include.hasName(name);
  }

  matches(series: Series): boolean {
    const { name } = series.parent;
    if (!this.#include.hasName(name) || !this.#include.hasAttributes(series)) return false;
    const exclude = this.#exclude;
    return exclude.isEmpty || !exclude.hasName(name) || !exclude.hasAttributes(series);
  }
}
