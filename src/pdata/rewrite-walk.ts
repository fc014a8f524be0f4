/** The walk behind `rewrite`: finds the places, asks the callbacks, books what they say in a Patch. */
import { countAt } from "./count.ts";
import { Patch } from "./patch.ts";
import type { Signal } from "./payload.ts";
import { isMetricData, meetIrregular } from "./regular.ts";
import {
  drop,
  keep,
  type MetricKind,
  type Place,
  type Rewriter,
  replaced,
  type Verdict,
} from "./rewriter.ts";
import { Cursor, Writer } from "./wire.ts";

type Visit = (place: Place, out: Writer) => Verdict;

/** By field number of a metric's data. */
const kinds: Readonly<Record<number, MetricKind>> = {
  5: "gauge",
  7: "sum",
  9: "histogram",
  10: "exponentialHistogram",
  11: "summary",
};

/** Levels of Patch. */
const requestLevel = 0;
const resourceLevel = 1;
const scopeLevel = 2;
const metricLevel = 3;
const dataLevel = 4;

/** One rewriting: the walk over the parts of one payload. */
export class RewriteWalk {
  /** Items that the last part gained (lost, when negative). */
  itemsAdded = 0;
  readonly #signal: Signal;
  readonly #resource: Visit | undefined;
  readonly #scope: Visit | undefined;
  readonly #metric: Visit | undefined;
  readonly #item: Visit | undefined;
  readonly #patch = new Patch();
  readonly #scratch = new Writer(256);
  readonly #place = emptyPlace();
  #bytes: Uint8Array = this.#place.bytes;
  /** A callback that replaced its last message will do it again: it gets the output instead of scratch. */
  #lastReplaced = false;
  // One cursor a level: the walk stands in all of them at once.
  readonly #resources = new Cursor();
  readonly #scopes = new Cursor();
  readonly #members = new Cursor();
  readonly #points = new Cursor();
  readonly #search = new Cursor();

  constructor(signal: Signal, rewriter: Rewriter) {
    const isMetrics = signal === "metrics";
    const itemName = signal === "traces" ? "span" : "record";
    this.#signal = signal;
    this.#resource = visitOf(rewriter, "resource");
    this.#scope = visitOf(rewriter, "scope");
    this.#metric = isMetrics ? visitOf(rewriter, "metric") : undefined;
    this.#item = visitOf(rewriter, isMetrics ? "point" : itemName);
  }

  /** The part as the callbacks leave it: the same object if unchanged, undefined if nothing is left. */
  part(bytes: Uint8Array): Uint8Array | undefined {
    const patch = this.#patch;
    patch.reset(bytes);
    this.itemsAdded = 0;
    this.#bytes = bytes;
    this.#place.bytes = bytes;
    const c = this.#resources.reset(bytes);
    while (c.next()) if (c.number === 1) this.#walkResource(c);
    return patch.changed ? patch.finish() : bytes;
  }

  #walkResource(at: Cursor): void {
    const { fieldStart, valueStart, valueEnd } = at;
    const patch = this.#patch;
    const place = this.#place;
    patch.enter(resourceLevel, fieldStart, 1, valueStart, valueEnd);
    this.#findHead(valueStart, valueEnd);
    place.resourceStart = place.start;
    place.resourceEnd = place.end;
    const verdict = this.#visitHead(this.#resource);
    if (verdict === drop) {
      this.#expectOneHead(valueStart, valueEnd);
      patch.dropChild(requestLevel, fieldStart, valueEnd);
      this.itemsAdded -= countAt(this.#signal, "resource", this.#bytes, valueStart, valueEnd);
      return;
    }
    if (verdict === replaced) patch.insert(resourceLevel, 1, this.#scratch);
    this.#walkScopes(valueStart, valueEnd, verdict === replaced);
    patch.leave(resourceLevel, valueEnd);
  }

  #walkScopes(start: number, end: number, headReplaced: boolean): void {
    const deeper = (this.#scope ?? this.#metric ?? this.#item) !== undefined;
    const c = this.#scopes.reset(this.#bytes, start, end);
    let heads = 0;
    while (c.next()) {
      if (c.number === 2) {
        if (deeper) this.#walkScope(c);
        else this.#patch.keepChild(resourceLevel);
      } else if (c.number === 1) {
        if (++heads > 1) meetIrregular();
        if (headReplaced) this.#patch.leaveOut(resourceLevel, c.fieldStart, c.valueEnd);
      } else if (c.number === 1000) {
        meetIrregular();
      }
    }
  }

  #walkScope(at: Cursor): void {
    const { fieldStart, valueStart, valueEnd } = at;
    const patch = this.#patch;
    const place = this.#place;
    patch.enter(scopeLevel, fieldStart, 2, valueStart, valueEnd);
    this.#findHead(valueStart, valueEnd);
    place.scopeStart = place.start;
    place.scopeEnd = place.end;
    const verdict = this.#visitHead(this.#scope);
    if (verdict === drop) {
      this.#expectOneHead(valueStart, valueEnd);
      patch.dropChild(resourceLevel, fieldStart, valueEnd);
      this.itemsAdded -= countAt(this.#signal, "scope", this.#bytes, valueStart, valueEnd);
      return;
    }
    if (verdict === replaced) patch.insert(scopeLevel, 1, this.#scratch);
    this.#walkMembers(valueStart, valueEnd, verdict === replaced);
    patch.leave(scopeLevel, valueEnd);
  }

  #walkMembers(start: number, end: number, headReplaced: boolean): void {
    const c = this.#members.reset(this.#bytes, start, end);
    let heads = 0;
    while (c.next()) {
      if (c.number === 2) {
        this.#walkMember(c);
      } else if (c.number === 1) {
        if (++heads > 1) meetIrregular();
        if (headReplaced) this.#patch.leaveOut(scopeLevel, c.fieldStart, c.valueEnd);
      }
    }
  }

  /** A metric, span or record. */
  #walkMember(at: Cursor): void {
    if (this.#signal === "metrics" && (this.#metric ?? this.#item) !== undefined) {
      this.#walkMetric(at);
    } else {
      this.#visitItem(scopeLevel, at);
    }
  }

  #walkMetric(at: Cursor): void {
    const { fieldStart, valueStart, valueEnd } = at;
    const place = this.#place;
    place.metricStart = valueStart;
    place.metricEnd = valueEnd;
    const dataStart = this.#findData(valueStart, valueEnd);
    if (this.#metric !== undefined && this.#visitMetric(this.#metric, at) !== keep) return;
    const patch = this.#patch;
    if (this.#item === undefined || dataStart < 0) return patch.keepChild(scopeLevel);
    const field = this.#search.reset(this.#bytes, dataStart, valueEnd);
    field.next();
    const dataEnd = field.valueEnd;
    patch.enter(metricLevel, fieldStart, 2, valueStart, valueEnd);
    patch.enter(dataLevel, dataStart, field.number, field.valueStart, dataEnd);
    const c = this.#points.reset(this.#bytes, field.valueStart, dataEnd);
    while (c.next()) if (c.number === 1) this.#visitItem(dataLevel, c);
    patch.leave(dataLevel, dataEnd);
    patch.leave(metricLevel, valueEnd);
  }

  /** The metric callback; the points it gave and took are counted. */
  #visitMetric(visit: Visit, at: Cursor): Verdict {
    const { fieldStart, valueStart, valueEnd } = at;
    const verdict = this.#ask(visit, valueStart, valueEnd);
    if (verdict === keep) return keep;
    this.itemsAdded -= countAt("metrics", "metric", this.#bytes, valueStart, valueEnd);
    if (verdict === drop) {
      this.#patch.dropChild(scopeLevel, fieldStart, valueEnd);
    } else {
      const { bytes, position } = this.#scratch;
      this.itemsAdded += countAt("metrics", "metric", bytes, 0, position);
      this.#patch.replaceChild(scopeLevel, fieldStart, valueEnd, 2, this.#scratch);
    }
    return verdict;
  }

  /** Shows a point, span or record in the message at `level` to its callback and does what that says. */
  #visitItem(level: number, at: Cursor): void {
    const patch = this.#patch;
    if (this.#item === undefined) return patch.keepChild(level);
    if (this.#lastReplaced && patch.isOpen(level))
      return this.#visitDirectly(this.#item, level, at);
    const { fieldStart, number, valueStart, valueEnd } = at;
    const verdict = this.#ask(this.#item, valueStart, valueEnd);
    this.#lastReplaced = verdict === replaced;
    if (verdict === keep) {
      patch.keepChild(level);
    } else if (verdict === drop) {
      patch.dropChild(level, fieldStart, valueEnd);
      this.itemsAdded--;
    } else {
      patch.replaceChild(level, fieldStart, valueEnd, number, this.#scratch);
    }
  }

  /** As above, with the new body written where it will stay: saves the copy. */
  #visitDirectly(visit: Visit, level: number, at: Cursor): void {
    const { fieldStart, number, valueStart, valueEnd } = at;
    const patch = this.#patch;
    const place = this.#place;
    const handle = patch.beginChild(level, fieldStart, number, valueEnd - valueStart);
    place.start = valueStart;
    place.end = valueEnd;
    const verdict = visit(place, patch.out);
    if (verdict === replaced) return patch.endChild(level, handle, valueEnd);
    this.#lastReplaced = false;
    patch.takeBack();
    if (verdict === keep) {
      patch.keepChild(level);
    } else {
      patch.dropChild(level, fieldStart, valueEnd);
      this.itemsAdded--;
    }
  }

  /** A callback's word on the message at [start, end); what it wrote lies in scratch. */
  #ask(visit: Visit, start: number, end: number): Verdict {
    this.#scratch.reset();
    this.#place.start = start;
    this.#place.end = end;
    return visit(this.#place, this.#scratch);
  }

  #visitHead(visit: Visit | undefined): Verdict {
    if (visit === undefined) return keep;
    return this.#ask(visit, this.#place.start, this.#place.end);
  }

  /**
   * Points place.start and place.end to field 1 of a container, the resource or scope. SDKs write it first,
   * the Collector last, behind its children.
   */
  #findHead(start: number, end: number): void {
    const c = this.#search.reset(this.#bytes, start, end);
    const place = this.#place;
    place.start = start;
    place.end = start;
    while (c.next()) {
      if (c.number !== 1) continue;
      place.start = c.valueStart;
      place.end = c.valueEnd;
      return;
    }
  }

  /** Of a head in several fields the callback has seen one: its word is not enough to drop the container. */
  #expectOneHead(start: number, end: number): void {
    const c = this.#search.reset(this.#bytes, start, end);
    let heads = 0;
    while (c.next()) if (c.number === 1 && ++heads > 1) meetIrregular();
  }

  /** Where the data field of a metric starts, -1 if it has none; notes the metric's kind. */
  #findData(start: number, end: number): number {
    const c = this.#search.reset(this.#bytes, start, end);
    const place = this.#place;
    place.metricKind = "none";
    let dataStart = -1;
    while (c.next()) {
      if (!isMetricData(c.number)) continue;
      if (dataStart >= 0) meetIrregular();
      dataStart = c.fieldStart;
      place.metricKind = kinds[c.number]!;
    }
    return dataStart;
  }
}

function visitOf(rewriter: Rewriter, level: keyof Rewriter): Visit | undefined {
  if (rewriter[level] === undefined) return undefined;
  return (place, out) => rewriter[level]!(place, out);
}

function emptyPlace(): Place {
  return {
    bytes: new Uint8Array(0),
    resourceStart: 0,
    resourceEnd: 0,
    scopeStart: 0,
    scopeEnd: 0,
    metricStart: 0,
    metricEnd: 0,
    metricKind: "none",
    start: 0,
    end: 0,
  };
}
