/**
 * Series that the rules make equal. Prometheus would refuse the second of two equal samples; here both go on,
 * and the series is counted.
 */
import { hash } from "node:crypto";
import { type Attribute, canonicalText } from "../../src/pdata/series/attributes.ts";
import { nameLabel, type Relabelled, type RelabelSeries } from "./verdict.ts";

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

/** Of the series as it came and as it goes on: equal for equal content. */
function identities(series: RelabelSeries, after: Relabelled): [number, number] {
  const metric = series.parent;
  const scope = metric.parent;
  const resource = scope.parent;
  metric.memo ??= JSON.stringify([
    resource.schemaUrl,
    scope.name,
    scope.version,
    scope.schemaUrl,
    canonicalText(scope.attributes),
    metric.unit,
    metric.kind,
    metric.temporality,
    metric.monotonic,
  ]);
  const point = series.attributes();
  const name = after.labels.get(nameLabel)!;
  const before = [metric.memo, metric.name, textOf(resource.attributes), textOf(point)];
  const incoming = digest(before);
  const changes = after.pointChanges.size + after.resourceChanges.size;
  if (changes === 0 && name === metric.name) return [incoming, incoming];
  const now = [
    metric.memo,
    name,
    textOf(resource.attributes, after.resourceChanges),
    textOf(point, after.pointChanges),
  ];
  return [incoming, digest(now)];
}

/** Attributes as they are after the changes, whatever their order. */
function textOf(attributes: readonly Attribute[], changes: Relabelled["pointChanges"] = new Map()) {
  if (changes.size === 0) return canonicalText(attributes);
  const left = attributes.filter(({ key }) => !changes.has(key));
  for (const [key, text] of changes) if (text !== undefined) left.push({ key, text, type: 1 });
  return canonicalText(left.toSorted((a, b) => (a.key < b.key ? -1 : 1)));
}

/** 48 bits: of a hundred thousand series two agree by chance once in sixty thousand. */
function digest(parts: readonly string[]): number {
  return hash("md5", parts.join("\0"), "buffer").readUIntBE(0, 6);
}
