/** The operations of a transform, made ready to run on drafts of metrics. */
import { EditCache, EditVariant } from "../../src/attribute-actions/edit-cache.ts";
import type { MetricKind } from "../../src/pdata/rewrite.ts";
import { Aggregator } from "./aggregation.ts";
import type { Arena } from "./arena.ts";
import type { Aggregation, OperationAction, OperationConfig } from "./config.ts";
import type { DraftPoint } from "./draft-point.ts";
import { scaledExponential } from "./exponential-scale.ts";
import {
  addLabel,
  deleteLabelValue,
  joinLabelValues,
  keepLabels,
  type LabelEdit,
  updateLabel,
} from "./label-operations.ts";
import type { MetricDraft } from "./metric-draft.ts";
import type { MetricFilter } from "./metric-filter.ts";
import { scaledHistogram, scaledNumber, toggled } from "./value-operations.ts";

/** What operations have to say of data that they treat in another way than the user may expect. */
export interface Reporter {
  /** Points that could not be merged with others of equal labels and time. */
  unmerged(metric: string, points: number): void;
  /** Points that delete_label_value removed. */
  deleted(points: number): void;
  /** A metric of a kind, or by a factor, that experimental_scale_value leaves as it is. */
  unscaled(metric: string): void;
}

interface Step {
  run(metric: MetricDraft, arena: Arena, reporter: Reporter): void;
  readonly heldBytes: number;
}

/** Allowed where only some of a metric's points are meant: the others stay as they are. */
const pointwise: ReadonlySet<OperationAction> = new Set([
  "update_label",
  "toggle_scalar_data_type",
  "experimental_scale_value",
]);

const anyVariant = new EditVariant(0, undefined);

/** Whether points have the labels that a transform asks for. */
export class PointMatcher {
  readonly #cache: EditCache;

  constructor(filter: MetricFilter, cacheBytes: number) {
    this.#cache = new EditCache((set) => (filter.matchLabels(set) ? 1 : 0), cacheBytes);
  }

  get heldBytes(): number {
    return this.#cache.heldBytes;
  }

  matches(point: DraftPoint, attributesField: number): boolean {
    const { bytes, start, end } = point.attributes;
    return this.#cache.lookup(anyVariant, attributesField, bytes, start, end).flags === 1;
  }
}

/** Runs of label operations are one edit; it is remembered by the labels that it was given. */
class LabelStep implements Step {
  readonly #cache: EditCache;

  constructor(edits: readonly LabelEdit[], cacheBytes: number) {
    this.#cache = new EditCache((set) => (edits.every((edit) => edit(set)) ? 0 : 1), cacheBytes);
  }

  get heldBytes(): number {
    return this.#cache.heldBytes;
  }

  run(metric: MetricDraft, arena: Arena, reporter: Reporter): void {
    const { points, attributesField } = metric;
    const left: DraftPoint[] = [];
    let isEdited = false;
    for (const point of points) {
      const { bytes, start, end } = point.attributes;
      const result = this.#cache.lookup(anyVariant, attributesField, bytes, start, end);
      if (result.flags === 1) continue;
      left.push(point);
      if (!result.changed) continue;
      point.edit(result, arena);
      isEdited = true;
    }
    if (left.length < points.length) {
      reporter.deleted(points.length - left.length);
      metric.setPoints(left);
    } else if (isEdited) {
      metric.pointsEdited();
    }
  }
}

class AggregateStep implements Step {
  readonly #aggregator: Aggregator;

  constructor(edit: LabelEdit, aggregation: Aggregation | undefined, cacheBytes: number) {
    this.#aggregator = new Aggregator(edit, aggregation, cacheBytes);
  }

  get heldBytes(): number {
    return this.#aggregator.heldBytes;
  }

  run(metric: MetricDraft, arena: Arena, reporter: Reporter): void {
    const { points, unmerged } = this.#aggregator.aggregate(metric.points, metric.traits, arena);
    if (unmerged > 0) reporter.unmerged(metric.name, unmerged);
    if (metric.kind !== "summary") metric.setPoints(points);
  }
}

type PointChange = (point: DraftPoint, arena: Arena) => DraftPoint | undefined;

/** toggle_scalar_data_type and experimental_scale_value. */
class ValueStep implements Step {
  readonly #changeOf: (metric: MetricDraft) => PointChange | "unscaled" | undefined;
  readonly #matcher: PointMatcher | undefined;

  constructor(
    changeOf: (metric: MetricDraft) => PointChange | "unscaled" | undefined,
    matcher: PointMatcher | undefined,
  ) {
    this.#changeOf = changeOf;
    this.#matcher = matcher;
  }

  readonly heldBytes = 0;

  run(metric: MetricDraft, arena: Arena, reporter: Reporter): void {
    const change = this.#changeOf(metric);
    if (change === "unscaled") return reporter.unscaled(metric.name);
    if (change === undefined) return;
    const matcher = this.#matcher;
    metric.setPoints(
      metric.points.map((point) => {
        if (matcher?.matches(point, metric.attributesField) === false) return point;
        return change(point, arena) ?? point;
      }),
    );
  }
}

const isNumeric = ({ kind }: MetricDraft) => kind === "gauge" || kind === "sum";

const toggle = (metric: MetricDraft) => (isNumeric(metric) ? toggled : undefined);

const scaledHistograms: Partial<Readonly<Record<MetricKind, typeof scaledExponential>>> = {
  histogram: scaledHistogram,
  exponentialHistogram: scaledExponential,
};

function scale(factor: number): (metric: MetricDraft) => PointChange | "unscaled" | undefined {
  return (metric) => {
    if (isNumeric(metric)) return (point, arena) => scaledNumber(point, factor, arena);
    // A negative factor would turn the bounds of buckets round.
    const scaled = factor > 0 ? scaledHistograms[metric.kind] : undefined;
    return scaled === undefined ? "unscaled" : (point, arena) => scaled(point, factor, arena);
  };
}

const noEdit: LabelEdit = () => true;

export class Operations {
  readonly #steps: readonly Step[];

  /** `isPartial`: only what is done point by point, for metrics of which some points are not meant. */
  constructor(
    configs: readonly OperationConfig[],
    filter: MetricFilter,
    matcher: PointMatcher | undefined,
    isPartial: boolean,
    cacheBytes: number,
  ) {
    const steps: Step[] = [];
    let edits: LabelEdit[] = [];
    const endRun = () => {
      if (edits.length > 0) steps.push(new LabelStep(edits, cacheBytes));
      edits = [];
    };
    for (const config of configs) {
      const action = config.action as OperationAction;
      if (isPartial && !pointwise.has(action)) continue;
      const edit = labelEdit(action, config, filter);
      if (edit !== undefined) {
        edits.push(edit);
        continue;
      }
      endRun();
      steps.push(otherStep(action, config, matcher, cacheBytes));
    }
    endRun();
    this.#steps = steps;
  }

  get heldBytes(): number {
    return this.#steps.reduce((sum, step) => sum + step.heldBytes, 0);
  }

  run(metric: MetricDraft, arena: Arena, reporter: Reporter): void {
    for (const step of this.#steps) step.run(metric, arena, reporter);
  }
}

function labelEdit(
  action: OperationAction,
  config: OperationConfig,
  filter: MetricFilter,
): LabelEdit | undefined {
  if (action === "add_label") return addLabel(config);
  if (action === "update_label") return updateLabel(config, filter);
  return action === "delete_label_value" ? deleteLabelValue(config) : undefined;
}

function otherStep(
  action: OperationAction,
  config: OperationConfig,
  matcher: PointMatcher | undefined,
  cacheBytes: number,
): Step {
  if (action === "toggle_scalar_data_type") return new ValueStep(toggle, matcher);
  if (action === "experimental_scale_value") {
    return new ValueStep(scale(config.experimental_scale), matcher);
  }
  const edit = action === "aggregate_labels" ? keepLabels(config) : joinLabelValues(config);
  return new AggregateStep(edit, aggregationOf(config.aggregation_type), cacheBytes);
}

/** undefined: none was given. */
export const aggregationOf = (text: string): Aggregation | undefined =>
  text === "" ? undefined : (text as Aggregation);

/** Merges without changing labels. */
export const plainAggregator = (aggregation: Aggregation | undefined, cacheBytes: number) =>
  new Aggregator(noEdit, aggregation, cacheBytes);
