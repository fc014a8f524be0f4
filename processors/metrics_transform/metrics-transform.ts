/**
 * Runs the transforms over a payload, scope by scope. A scope none of whose metrics is meant is copied as bytes;
 * so is every metric that nobody changed.
 *
 *     ExportMetricsServiceRequest = ResourceMetrics:1 …
 *     ResourceMetrics             = resource:1  ScopeMetrics:2 …
 *     ScopeMetrics                = scope:1  Metric:2 …
 */
import type { Payload, Settings } from "../../src/component.ts";
import { Patch } from "../../src/pdata/patch.ts";
import { meetIrregular, onRegular } from "../../src/pdata/regular.ts";
import { withoutGaps } from "../../src/pdata/rewrite.ts";
import { Cursor, Writer } from "../../src/pdata/wire.ts";
import { TextMemo } from "../../src/regex/text-memo.ts";
import { Arena } from "./arena.ts";
import type { TransformConfig } from "./config.ts";
import { writeGroup } from "./group-writer.ts";
import { Reports } from "./reports.ts";
import { ScopeMetric, ScopeMetrics } from "./scope-metrics.ts";
import { Transform } from "./transform.ts";

/** Levels of Patch. */
const requestLevel = 0;
const resourceLevel = 1;
const scopeLevel = 2;

/** Of label sets, in all; each transform remembers them for what it does with them. */
const maxCacheBytes = 32 * 1024 * 1024;
const minCacheBytes = 256 * 1024;

type MetricsPayload = Payload<"metrics">;

export class MetricsTransform {
  readonly #transforms: readonly Transform[];
  readonly #reports: Reports;
  readonly #arena = new Arena();
  readonly #patch = new Patch();
  /** Whether any transform takes a metric of this name. */
  readonly #isMeant: TextMemo<boolean>;
  /** New resources of the part in hand, whole fields. */
  readonly #groups = new Writer(1024);
  #bytes: Uint8Array = new Uint8Array(0);
  #itemsAdded = 0;
  readonly #resources = new Cursor();
  readonly #scopes = new Cursor();

  constructor(configs: readonly TransformConfig[], settings: Settings) {
    const caches = configs.reduce((sum, { operations }) => sum + operations.length + 2, 0);
    const cacheBytes = Math.max(minCacheBytes, Math.floor(maxCacheBytes / caches));
    this.#transforms = configs.map((config) => new Transform(config, cacheBytes));
    this.#isMeant = new TextMemo((name) =>
      this.#transforms.some(({ filter }) => filter.matchName(name) !== undefined),
    );
    this.#reports = new Reports(settings);
    this.#reports.sayMissingAggregations(configs);
    const read = () => this.#transforms.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
    settings.meter.gauge("rmt_attribute_cache_bytes", read, { processor: settings.id.text });
  }

  process(payload: MetricsPayload): MetricsPayload | undefined {
    return onRegular(payload, (regular) => this.#processRegular(regular));
  }

  #processRegular(payload: MetricsPayload): MetricsPayload | undefined {
    this.#arena.reset();
    const parts: (Uint8Array | undefined)[] = [];
    const partItems: number[] = [];
    let changed = false;
    for (const [i, part] of payload.parts.entries()) {
      const result = this.#part(part);
      if (result !== part) changed = true;
      parts.push(result);
      partItems.push(payload.partItems[i]! + this.#itemsAdded);
    }
    this.#reports.finish();
    return changed ? withoutGaps(payload, parts, partItems) : payload;
  }

  /** The same object if nothing changed, undefined if nothing is left. */
  #part(bytes: Uint8Array): Uint8Array | undefined {
    const patch = this.#patch;
    patch.reset(bytes);
    this.#bytes = bytes;
    this.#itemsAdded = 0;
    this.#groups.reset();
    const c = this.#resources.reset(bytes);
    while (c.next()) if (c.number === 1) this.#resource(c);
    this.#appendGroups(bytes.length);
    return patch.changed ? patch.finish() : bytes;
  }

  #resource({ fieldStart, valueStart, valueEnd }: Cursor): void {
    const patch = this.#patch;
    patch.enter(resourceLevel, fieldStart, 1, valueStart, valueEnd);
    const c = this.#scopes.reset(this.#bytes, valueStart, valueEnd);
    while (c.next()) {
      if (c.number === 2) this.#scope(c, valueStart, valueEnd);
      else if (c.number === 1000) meetIrregular();
    }
    patch.leave(resourceLevel, valueEnd);
  }

  #scope(
    { fieldStart, valueStart, valueEnd }: Cursor,
    resourceStart: number,
    resourceEnd: number,
  ): void {
    const patch = this.#patch;
    const names = this.#meantNames(valueStart, valueEnd);
    if (names === undefined) return patch.keepChild(resourceLevel);
    const scope = this.#readScope(valueStart, valueEnd, names);
    for (const transform of this.#transforms) {
      const taken = transform.apply(scope, this.#arena, this.#reports);
      if (taken === undefined) continue;
      const place = {
        bytes: this.#bytes,
        resourceStart,
        resourceEnd,
        scopeStart: valueStart,
        scopeEnd: valueEnd,
      };
      writeGroup(place, taken, this.#groups);
      for (const metric of taken.metrics) this.#itemsAdded += metric.pointCount;
    }
    patch.enter(scopeLevel, fieldStart, 2, valueStart, valueEnd);
    for (const metric of scope.metrics) this.#writeMetric(metric, valueEnd);
    patch.leave(scopeLevel, valueEnd);
  }

  /** The names of a scope's metrics in order; undefined: no transform takes any. */
  #meantNames(start: number, end: number): string[] | undefined {
    const names: string[] = [];
    let isMeant = false;
    const c = new Cursor().reset(this.#bytes, start, end);
    const inner = new Cursor();
    while (c.next()) {
      if (c.number !== 2) continue;
      const name = nameOf(inner.reset(this.#bytes, c.valueStart, c.valueEnd));
      names.push(name);
      isMeant ||= this.#isMeant.get(name);
    }
    return isMeant ? names : undefined;
  }

  #readScope(start: number, end: number, names: readonly string[]): ScopeMetrics {
    const scope = new ScopeMetrics();
    const c = new Cursor().reset(this.#bytes, start, end);
    while (c.next()) {
      if (c.number !== 2) continue;
      const name = names[scope.metrics.length]!;
      const source = { bytes: this.#bytes, start: c.valueStart, end: c.valueEnd };
      scope.metrics.push(new ScopeMetric(source, c.fieldStart, name));
    }
    return scope;
  }

  #writeMetric(metric: ScopeMetric, scopeEnd: number): void {
    const patch = this.#patch;
    const isNew = metric.fieldStart < 0;
    if (!isNew && !metric.isRemoved && !metric.isChanged) return patch.keepChild(scopeLevel);
    this.#itemsAdded += metric.pointsAdded;
    if (metric.isRemoved) {
      if (!isNew) patch.dropChild(scopeLevel, metric.fieldStart, metric.source.end);
      return;
    }
    const from = isNew ? scopeEnd : metric.fieldStart;
    const handle = patch.beginChild(scopeLevel, from, 2, metric.source.end - metric.source.start);
    metric.draft.write(patch.out);
    patch.endChild(scopeLevel, handle, isNew ? scopeEnd : metric.source.end);
  }

  #appendGroups(end: number): void {
    const { bytes, position } = this.#groups;
    const c = new Cursor().reset(bytes, 0, position);
    while (c.next()) {
      const length = c.valueEnd - c.valueStart;
      const handle = this.#patch.beginChild(requestLevel, end, 1, length);
      this.#patch.out.raw(bytes, c.valueStart, c.valueEnd);
      this.#patch.endChild(requestLevel, handle, end);
    }
  }
}

/** The name of the metric that the cursor was set to. */
function nameOf(c: Cursor): string {
  let name = "";
  while (c.next()) if (c.number === 1) name = c.string();
  return name;
}
