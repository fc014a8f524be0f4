/** Merges the points of a metric whose labels became equal. */
import type { AttributeSet } from "../../src/attribute-actions/attribute-set.ts";
import { EditCache, EditVariant } from "../../src/attribute-actions/edit-cache.ts";
import type { MetricKind } from "../../src/pdata/rewrite.ts";
import { canonicalText, decodeAttributes } from "../../src/pdata/series/attributes.ts";
import { Writer } from "../../src/pdata/wire.ts";
import type { Arena } from "./arena.ts";
import type { Aggregation } from "./config.ts";
import { DraftPoint } from "./draft-point.ts";
import { exponentialCodec } from "./exponential-merge.ts";
import { histogramCodec } from "./histogram-merge.ts";
import type { LabelEdit } from "./label-operations.ts";
import type { PointCodec, ReadPoint } from "./merged-point.ts";
import { numberCodec } from "./number-merge.ts";

/** Texts of label sets whose numbers are remembered between payloads. */
const maxIdentityChars = 8 * 1024 * 1024;

/** What the points of a metric have in common. */
export interface MetricTraits {
  readonly kind: MetricKind;
  readonly isDelta: boolean;
  /** Field number of the points' attributes. */
  readonly attributesField: number;
}

export interface Aggregated {
  readonly points: readonly DraftPoint[];
  /** Points of equal labels and time that could not become one. */
  readonly unmerged: number;
}

export class Aggregator {
  readonly #edit: LabelEdit;
  readonly #aggregation: Aggregation | undefined;
  readonly #cacheBytes: number;
  readonly #variant = new EditVariant(0, undefined);
  /** A number for each set of labels, whatever their order. */
  #identities = new Map<string, number>();
  #identityChars = 0;
  #cache: EditCache;

  /** `edit` is run on the labels of each point first. Without an aggregation numbers are kept apart. */
  constructor(edit: LabelEdit, aggregation: Aggregation | undefined, cacheBytes: number) {
    this.#edit = edit;
    this.#aggregation = aggregation;
    this.#cacheBytes = cacheBytes;
    this.#cache = this.#newCache();
  }

  get heldBytes(): number {
    return this.#cache.heldBytes + this.#identityChars;
  }

  /** Summaries cannot be merged: they are returned as they are, all counted as unmerged. */
  aggregate(points: readonly DraftPoint[], traits: MetricTraits, arena: Arena): Aggregated {
    if (traits.kind === "summary") return { points, unmerged: points.length };
    if (this.#identityChars > maxIdentityChars) {
      this.#identities = new Map();
      this.#identityChars = 0;
      this.#cache = this.#newCache();
    }
    const codec = codecOf(traits.kind, this.#aggregation);
    const merge = new Merge(codec, traits, arena);
    for (const point of points) {
      const { bytes, start, end } = point.attributes;
      const result = this.#cache.lookup(this.#variant, traits.attributesField, bytes, start, end);
      if (result.changed) point.edit(result, arena);
      merge.add(point, result.flags);
    }
    return merge.finish();
  }

  #newCache(): EditCache {
    return new EditCache((set) => {
      this.#edit(set);
      return this.#identityOf(set);
    }, this.#cacheBytes);
  }

  #identityOf(set: AttributeSet): number {
    const out = new Writer(512);
    set.write(out);
    const text = canonicalText(decodeAttributes(out.bytes, 0, out.position, set.number));
    let identity = this.#identities.get(text);
    if (identity === undefined) {
      identity = this.#identities.size;
      this.#identityChars += text.length;
      this.#identities.set(text, identity);
    }
    return identity;
  }
}

/** undefined: points of this kind are kept apart. */
function codecOf(kind: MetricKind, aggregation: Aggregation | undefined): PointCodec | undefined {
  if (kind === "histogram") return histogramCodec;
  if (kind === "exponentialHistogram") return exponentialCodec;
  return aggregation && numberCodec(aggregation);
}

/** One merging: points in groups, in the order in which the groups appeared. */
class Merge {
  readonly #codec: PointCodec | undefined;
  readonly #traits: MetricTraits;
  readonly #arena: Arena;
  readonly #apart: DraftPoint[] = [];
  readonly #groups = new Map<string, ReadPoint[]>();
  /** Labels and times: with as many groups, everything was merged that could be. */
  readonly #moments = new Set<string>();

  constructor(codec: PointCodec | undefined, traits: MetricTraits, arena: Arena) {
    this.#codec = codec;
    this.#traits = traits;
    this.#arena = arena;
  }

  add(point: DraftPoint, identity: number): void {
    const codec = this.#codec;
    if (codec === undefined) return void this.#apart.push(point);
    const read = codec.read(point);
    // Deltas are of one interval only if they begin together.
    const since = this.#traits.isDelta ? read.startTime : "";
    const moment = `${identity}:${read.time}:${since}`;
    this.#moments.add(moment);
    const key = `${moment}:${codec.shape(read)}`;
    const group = this.#groups.get(key);
    if (group === undefined) this.#groups.set(key, [read]);
    else group.push(read);
  }

  finish(): Aggregated {
    const codec = this.#codec;
    if (codec === undefined) return { points: this.#apart, unmerged: 0 };
    const points: DraftPoint[] = [];
    for (const group of this.#groups.values()) {
      if (group.length === 1 && codec.changesSingle !== true) points.push(group[0]!.point);
      else if (codec.areMergeable?.(group) === false) points.push(...group.map((p) => p.point));
      else points.push(this.#merged(codec, group));
    }
    return { points, unmerged: points.length - this.#moments.size };
  }

  #merged(codec: PointCodec, group: readonly ReadPoint[]): DraftPoint {
    const arena = this.#arena;
    const start = arena.write((out) => codec.write(group, out));
    return DraftPoint.read(arena.bytes, start, arena.end, this.#traits.attributesField);
  }
}
