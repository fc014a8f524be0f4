/** All groups: finds them by their series, makes them within the limits, and forgets those that fell silent. */

import type { Settings } from "../../src/component.ts";
import { CardinalityGuard, overflowKey } from "../../src/metrics/cardinality-guard.ts";
import { hash } from "../../src/node-crypto.ts";
import { AttributeCursor, writeKeyValue } from "../../src/pdata/attributes.ts";
import { type Attribute, canonicalText } from "../../src/pdata/series/attributes.ts";
import {
  headerBytes,
  type Interned,
  type Scope,
  type Series,
} from "../../src/pdata/series/interned.ts";
import { Cursor, Writer } from "../../src/pdata/wire.ts";
import { Group, type GroupedMetric, type Origin } from "./group.ts";
import { find } from "./matcher.ts";
import type { Notes } from "./notes.ts";
import type { StateMemory } from "./state-memory.ts";

/** Attributes of NumberDataPoint and SummaryDataPoint. */
const outputAttributes = 7;
const resourceAttributes = 1;
const groupBytes = 800;
const none = new Uint8Array(0);

/** Of merged series: the scope says who merged them. */
const ownScope = (() => {
  const out = new Writer(32);
  out.string(1, "percentiles");
  return out.take();
})();

/** Short, whatever senders put into their attributes. */
export const keyOf = (...parts: readonly unknown[]): string =>
  hash("sha256", JSON.stringify(parts), "base64");

interface Options {
  readonly settings: Settings;
  readonly memory: StateMemory;
  readonly maxSeries: number;
  readonly groupBy: readonly string[] | null;
  /** A key of attributes that results have of their own: that of the source gives way. */
  readonly ownKey: string | undefined;
  readonly expireMs: number;
}

export class GroupStore {
  readonly guard: CardinalityGuard;
  readonly #options: Options;
  readonly #groups = new Map<string, Group>();
  readonly #origins = new Map<string, Origin>();

  constructor(options: Options) {
    this.#options = options;
    this.guard = new CardinalityGuard(options.settings, options.maxSeries);
  }

  get origins(): Iterable<Origin> {
    return this.#origins.values();
  }

  /** False: what is new joins an overflow group. */
  get hasRoom(): boolean {
    return this.guard.series < this.#options.maxSeries && !this.#options.memory.isFull;
  }

  /** The group of a series, or the one that takes what has none; undefined: there is no room for that either. */
  find(series: Series<Notes>): Group | undefined {
    const { groupBy } = this.#options;
    return groupBy === null ? this.#findOfSeries(series) : this.#findMerged(series, groupBy);
  }

  #findOfSeries(series: Series<Notes>): Group | undefined {
    const { name, unit, parent: scope } = series.parent;
    scope.memo ??= keyOf(scope.canonical);
    const originKey = scope.memo;
    const key = keyOf(originKey, name, unit, canonicalText(this.#attributesOf(series)));
    return (
      this.#groups.get(key) ??
      this.#make(key, series, () => ({
        origin: originOf(originKey, scope),
        attributes: fieldsWithout(attributeFields(series), this.#options.ownKey),
      }))
    );
  }

  #attributesOf(series: Series): Attribute[] {
    const { ownKey } = this.#options;
    const attributes = series.attributes();
    return ownKey === undefined ? attributes : attributes.filter(({ key }) => key !== ownKey);
  }

  #findMerged(series: Series, groupBy: readonly string[]): Group | undefined {
    const { name, unit, parent: scope } = series.parent;
    const point = this.#attributesOf(series);
    const ofPoint = groupBy.flatMap((key) => find(point, key) ?? []);
    const ofResource = groupBy
      .filter((key) => find(point, key) === undefined)
      .flatMap((key) => find(scope.parent.attributes, key) ?? []);
    const resourceKey = canonicalText(ofResource);
    const key = keyOf(name, unit, canonicalText(ofPoint), resourceKey);
    const found = this.#groups.get(key);
    if (found !== undefined) return found;
    return this.#make(key, series, () => ({
      origin: mergedOrigin(
        keyOf("merged", resourceKey),
        chosenFields(messageOf(scope.parent), resourceAttributes, ofResource),
      ),
      attributes: chosenFields(attributeFields(series), outputAttributes, ofPoint),
    }));
  }

  #make(
    key: string,
    { parent: { name, unit, description } }: Series,
    make: () => { readonly origin: Origin; readonly attributes: Uint8Array },
  ): Group | undefined {
    const { memory } = this.#options;
    if (!this.hasRoom) return this.overflow(name, unit, description);
    const { origin, attributes } = make();
    const bytes = groupBytes + attributes.length;
    if (!memory.tryTake(bytes)) return this.overflow(name, unit, description);
    this.guard.admit(name);
    const metric = this.#metric(origin, name, unit, description);
    return this.#add(new Group(key, metric, attributes, false, bytes));
  }

  /** The group of a metric for what has none of its own. */
  overflow(name: string, unit: string, description: string): Group | undefined {
    const key = JSON.stringify(["overflow", name, unit]);
    const found = this.#groups.get(key);
    if (found !== undefined) return found;
    const bytes = groupBytes + overflowFields.length;
    if (!this.#options.memory.tryTake(bytes, true)) return undefined;
    if (!this.guard.admitOverflow()) {
      this.#options.memory.change(-bytes);
      return undefined;
    }
    const metric = this.#metric(mergedOrigin(keyOf("merged", "[]"), none), name, unit, description);
    return this.#add(new Group(key, metric, overflowFields, true, bytes));
  }

  #add(group: Group): Group {
    this.#groups.set(group.key, group);
    group.metric.groups.add(group);
    return group;
  }

  #metric(made: Origin, name: string, unit: string, description: string): GroupedMetric {
    let origin = this.#origins.get(made.key);
    if (origin === undefined) {
      origin = made;
      this.#origins.set(origin.key, origin);
      this.#options.memory.change(originBytes(origin));
    }
    const key = JSON.stringify([name, unit]);
    let metric = origin.metrics.get(key);
    if (metric === undefined) {
      metric = { origin, key, name, unit, description, groups: new Set() };
      origin.metrics.set(key, metric);
      this.#options.memory.change(metricBytes(metric));
    }
    return metric;
  }

  /** Forgets what came up to a slot, and groups that have been silent for long. */
  sweep(group: Group, slot: number, nowMs: number): void {
    group.forgetUpTo(slot, this.#options.memory);
    if (!group.isEmpty || group.hadData) return;
    if (nowMs - group.lastSampleMs > this.#options.expireMs) this.#forget(group);
  }

  #forget(group: Group): void {
    const { metric, ownBytes } = group;
    const { memory } = this.#options;
    group.isForgotten = true;
    this.#groups.delete(group.key);
    metric.groups.delete(group);
    memory.change(-ownBytes);
    if (group.isOverflow) this.guard.forgetOverflow();
    else this.guard.forget(metric.name);
    if (metric.groups.size > 0) return;
    metric.origin.metrics.delete(metric.key);
    memory.change(-metricBytes(metric));
    if (metric.origin.metrics.size > 0) return;
    this.#origins.delete(metric.origin.key);
    memory.change(-originBytes(metric.origin));
  }
}

const originBytes = ({ resource, scope }: Origin) => 1000 + resource.length + scope.length;
const metricBytes = ({ name, unit, description }: GroupedMetric) =>
  800 + 4 * (name.length + unit.length + description.length);

const overflowFields = (() => {
  const out = new Writer(64);
  writeKeyValue(out, outputAttributes, overflowKey, true);
  return out.take();
})();

const mergedOrigin = (key: string, resource: Uint8Array): Origin => ({
  key,
  resource,
  resourceSchemaUrl: "",
  scope: ownScope,
  scopeSchemaUrl: "",
  metrics: new Map(),
});

const originOf = (key: string, scope: Scope): Origin => ({
  key,
  resource: messageOf(scope.parent),
  resourceSchemaUrl: scope.parent.schemaUrl,
  scope: messageOf(scope),
  scopeSchemaUrl: scope.schemaUrl,
  metrics: new Map(),
});

/** The message of an interned resource or scope: its length stands before it. */
function messageOf({ slab, offset }: Interned): Uint8Array {
  const start = offset + headerBytes;
  return new Uint8Array(slab.bytes.subarray(start, start + slab.view.getInt32(offset)));
}

/** The attributes of a series as fields of the points that are made of it. */
function attributeFields(series: Series): Uint8Array {
  const { slab, offset, length, parent } = series;
  const out = new Writer(length + 16);
  const cursor = new Cursor().reset(slab.bytes, offset, offset + length);
  while (cursor.next()) {
    if (cursor.number !== parent.layout.attributes) continue;
    out.lengthDelimited(outputAttributes, slab.bytes, cursor.valueStart, cursor.valueEnd);
  }
  return out.take();
}

/** Attribute fields but for those with a key. */
function fieldsWithout(fields: Uint8Array, key: string | undefined): Uint8Array {
  if (key === undefined) return fields;
  const out = new Writer(fields.length + 16);
  const cursor = new AttributeCursor().reset(fields, 0, fields.length, outputAttributes);
  const unwanted = Buffer.from(key);
  while (cursor.next()) {
    if (!cursor.keyIs(unwanted)) out.raw(fields, cursor.fieldStart, cursor.fieldEnd);
  }
  return out.take();
}

/** Of the attribute fields of a message, those with these few keys. */
function chosenFields(
  message: Uint8Array,
  number: number,
  chosen: readonly Attribute[],
): Uint8Array {
  const out = new Writer(64);
  const cursor = new AttributeCursor().reset(message, 0, message.length, number);
  const left = chosen.map(({ key }) => Buffer.from(key));
  while (cursor.next()) {
    const at = left.findIndex((key) => cursor.keyIs(key));
    if (at < 0) continue;
    left.splice(at, 1);
    out.raw(message, cursor.fieldStart, cursor.fieldEnd);
  }
  return out.take();
}
