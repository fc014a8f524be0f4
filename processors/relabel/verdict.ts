/** What the rules make of a series: worked out once, noted on the series as long as it is remembered. */
import type { Attribute } from "../../src/pdata/series/attributes.ts";
import type { Memos, Series } from "../../src/pdata/series/interned.ts";
import { type AttributePatch, type Changes, patchBytes, patchOf } from "./attribute-patch.ts";
import { applyRules, type LabelMap, type Rule, TextTooLongError } from "./rules.ts";

export const nameLabel = "__name__";

export type DropReason =
  | "filtered"
  | "empty_name"
  | "label_too_long"
  | "too_many_labels"
  | "output_too_large";

/** Those of the resource are looked at for each of its series: more would let a small request take minutes. */
const maxLabels = 1024;

/** What a verdict does, as bits: the loop over points only collects them. */
export const drops = 1;
export const changesPoint = 2;
export const moves = 4;

/** A class, so that all have one shape in the loop over points. */
export class Verdict {
  readonly flags: number;
  readonly dropReason: DropReason | undefined;
  /** Of the point's attributes; undefined: they stay as they came. */
  readonly patch: AttributePatch | undefined;
  /** undefined: the metric keeps its name. */
  readonly name: string | undefined;
  /** undefined: the resource stays as it came. */
  readonly resource: ResourceChange | undefined;

  constructor(
    dropReason: DropReason | undefined,
    patch?: AttributePatch,
    name?: string,
    resource?: ResourceChange,
  ) {
    this.dropReason = dropReason;
    this.patch = patch;
    this.name = name;
    this.resource = resource;
    const isMoved = name !== undefined || resource !== undefined;
    this.flags =
      (dropReason === undefined ? 0 : drops) |
      (patch === undefined ? 0 : changesPoint) |
      (isMoved ? moves : 0);
  }

  /** Bytes that it keeps beside a few objects. */
  get bytes(): number {
    const moved = 2 * (this.name?.length ?? 0) + 4 * (this.resource?.key.length ?? 0);
    return moved + (this.patch === undefined ? 0 : patchBytes(this.patch));
  }
}

export interface ResourceChange {
  /** Equal for equal changes. */
  readonly key: string;
  readonly changes: Changes;
}

export interface RelabelMemos extends Memos {
  readonly resource: ResourceMemo;
  /** Parts of the identity of their series: see Collisions. */
  readonly scope: number;
  readonly metric: number;
  readonly series: Verdict;
}

export type RelabelSeries = Series<RelabelMemos>;

interface ResourceMemo {
  readonly labels: LabelMap;
  /** Of its attributes: see Collisions. */
  hashes: readonly number[] | undefined;
}

/** The labels that rules made of a series, where they let it pass. */
export interface Relabelled {
  /** Of the point, as they came. */
  readonly attributes: readonly Attribute[];
  readonly labels: LabelMap;
  readonly pointChanges: Changes;
  readonly resourceChanges: Changes;
}

const unchanged = new Verdict(undefined);
const filtered = new Verdict("filtered");
const emptyName = new Verdict("empty_name");
const tooLong = new Verdict("label_too_long");
const tooMany = new Verdict("too_many_labels");
const noRoom = new Verdict("output_too_large");

export function resourceOf(series: RelabelSeries): ResourceMemo {
  const owner = series.parent.parent.parent;
  return (owner.memo ??= { labels: textsOf(owner.attributes), hashes: undefined });
}

/** The verdict, and the labels where there are any left. `room`: characters that may be added. */
export function judge(
  rules: readonly Rule[],
  series: RelabelSeries,
  room: number,
): [Verdict, Relabelled?] {
  const metric = series.parent;
  const resource = resourceOf(series).labels;
  const attributes = series.attributes();
  if (resource.size + attributes.length > maxLabels) return [tooMany];
  const point = textsOf(attributes);
  const labels: LabelMap = new Map(resource);
  for (const [key, text] of point) labels.set(key, text);
  labels.set(nameLabel, metric.name);
  try {
    if (!applyRules(rules, labels)) return [filtered];
  } catch (error) {
    if (error instanceof TextTooLongError) return [tooLong];
    throw error;
  }
  const name = labels.get(nameLabel) ?? "";
  if (name === "") return [emptyName];
  const { pointChanges, resourceChanges } = compare(labels, point, resource);
  const added = name === metric.name ? 0 : name.length;
  if (added + lengthOf(pointChanges) + lengthOf(resourceChanges) > room) return [noRoom];
  const verdict = new Verdict(
    undefined,
    pointChanges.size === 0 ? undefined : patchOfSeries(series, pointChanges),
    name === metric.name ? undefined : name,
    resourceChanges.size === 0
      ? undefined
      : { key: JSON.stringify([...resourceChanges]), changes: resourceChanges },
  );
  return [
    verdict.flags === 0 ? unchanged : verdict,
    { attributes, labels, pointChanges, resourceChanges },
  ];
}

/** Values by key; the last of equal keys counts. The metric's name hides an attribute of its label's name. */
function textsOf(attributes: readonly Attribute[]): LabelMap {
  const texts: LabelMap = new Map();
  for (const { key, text } of attributes) if (key !== nameLabel) texts.set(key, text);
  return texts;
}

/**
 * Where the labels differ from what came. What stood at the point or nowhere changes at the point, what stood
 * only at the resource changes there; a label that goes must go at both.
 */
function compare(
  labels: LabelMap,
  point: LabelMap,
  resource: LabelMap,
): Pick<Relabelled, "pointChanges" | "resourceChanges"> {
  const pointChanges = new Map<string, string | undefined>();
  const resourceChanges = new Map<string, string | undefined>();
  for (const [key, text] of point) {
    if (labels.get(key) !== text) pointChanges.set(key, labels.get(key));
  }
  for (const [key, text] of resource) {
    const now = labels.get(key);
    if (now === undefined || (now !== text && !point.has(key))) resourceChanges.set(key, now);
  }
  for (const [key, text] of labels) {
    if (key !== nameLabel && !point.has(key) && !resource.has(key)) pointChanges.set(key, text);
  }
  return { pointChanges, resourceChanges };
}

function lengthOf(changes: Changes): number {
  let length = 0;
  for (const [key, text] of changes) if (text !== undefined) length += key.length + text.length;
  return length;
}

function patchOfSeries(series: RelabelSeries, changes: Changes): AttributePatch {
  const { slab, offset, length, parent } = series;
  const block = { bytes: slab.bytes, start: offset, end: offset + length };
  return patchOf(block, parent.layout.attributes, changes);
}
