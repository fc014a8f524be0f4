/**
 * Series that the rules make equal. Prometheus would refuse the second of two equal samples; here both go on,
 * and the series is counted.
 */
import { type Attribute, canonicalText } from "../../src/pdata/series/attributes.ts";
import type { Changes } from "./attribute-patch.ts";
import { nameLabel, type Relabelled, type RelabelSeries, resourceOf } from "./verdict.ts";

/** Remembers which series each outgoing series came from; a bounded memory, two generations. */
export class Collisions {
  #young = new Map<number, number>();
  #old = new Map<number, number>();
  readonly #maxSeries: number;

  /** Remembers at most twice maxSeries. */
  constructor(maxSeries = 65_536) {
    this.#maxSeries = maxSeries;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Bytes it holds, about: two numbers and a place in a table each. */
  get heldBytes(): number {
    return 48 * this.size;
  }

  /** Whether another series was made this one before; true once for a series. */
  meets(series: RelabelSeries, after: Relabelled): boolean {
    const [incoming, outgoing] = identities(series, after);
    const before = this.#get(outgoing);
    this.#set(outgoing, before ?? incoming);
    if (before === undefined || before === incoming) return false;
    // Below zero: that this series was told of.
    const isTold = this.#get(-1 - incoming) !== undefined;
    this.#set(-1 - incoming, 0);
    return !isTold;
  }

  #get(key: number): number | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  #set(key: number, value: number): void {
    if (this.#young.size >= this.#maxSeries) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}

/**
 * Of the series as it came and as it goes on: equal for equal content. Sums of the hashes of all parts, so that
 * order does not count, a change costs what changed, and what many series share is hashed once.
 */
function identities(series: RelabelSeries, after: Relabelled): [number, number] {
  const metric = series.parent;
  const owner = metric.parent.parent;
  const { attributes, pointChanges, resourceChanges } = after;
  const resource = (resourceOf(series).hashes ??= hashesOf(roles.resource, owner.attributes));
  const point = hashesOf(roles.point, attributes);
  const incoming = plus(plus(metricOf(metric), sumOf(resource)), sumOf(point));
  let outgoing = plus(incoming, changeOf(roles.point, attributes, point, pointChanges));
  outgoing = plus(outgoing, changeOf(roles.resource, owner.attributes, resource, resourceChanges));
  const name = after.labels.get(nameLabel)!;
  if (name !== metric.name) {
    outgoing = plus(outgoing, hashOf(roles.name, name) - hashOf(roles.name, metric.name));
  }
  return [incoming, outgoing];
}

/** All that tells series apart beside their attributes. */
function metricOf(metric: RelabelSeries["parent"]): number {
  if (metric.memo !== undefined) return metric.memo;
  const { parent, name, unit, kind, temporality, monotonic } = metric;
  const { schemaUrl, version, attributes } = parent;
  parent.memo ??= hashOf(
    roles.scope,
    JSON.stringify([parent.parent.schemaUrl, parent.name, version, schemaUrl]),
    canonicalText(attributes),
  );
  const frame = hashOf(roles.metric, unit, JSON.stringify([kind, temporality, monotonic]));
  metric.memo = plus(plus(parent.memo, frame), hashOf(roles.name, name));
  return metric.memo;
}

function hashesOf(role: number, attributes: readonly Attribute[]): number[] {
  return attributes.map(({ key, text, type, raw }) => hashOf(role, key, raw ?? text, type));
}

function sumOf(hashes: readonly number[]): number {
  let sum = 0;
  for (const hash of hashes) sum = plus(sum, hash);
  return sum;
}

/** What the changes add to the sum of the attributes' hashes. */
function changeOf(
  role: number,
  attributes: readonly Attribute[],
  hashes: readonly number[],
  changes: Changes,
): number {
  if (changes.size === 0) return 0;
  let sum = 0;
  for (const [i, { key }] of attributes.entries()) {
    if (changes.has(key)) sum = plus(sum, -hashes[i]!);
  }
  for (const [key, text] of changes) {
    if (text !== undefined) sum = plus(sum, hashOf(role, key, text, 1));
  }
  return sum;
}

const roles = { scope: 1, metric: 2, name: 3, resource: 4, point: 5 } as const;

const { imul } = Math;

/** Sums of two stay whole numbers. */
const bits = 52;
const bound = 2 ** bits;

/** a + b modulo 2^52; a is not negative, b may be down to -2^52. */
function plus(a: number, b: number): number {
  const sum = a + b;
  return sum < 0 ? sum + bound : sum >= bound ? sum - bound : sum;
}

/**
 * 52 bits of two texts in a role, by two multiplicative hashes (as cyrb53 has them). Of a hundred thousand series two
 * agree by chance once in a million; who makes it happen on purpose gets a false count.
 */
function hashOf(role: number, first: string, second = "", type = 0): number {
  let a = 0xdeadbeef ^ role;
  let b = 0x41c6ce57 ^ type;
  for (let i = 0; i < first.length; i++) {
    const c = first.charCodeAt(i);
    a = imul(a ^ c, 2_654_435_761);
    b = imul(b ^ c, 1_597_334_677);
  }
  // No character has this code: where the first text ends counts.
  a = imul(a ^ 0x10000, 2_654_435_761);
  b = imul(b ^ 0x10000, 1_597_334_677);
  for (let i = 0; i < second.length; i++) {
    const c = second.charCodeAt(i);
    a = imul(a ^ c, 2_654_435_761);
    b = imul(b ^ c, 1_597_334_677);
  }
  a = imul(a ^ (a >>> 16), 2_246_822_507) ^ imul(b ^ (b >>> 13), 3_266_489_909);
  b = imul(b ^ (b >>> 16), 2_246_822_507) ^ imul(a ^ (a >>> 13), 3_266_489_909);
  return (b & 0xfffff) * 2 ** 32 + (a >>> 0);
}
