/**
 * Relabelling of payloads. The series of each point is recognised by its bytes and has its verdict noted on
 * it, so that rules run once a series and not once a point.
 */
import type { Payload, Settings } from "../../src/component.ts";
import { createPayload } from "../../src/pdata/payload.ts";
import { onRegular } from "../../src/pdata/regular.ts";
import { drop, keep, replaced, rewriteRegular } from "../../src/pdata/rewrite.ts";
import { SeriesInterner } from "../../src/pdata/series/interner.ts";
import type { Point } from "../../src/pdata/series/point.ts";
import { Collisions } from "./collisions.ts";
import type { RuleConfig } from "./config.ts";
import { Explainer } from "./explainer.ts";
import { writePoint } from "./point-writer.ts";
import { maxGrowthBytes, Regroup } from "./regroup.ts";
import { compileRules, type Rule } from "./rules.ts";
import { SharedVerdicts } from "./shared-verdicts.ts";
import {
  changesPoint,
  type DropReason,
  drops,
  judge,
  moves,
  type RelabelMemos,
  type RelabelSeries,
  type Verdict,
} from "./verdict.ts";

/**
 * A larger verdict is not noted: the interner bounds the bytes that came, not what is noted on them. What larger
 * ones add to one request is bounded: a label of the resource may be written to each of its points.
 */
const maxNotedBytes = (series: RelabelSeries) => 2 * series.length + 256;

/** Keeps or drops points only. */
const filtering = new Set(["keep", "drop", "keepequal", "dropequal"]);

/** A longer list is not kept for the next payload. */
const keptVerdicts = 65_536;

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
  /** Of the payload in hand: a verdict a point, and the flags of all. The list is used again: growing one costs more. */
  #verdicts: Verdict[] = [];
  #points = 0;
  #flags = 0;
  /** Bytes that verdicts which are not noted may still add to it. */
  #room = 0;

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
    this.#points = 0;
    this.#flags = 0;
    this.#room = maxGrowthBytes(payload.byteLength);
    this.#interner.forEachPoint(payload, this.#take);
    const flags = this.#flags;
    const verdicts = this.#takeVerdicts();
    if (flags === 0) return payload;
    if ((flags & drops) !== 0) this.#countDrops(verdicts);
    return onRegular(payload, (regular) => {
      const edits = (flags & (drops | changesPoint)) !== 0;
      const edited = edits ? rewritePoints(regular, verdicts) : regular;
      if (edited === undefined || (flags & moves) === 0) return edited;
      return this.#regroup(edited, verdicts);
    });
  }

  /** Runs for each point: a series that is known costs two loads. */
  readonly #take = (point: Point<RelabelMemos>): void => {
    const { series } = point;
    const verdict = series.memo ?? this.#judge(series);
    this.#verdicts[this.#points++] = verdict;
    this.#flags |= verdict.flags;
  };

  /** Those of the payload; valid until the next one comes. */
  #takeVerdicts(): readonly Verdict[] {
    const verdicts = this.#verdicts;
    if (verdicts.length > keptVerdicts) this.#verdicts = [];
    verdicts.length = this.#points;
    return verdicts;
  }

  #countDrops(verdicts: readonly Verdict[]): void {
    const counts = new Map<DropReason, number>();
    for (const { dropReason } of verdicts) {
      if (dropReason !== undefined) counts.set(dropReason, (counts.get(dropReason) ?? 0) + 1);
    }
    for (const [reason, points] of counts) this.#settings.drop(reason, points);
  }

  #judge(series: RelabelSeries): Verdict {
    const notedBytes = maxNotedBytes(series);
    const room = Math.max(this.#room, notedBytes);
    const [verdict, relabelled] = judge(this.#rules, series, room);
    const { dropReason } = verdict;
    if (dropReason !== undefined && dropReason !== "filtered") {
      this.#explainer.explain(dropReason, series.parent.name);
    }
    if (relabelled !== undefined && this.#collisions?.meets(series, relabelled) === true) {
      this.#collided.add(1);
      this.#explainer.explain("collided", series.parent.name);
    }
    if (dropReason === "output_too_large") return verdict;
    if (verdict.bytes <= notedBytes) series.memo = this.#shared.of(verdict);
    else this.#room -= verdict.bytes - notedBytes;
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

/** Drops points and gives others their new attributes, in place. */
function rewritePoints(
  payload: MetricsPayload,
  verdicts: readonly Verdict[],
): MetricsPayload | undefined {
  let next = 0;
  return rewriteRegular(payload, {
    point(place, out) {
      const verdict = verdicts[next++]!;
      if (verdict.dropReason !== undefined) return drop;
      if (verdict.patch === undefined) return keep;
      writePoint(place, verdict.patch, out);
      return replaced;
    },
  });
}
