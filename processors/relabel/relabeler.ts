/**
 * Relabelling of payloads. The series of each point is recognised by its bytes and has its verdict noted on
 * it, so that rules run once a series and not once a point.
 */
import type { Bytes } from "../../src/attribute-actions/attribute-set.ts";
import { AttributeRegion, gather } from "../../src/attribute-actions/item-editor.ts";
import type { Payload, Settings } from "../../src/component.ts";
import { createPayload } from "../../src/pdata/payload.ts";
import { onRegular } from "../../src/pdata/regular.ts";
import {
  drop,
  keep,
  type Rewriter,
  replaced,
  rewriteRegular,
  type Verdict as Said,
} from "../../src/pdata/rewrite.ts";
import { SeriesInterner } from "../../src/pdata/series/interner.ts";
import { dataViewOf, Writer } from "../../src/pdata/wire.ts";
import { writePatched } from "./attribute-patch.ts";
import { Collisions } from "./collisions.ts";
import type { RuleConfig } from "./config.ts";
import { Explainer } from "./explainer.ts";
import { MetricList } from "./metric-list.ts";
import { Regroup } from "./regroup.ts";
import { compileRules, type Rule } from "./rules.ts";
import { SharedVerdicts } from "./shared-verdicts.ts";
import {
  type DropReason,
  drops,
  judge,
  moves,
  type RelabelMemos,
  type RelabelMetric,
  type RelabelSeries,
  type Verdict,
} from "./verdict.ts";

/** A larger verdict is not noted: the interner bounds the bytes that came, not what is noted on them. */
const maxNotedBytes = (series: RelabelSeries) => 2 * series.length + 256;

/** Keeps or drops points only. */
const filtering = new Set(["keep", "drop", "keepequal", "dropequal"]);

const region = new AttributeRegion();

type MetricsPayload = Payload<"metrics">;

export class Relabeler {
  readonly #rules: readonly Rule[];
  readonly #settings: Settings;
  readonly #interner: SeriesInterner<RelabelMemos>;
  readonly #shared = new SharedVerdicts();
  /** Rules that change no label cannot make series equal. */
  readonly #collisions: Collisions | undefined;
  readonly #collided: { add(n: number): void };
  readonly #explainer: Explainer;
  /** Of the payload in hand: a verdict a point, and the flags of all. */
  #verdicts: Verdict[] = [];
  #flags = 0;
  readonly #metrics = new MetricList();
  readonly #rewriter: Rewriter = {
    point: (place, out) => this.#relabelPoint(this.#metrics.at(place), place, out),
  };

  /** Remembers series of about maxCacheBytes. */
  constructor(
    configs: readonly RuleConfig[],
    settings: Settings,
    maxCacheBytes = 32 * 1024 * 1024,
  ) {
    this.#interner = new SeriesInterner(maxCacheBytes);
    this.#rules = compileRules(configs);
    this.#settings = settings;
    this.#explainer = new Explainer(settings);
    const filtersOnly = configs.every(({ action }) => filtering.has(action));
    this.#collisions = filtersOnly ? undefined : new Collisions();
    const processor = settings.id.text;
    this.#collided = settings.meter.counter("rmt_relabel_collided_series", { processor });
    settings.meter.gauge("rmt_relabel_cache_bytes", () => this.#heldBytes, { processor });
  }

  get #heldBytes(): number {
    const collisions = this.#collisions?.heldBytes ?? 0;
    return this.#interner.heldBytes + this.#shared.heldBytes + collisions;
  }

  /** The payload as the rules leave it; undefined: nothing is left. */
  relabel(payload: MetricsPayload): MetricsPayload | undefined {
    try {
      const left = onRegular(payload, this.#relabelRegular);
      if ((this.#flags & drops) !== 0) this.#countDrops(this.#verdicts);
      return left;
    } finally {
      this.#verdicts = [];
      this.#metrics.clear();
    }
  }

  readonly #relabelRegular = (payload: MetricsPayload): MetricsPayload | undefined => {
    this.#verdicts = [];
    this.#flags = 0;
    this.#metrics.clear();
    this.#interner.forEachMetric(payload, this.#metrics.add);
    const edited = rewriteRegular(payload, this.#rewriter);
    if (edited === undefined || (this.#flags & moves) === 0) return edited;
    return this.#regroup(edited, this.#verdicts);
  };

  /** Runs once a point: a series that is known costs a comparison of its bytes. */
  #relabelPoint(metric: RelabelMetric, point: Bytes, out: Writer): Said {
    const { bytes, start, end } = point;
    const { attributes } = metric.layout;
    const { start: from, end: to, inOnePiece } = region.find(bytes, start, end, attributes);
    if (!inOnePiece) return this.#relabelPoint(metric, gathered(point, attributes), out);
    const series = this.#interner.seriesAt(metric, dataViewOf(bytes), from, to);
    const verdict = series.memo ?? this.#judge(series);
    this.#verdicts.push(verdict);
    this.#flags |= verdict.flags;
    if (verdict.dropReason !== undefined) return drop;
    if (verdict.patch === undefined) return keep;
    writePatched(point, from, to, verdict.patch, out);
    return replaced;
  }

  #countDrops(verdicts: readonly Verdict[]): void {
    const counts = new Map<DropReason, number>();
    for (const { dropReason } of verdicts) {
      if (dropReason !== undefined) counts.set(dropReason, (counts.get(dropReason) ?? 0) + 1);
    }
    for (const [reason, points] of counts) this.#settings.drop(reason, points);
  }

  #judge(series: RelabelSeries): Verdict {
    const [verdict, relabelled] = judge(this.#rules, series);
    const { dropReason } = verdict;
    if (dropReason !== undefined && dropReason !== "filtered") {
      this.#explainer.explain(dropReason, series.parent.name);
    }
    if (relabelled !== undefined && this.#collisions?.meets(series, relabelled) === true) {
      this.#collided.add(1);
      this.#explainer.explain("collided", series.parent.name);
    }
    if (verdict.bytes <= maxNotedBytes(series)) series.memo = this.#shared.of(verdict);
    return verdict;
  }

  #regroup(payload: MetricsPayload, verdicts: readonly Verdict[]): MetricsPayload {
    const left = verdicts.filter(({ dropReason }) => dropReason === undefined);
    let next = 0;
    const parts: Uint8Array[] = [];
    const partItems: number[] = [];
    let lost = 0;
    for (const bytes of payload.parts) {
      const regroup = new Regroup(bytes, () => left[next++]!);
      const { part, items } = regroup.part();
      parts.push(part);
      partItems.push(items);
      lost += regroup.lost;
    }
    if (lost > 0) {
      this.#settings.drop("output_too_large", lost);
      this.#explainer.explain("output_too_large");
    }
    return createPayload("metrics", parts, partItems, payload.seams);
  }
}

/** Attribute fields with others between them, put together. */
function gathered({ bytes, start, end }: Bytes, attributes: number): Bytes {
  const out = new Writer(end - start);
  gather(bytes, start, end, attributes, out);
  return { bytes: out.bytes, start: 0, end: out.position };
}
