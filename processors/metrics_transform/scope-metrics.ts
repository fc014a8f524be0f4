/** The metrics of one scope while transforms change them. */
import type { Bytes } from "../../src/attribute-actions/attribute-set.ts";
import { countAt } from "../../src/pdata/count.ts";
import { MetricDraft } from "./metric-draft.ts";
import type { MetricFilter, NameMatch } from "./metric-filter.ts";

/** A metric of the scope; it is taken apart when a transform means it. */
export class ScopeMetric {
  /** Where its message stands; of one that a transform made: that of the metric it was made from. */
  readonly source: Bytes;
  /** Its field in the scope; -1: a transform made it. */
  readonly fieldStart: number;
  isRemoved = false;
  readonly #name: string;
  #draft: MetricDraft | undefined;

  constructor(source: Bytes, fieldStart: number, name: string, draft?: MetricDraft) {
    this.source = source;
    this.fieldStart = fieldStart;
    this.#name = name;
    this.#draft = draft;
  }

  /** As it is now. */
  get name(): string {
    return this.#draft?.name ?? this.#name;
  }

  get draft(): MetricDraft {
    this.#draft ??= new MetricDraft(this.source);
    return this.#draft;
  }

  get isChanged(): boolean {
    return this.#draft?.isChanged ?? false;
  }

  remove(): void {
    this.isRemoved = true;
  }

  /** Points that it gained since it came. */
  get pointsAdded(): number {
    const now = this.isRemoved ? 0 : this.draft.pointCount;
    const { bytes, start, end } = this.source;
    const before = this.fieldStart < 0 ? 0 : countAt("metrics", "metric", bytes, start, end);
    return now - before;
  }
}

export class ScopeMetrics {
  readonly metrics: ScopeMetric[] = [];

  /** Metrics that are still there and whose name the filter takes. */
  matching(filter: MetricFilter): { readonly metric: ScopeMetric; readonly match: NameMatch }[] {
    const found: { metric: ScopeMetric; match: NameMatch }[] = [];
    for (const metric of this.metrics) {
      if (metric.isRemoved) continue;
      const match = filter.matchName(metric.name);
      if (match !== undefined) found.push({ metric, match });
    }
    return found;
  }

  append(draft: MetricDraft): void {
    this.metrics.push(new ScopeMetric(draft.source, -1, draft.name, draft));
  }
}
