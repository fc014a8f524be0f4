/** Which metrics and which of their points a transform is about. */
import type { AttributeSet } from "../../src/attribute-actions/attribute-set.ts";
import { type Groups, Regex } from "../../src/regex/regex.ts";
import { TextMemo } from "../../src/regex/text-memo.ts";
import type { TransformConfig } from "./config.ts";

export interface NameMatch {
  /** Groups of the regular expression. */
  readonly groups: Groups;
  /** The transform's new_name for this metric; "": none. */
  readonly newName: string;
}

interface LabelTest {
  readonly key: Uint8Array;
  readonly test: (text: string) => boolean;
}

export class MetricFilter {
  /** Names of the regular expression's groups as labels: unnamed ones are `$1`, `$2` … */
  readonly groupLabels: readonly string[];
  /** Whether points are told apart by their labels. */
  readonly hasLabels: boolean;
  readonly #match: (name: string) => NameMatch | undefined;
  readonly #labels: readonly LabelTest[];

  constructor(config: TransformConfig) {
    const isRegexp = config.match_type === "regexp";
    const regex = isRegexp ? Regex.compile(config.include) : undefined;
    this.groupLabels = (regex?.groupNames ?? []).map((name, i) => (name === "" ? `$${i}` : name));
    this.#match = regex === undefined ? strictMatch(config) : regexMatch(regex, config);
    this.#labels = Object.entries(config.experimental_match_labels).map(([key, value]) => ({
      key: Buffer.from(key, "utf8"),
      test: isRegexp ? labelTest(value) : (text) => text === value,
    }));
    this.hasLabels = this.#labels.length > 0;
  }

  matchName(name: string): NameMatch | undefined {
    return this.#match(name);
  }

  /** Whether a point has the labels; one that it lacks, or that is no text, counts as the empty text. */
  matchLabels(set: AttributeSet): boolean {
    for (const { key, test } of this.#labels) {
      const at = set.find(key);
      if (!test(at < 0 ? "" : (set.text(at) ?? ""))) return false;
    }
    return true;
  }
}

function labelTest(pattern: string): (text: string) => boolean {
  const regex = Regex.compile(pattern);
  return (text) => regex.test(text);
}

function strictMatch({ include, new_name }: TransformConfig) {
  const match: NameMatch = { groups: [], newName: new_name };
  return (name: string) => (name === include ? match : undefined);
}

function regexMatch(regex: Regex, { new_name }: TransformConfig) {
  const template = regex.template(new_name);
  const memo = new TextMemo((name): NameMatch | undefined => {
    const groups = regex.match(name);
    if (groups === undefined) return undefined;
    // As the Collector: what expands to nothing is taken as it stands.
    return { groups, newName: regex.expand(name, template) || new_name };
  });
  return (name: string) => memo.get(name);
}
