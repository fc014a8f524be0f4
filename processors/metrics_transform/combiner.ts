import { EditCache, EditVariant } from "../../src/attribute-actions/edit-cache.ts";
import { encodeValue } from "../../src/attribute-actions/values.ts";
import { TextMemo } from "../../src/regex/text-memo.ts";
import type { Aggregator } from "./aggregation.ts";
import type { Arena } from "./arena.ts";
import type { TransformConfig } from "./config.ts";
import type { MetricDraft } from "./metric-draft.ts";
import type { MetricFilter } from "./metric-filter.ts";
import { aggregationOf, plainAggregator, type Reporter } from "./operations.ts";

type Labels = readonly (readonly [key: Uint8Array, value: string])[];

/** Makes one metric of several; groups of the regular expression become labels. */
export class Combiner {
  readonly #name: string;
  readonly #groupLabels: readonly Uint8Array[];
  readonly #toCase: (text: string) => string;
  readonly #aggregator: Aggregator;
  readonly #labels: EditCache<Labels>;
  /** One for each name, so that the edits of equal sets are told apart. */
  readonly #variants = new TextMemo((name) => this.#variantOf(name));
  #variantsMade = 0;
  readonly #filter: MetricFilter;

  constructor(config: TransformConfig, filter: MetricFilter, cacheBytes: number) {
    // As the Collector: references stand for groups of the new name itself, where `include` matches it.
    this.#name = filter.matchName(config.new_name)?.newName ?? config.new_name;
    this.#filter = filter;
    this.#groupLabels = filter.groupLabels.map((label) => Buffer.from(label, "utf8"));
    this.#toCase = caseOf(config.submatch_case);
    this.#aggregator = plainAggregator(aggregationOf(config.aggregation_type), cacheBytes);
    this.#labels = new EditCache<Labels>((set, { value }) => {
      for (const [key, text] of value) set.put(key, encodeValue(text));
      return 0;
    }, cacheBytes);
  }

  get heldBytes(): number {
    return this.#aggregator.heldBytes + this.#labels.heldBytes;
  }

  /** The metrics as one, which is made of the first; they must be fit for it (`combineProblem`). */
  combine(metrics: readonly MetricDraft[], arena: Arena, reporter: Reporter): MetricDraft {
    const first = metrics[0]!;
    if (this.#groupLabels.length > 1) {
      for (const metric of metrics) this.#addLabels(metric, arena);
    }
    const { points, unmerged } = this.#aggregator.aggregate(
      metrics.flatMap((metric) => metric.points),
      first.traits,
      arena,
    );
    if (unmerged > 0) reporter.unmerged(this.#name, unmerged);
    first.setPoints(points);
    first.rename(this.#name);
    return first;
  }

  #addLabels(draft: MetricDraft, arena: Arena): void {
    const variant = this.#variants.get(draft.name);
    for (const point of draft.points) {
      const { bytes, start, end } = point.attributes;
      const result = this.#labels.lookup(variant, draft.attributesField, bytes, start, end);
      if (result.changed) point.edit(result, arena);
    }
  }

  #variantOf(name: string): EditVariant<Labels> {
    const groups = this.#filter.matchName(name)?.groups ?? [];
    const labels = this.#groupLabels
      .map((label, i) => [label, this.#toCase(groups[i] ?? "")] as const)
      .slice(1)
      .filter(([, text]) => text !== "");
    return new EditVariant(this.#variantsMade++, labels);
  }
}

function caseOf(submatchCase: string): (text: string) => string {
  if (submatchCase === "lower") return (text) => text.toLowerCase();
  return submatchCase === "upper" ? (text) => text.toUpperCase() : (text) => text;
}
