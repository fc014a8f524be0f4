/** One transform on the metrics of one scope. */

import type { Arena } from "./arena.ts";
import { combineProblem } from "./combine-check.ts";
import { Combiner } from "./combiner.ts";
import type { Action, TransformConfig } from "./config.ts";
import type { DraftPoint } from "./draft-point.ts";
import type { MetricDraft } from "./metric-draft.ts";
import { MetricFilter, type NameMatch } from "./metric-filter.ts";
import { Operations, PointMatcher, type Reporter } from "./operations.ts";
import type { ScopeMetric, ScopeMetrics } from "./scope-metrics.ts";

/** What transforms have to say, beside what operations have. */
export interface TransformReporter extends Reporter {
  /** Metrics that combine leaves as they are, and why. */
  notCombined(reason: string): void;
}

/** Metrics that a group transform takes out, with the attributes of their new resource. */
export interface TakenMetrics {
  readonly metrics: readonly MetricDraft[];
  readonly resourceLabels: Readonly<Record<string, string>>;
}

export class Transform {
  readonly filter: MetricFilter;
  readonly #config: TransformConfig;
  readonly #action: Action;
  readonly #matcher: PointMatcher | undefined;
  readonly #operations: Operations;
  /** For metrics of which only some points are meant. */
  readonly #partial: Operations;
  readonly #combiner: Combiner | undefined;

  /** It keeps about `cacheBytes` of label sets for each thing that it does with them. */
  constructor(config: TransformConfig, cacheBytes: number) {
    const filter = new MetricFilter(config);
    const matcher = filter.hasLabels ? new PointMatcher(filter, cacheBytes) : undefined;
    this.#config = config;
    this.#action = config.action as Action;
    this.filter = filter;
    this.#matcher = matcher;
    this.#operations = new Operations(config.operations, filter, matcher, false, cacheBytes);
    this.#partial = new Operations(config.operations, filter, matcher, true, cacheBytes);
    this.#combiner =
      this.#action === "combine" ? new Combiner(config, filter, cacheBytes) : undefined;
  }

  get heldBytes(): number {
    return (
      this.#operations.heldBytes +
      this.#partial.heldBytes +
      (this.#matcher?.heldBytes ?? 0) +
      (this.#combiner?.heldBytes ?? 0)
    );
  }

  /** Changes the scope's metrics; what a group transform takes out is returned. */
  apply(scope: ScopeMetrics, arena: Arena, reporter: TransformReporter): TakenMetrics | undefined {
    const matched = scope.matching(this.filter);
    if (matched.length === 0) return undefined;
    const action = this.#action;
    if (action === "group") return this.#group(matched);
    if (action === "combine") this.#combine(matched, scope, arena, reporter);
    else if (action === "insert") this.#insertAll(matched, scope, arena, reporter);
    else for (const metric of matched) this.#update(metric, arena, reporter);
    return undefined;
  }

  #update({ metric: entry, match }: Matched, arena: Arena, reporter: Reporter): void {
    const { draft } = entry;
    const matching = this.#matchingPoints(draft);
    if (matching?.length === 0 && draft.pointCount > 0) return;
    const isWhole = matching === undefined || matching.length === draft.pointCount;
    this.#run(draft, match, isWhole, arena, reporter);
    if (draft.isEmptied) entry.remove();
  }

  #insertAll(
    matched: readonly Matched[],
    scope: ScopeMetrics,
    arena: Arena,
    reporter: Reporter,
  ): void {
    for (const { metric, match } of matched) {
      const { draft } = metric;
      const matching = this.#matchingPoints(draft);
      if (matching?.length === 0 && draft.pointCount > 0) continue;
      const copy = draft.clone(matching);
      this.#run(copy, match, true, arena, reporter);
      if (!copy.isEmptied) scope.append(copy);
    }
  }

  #combine(
    matched: readonly Matched[],
    scope: ScopeMetrics,
    arena: Arena,
    reporter: TransformReporter,
  ): void {
    const meant = matched.filter(({ metric: { draft } }) => this.#hasMatchingPoint(draft));
    if (meant.length === 0) return;
    const problem = combineProblem(meant.map(({ metric: { draft } }) => draft));
    if (problem !== undefined) return reporter.notCombined(problem);
    const taken = meant.map(({ metric }) => this.#takeOut(metric));
    const combined = this.#combiner!.combine(taken, arena, reporter);
    this.#operations.run(combined, arena, reporter);
    if (!combined.isEmptied) scope.append(combined);
  }

  #group(matched: readonly Matched[]): TakenMetrics | undefined {
    const meant = matched.filter(({ metric: { draft } }) => this.#hasMatchingPoint(draft));
    if (meant.length === 0) return undefined;
    return {
      metrics: meant.map(({ metric }) => this.#takeOut(metric)),
      resourceLabels: this.#config.group_resource_labels ?? {},
    };
  }

  /** The metric with its matching points; the others stay in the scope. */
  #takeOut(entry: ScopeMetric): MetricDraft {
    const { draft } = entry;
    const matching = this.#matchingPoints(draft);
    if (matching === undefined || matching.length === draft.pointCount) {
      entry.remove();
      return draft;
    }
    const taken = new Set(matching);
    const copy = draft.clone(matching);
    draft.setPoints(draft.points.filter((point) => !taken.has(point)));
    return copy;
  }

  #run(
    draft: MetricDraft,
    { newName }: NameMatch,
    isWhole: boolean,
    arena: Arena,
    reporter: Reporter,
  ): void {
    if (isWhole && newName !== "") draft.rename(newName);
    (isWhole ? this.#operations : this.#partial).run(draft, arena, reporter);
  }

  /** undefined: no labels are asked for, all are meant. */
  #matchingPoints(draft: MetricDraft): DraftPoint[] | undefined {
    const matcher = this.#matcher;
    if (matcher === undefined) return undefined;
    return draft.points.filter((point) => matcher.matches(point, draft.attributesField));
  }

  #hasMatchingPoint(draft: MetricDraft): boolean {
    const matching = this.#matchingPoints(draft);
    return matching === undefined || matching.length > 0 || draft.pointCount === 0;
  }
}

/** A metric whose name matched. */
interface Matched {
  readonly metric: ScopeMetric;
  readonly match: NameMatch;
}
