import type { Payload } from "../payload.ts";
import { Cursor } from "../wire.ts";
import { equalBytes, hashBytes } from "./hash.ts";
import {
  type DataTraits,
  headerBytes,
  type Interned,
  type Memos,
  Metric,
  Resource,
  Scope,
  Series,
} from "./interned.ts";
import { layouts, type PointLayout } from "./kinds.ts";
import { lengthAt, lengthEnd, Point, skipValue } from "./point.ts";
import { Generations, RawCache, slabBytes } from "./raw-cache.ts";

/** Called for each point in order; the point is reused and must not be kept. */
export type PointSink<M extends Memos = Memos> = (point: Point<M>) => void;

const defaultMaxBytes = 32 * 1024 * 1024;
const scratchBytes = 1024;
/** A larger one is not kept for the next payload. */
const keptScratchBytes = 256 * 1024;
const empty = new Uint8Array(0);
const emptyView = new DataView(empty.buffer);

/**
 * Reads metric payloads and says of each point which series it belongs to, recognised by its raw bytes.
 * The walk is index loops without allocation: 60-150 ns a point whose series is known. One interner serves
 * one user, who owns the `memo` of its objects.
 *
 *     ExportMetricsServiceRequest > ResourceMetrics > ScopeMetrics > Metric > Gauge … > point
 */
export class SeriesInterner<M extends Memos = Memos> {
  readonly #generations: Generations;
  readonly #resources: RawCache<Resource<M>>;
  readonly #scopes: RawCache<Scope<M>>;
  readonly #metrics: RawCache<Metric<M>>;
  readonly #allSeries: RawCache<Series<M>>;
  readonly #point = new Point<M>();
  readonly #cursor = new Cursor();
  /** Keys that do not lie in one piece are put together here. */
  #scratch = newScratch(scratchBytes);
  #scratchUsed = 0;
  /** The last object of each level, whose follower is tried first. */
  #lastResource: Resource<M> | undefined;
  #lastScope: Scope<M> | undefined;
  #lastMetric: Metric<M> | undefined;
  #lastSeries: Series<M> | undefined;

  /** Keeps at most about maxBytes of what it has seen; state belongs to its user. */
  constructor(maxBytes = defaultMaxBytes) {
    this.#generations = new Generations(maxBytes);
    // A Java process's command line, which resources may hold twice, can be tens of kilobytes.
    this.#resources = new RawCache(this.#generations, slabBytes);
    this.#scopes = new RawCache(this.#generations);
    this.#metrics = new RawCache(this.#generations);
    this.#allSeries = new RawCache(this.#generations);
  }

  /** Bytes of the interned objects, about. */
  get heldBytes(): number {
    return this.#generations.heldBytes;
  }

  forEachPoint(payload: Payload<"metrics">, sink: PointSink<M>): void {
    for (const part of payload.parts) {
      this.#point.bytes = part;
      this.#point.view = new DataView(part.buffer, part.byteOffset, part.byteLength);
      const cursor = new Cursor().reset(part);
      while (cursor.next()) {
        if (cursor.number === 1) this.#resourceMetrics(cursor.valueStart, cursor.valueEnd, sink);
      }
    }
    this.#letGo();
  }

  /** Between payloads it keeps neither the last one's bytes alive nor the room for one huge key. */
  #letGo(): void {
    this.#point.bytes = empty;
    this.#point.view = emptyView;
    this.#cursor.reset(empty);
    if (this.#scratch.bytes.length > keptScratchBytes) this.#scratch = newScratch(scratchBytes);
  }

  #resourceMetrics(start: number, end: number, sink: PointSink<M>): void {
    const { bytes } = this.#point;
    const cursor = this.#cursor.reset(bytes, start, end);
    const schemaUrl = [0, 0];
    let resourceLength = 0;
    // The old scope list (field 1000) counts only where field 2 is absent.
    let scopeField = 1000;
    this.#beginKey();
    while (cursor.next()) {
      if (cursor.number === 1) {
        this.#append(cursor.valueStart, cursor.valueEnd);
        resourceLength = this.#scratchUsed - headerBytes;
      } else if (cursor.number === 2) scopeField = 2;
      else if (cursor.number === 3) {
        schemaUrl[0] = cursor.valueStart;
        schemaUrl[1] = cursor.valueEnd;
      }
    }
    this.#append(schemaUrl[0]!, schemaUrl[1]!);
    const resource = this.#internKey(
      this.#resources,
      undefined,
      this.#lastResource,
      resourceLength,
      (hash) => new Resource<M>(hash, this.#key(), resourceLength),
    );
    this.#lastResource = resource;
    const scopes = new Cursor().reset(bytes, start, end);
    while (scopes.next()) {
      if (scopes.number === scopeField) {
        this.#scopeMetrics(resource, scopes.valueStart, scopes.valueEnd, sink);
      }
    }
  }

  #scopeMetrics(resource: Resource<M>, start: number, end: number, sink: PointSink<M>): void {
    const { bytes } = this.#point;
    const cursor = this.#cursor.reset(bytes, start, end);
    const schemaUrl = [0, 0];
    let scopeLength = 0;
    this.#beginKey();
    while (cursor.next()) {
      if (cursor.number === 1) {
        this.#append(cursor.valueStart, cursor.valueEnd);
        scopeLength = this.#scratchUsed - headerBytes;
      } else if (cursor.number === 3) {
        schemaUrl[0] = cursor.valueStart;
        schemaUrl[1] = cursor.valueEnd;
      }
    }
    this.#append(schemaUrl[0]!, schemaUrl[1]!);
    const scope = this.#internKey(
      this.#scopes,
      resource,
      this.#lastScope,
      scopeLength,
      (hash) => new Scope<M>(resource, hash, this.#key(), scopeLength),
    );
    this.#lastScope = scope;
    const metrics = new Cursor().reset(bytes, start, end);
    while (metrics.next()) {
      if (metrics.number === 2) this.#metric(scope, metrics.valueStart, metrics.valueEnd, sink);
    }
  }

  #metric(scope: Scope<M>, start: number, end: number, sink: PointSink<M>): void {
    const cursor = this.#cursor.reset(this.#point.bytes, start, end);
    let layout: PointLayout | undefined;
    let dataStart = 0;
    let dataEnd = 0;
    this.#beginKey();
    while (cursor.next()) {
      const kind = layouts.get(cursor.number);
      if (kind !== undefined) {
        layout = kind;
        dataStart = cursor.valueStart;
        dataEnd = cursor.valueEnd;
      } else if (cursor.number < 4 || cursor.number === 12) {
        this.#append(cursor.fieldStart, cursor.valueEnd);
      }
    }
    if (layout === undefined) return;
    const traits = this.#traits(layout, dataStart, dataEnd);
    const metric = this.#internKey(
      this.#metrics,
      scope,
      this.#lastMetric,
      layout.field * 16 + traits.temporality * 2 + (traits.monotonic ? 1 : 0),
      (hash) => new Metric<M>(scope, hash, this.#key(), traits),
    );
    this.#lastMetric = metric;
    this.#points(metric, dataStart, dataEnd, sink);
  }

  /** Temporality and monotonicity may stand before or behind the points. */
  #traits(layout: PointLayout, start: number, end: number): DataTraits {
    const b = this.#point.bytes;
    let temporality = 0;
    let monotonic = false;
    let p = start | 0;
    while (p < end) {
      const tag = b[p]!;
      const small = b[p + 1]! < 128 || (tag !== 0x10 && tag !== 0x18);
      if (tag > 127 || !small) return this.#overlongTraits(layout, start, end);
      if (tag === 0x10) temporality = b[p + 1]!;
      else if (tag === 0x18) monotonic = b[p + 1] !== 0;
      p = skipValue(b, (p + 1) | 0, tag & 7);
    }
    return traitsOf(layout, temporality, monotonic);
  }

  /** The same where varints are written longer than they need be. */
  #overlongTraits(layout: PointLayout, start: number, end: number): DataTraits {
    const cursor = this.#cursor.reset(this.#point.bytes, start, end);
    let temporality = 0;
    let monotonic = false;
    while (cursor.next()) {
      if (cursor.number === 2) temporality = cursor.varint();
      else if (cursor.number === 3) monotonic = cursor.varint() !== 0;
    }
    return traitsOf(layout, temporality, monotonic);
  }

  #points(metric: Metric<M>, start: number, end: number, sink: PointSink<M>): void {
    const b = this.#point.bytes;
    let p = start | 0;
    while (p < end) {
      let tag = b[p]!;
      let at = (p + 1) | 0;
      if (tag > 127) {
        tag = lengthAt(b, p);
        at = lengthEnd(b, p);
      }
      p = skipValue(b, at, tag & 7);
      if (tag === 10) this.#onePoint(metric, lengthEnd(b, at), p, sink);
    }
  }

  /** The hottest loop: one switch a field, attributes are only spanned, not looked into. */
  #onePoint(metric: Metric<M>, start: number, end: number, sink: PointSink<M>): void {
    const point = this.#point;
    const b = point.bytes;
    const { attributes, flags, exemplars, number } = metric.layout;
    let startTimeAt = -1;
    let timeAt = -1;
    let valueAt = -1;
    let valueIsInt = false;
    let exemplarsAt = -1;
    let flagBits = 0;
    let attributesStart = start;
    let attributesEnd = -1;
    let inOnePiece = true;
    let p = start | 0;
    while (p < end) {
      const fieldStart = p;
      let tag = b[p]!;
      let valueStart = (p + 1) | 0;
      if (tag > 127) {
        tag = lengthAt(b, p);
        valueStart = lengthEnd(b, p);
      }
      const field = tag >>> 3;
      p = skipValue(b, valueStart, tag & 7);
      if (field === attributes) {
        if (attributesEnd < 0) attributesStart = fieldStart;
        else if (attributesEnd !== fieldStart) inOnePiece = false;
        attributesEnd = p;
      } else if (field === 3) timeAt = valueStart;
      else if (field === 2) startTimeAt = valueStart;
      else if (number && (field === 4 || field === 6)) {
        valueAt = valueStart;
        valueIsInt = field === 6;
      } else if (field === exemplars) {
        if (exemplarsAt < 0) exemplarsAt = fieldStart;
      } else if (field === flags) flagBits = b[valueStart]!;
    }
    point.start = start;
    point.end = end;
    point.startTimeAt = startTimeAt;
    point.timeAt = timeAt;
    point.valueAt = valueAt;
    point.valueIsInt = valueIsInt;
    point.exemplarsAt = exemplarsAt;
    point.flags = flagBits;
    if (attributesEnd < 0) attributesEnd = attributesStart;
    point.series = inOnePiece
      ? this.#series(metric, point.view, attributesStart, attributesEnd - attributesStart)
      : this.#scatteredSeries(metric, start, end);
    sink(point);
  }

  #series(metric: Metric<M>, view: DataView, start: number, length: number): Series<M> {
    const expected = this.#lastSeries?.follower;
    if (
      expected !== undefined &&
      expected.length === length &&
      expected.parent === metric &&
      expected.generation >= 0 &&
      equalBytes(view, start, expected.slab.view, expected.offset, length)
    ) {
      this.#allSeries.keep(expected);
      this.#lastSeries = expected;
      return expected;
    }
    return this.#internSeries(metric, view, start, length);
  }

  /** Apart, because what its closure captures is allocated at each call: 100 bytes a point. */
  #internSeries(metric: Metric<M>, view: DataView, start: number, length: number): Series<M> {
    const hash = hashBytes(view, start, start + length, metric.hash);
    const series = this.#allSeries.intern(
      metric,
      hash,
      view,
      start,
      length,
      (h) => new Series<M>(metric, h, length),
    );
    follow(this.#lastSeries, series);
    this.#lastSeries = series;
    return series;
  }

  /** Attribute fields with other fields between them: rare, put together first. */
  #scatteredSeries(metric: Metric<M>, start: number, end: number): Series<M> {
    const cursor = this.#cursor.reset(this.#point.bytes, start, end);
    this.#scratchUsed = 0;
    while (cursor.next()) {
      if (cursor.number === metric.layout.attributes) {
        this.#append(cursor.fieldStart, cursor.valueEnd);
      }
    }
    return this.#series(metric, this.#scratch.view, 0, this.#scratchUsed);
  }

  #append(start: number, end: number): void {
    const needed = this.#scratchUsed + end - start;
    if (needed > this.#scratch.bytes.length) {
      const larger = newScratch(needed * 2);
      larger.bytes.set(this.#scratch.bytes.subarray(0, this.#scratchUsed));
      this.#scratch = larger;
    }
    const from = this.#point.bytes;
    const to = this.#scratch.bytes;
    let at = this.#scratchUsed;
    for (let i = start; i < end; i++) to[at++] = from[i]!;
    this.#scratchUsed = at;
  }

  #beginKey(): void {
    this.#scratchUsed = headerBytes;
  }

  /** The key without its header. */
  #key(): Uint8Array {
    return this.#scratch.bytes.subarray(headerBytes, this.#scratchUsed);
  }

  /** Interns what was appended since #beginKey; `header` tells keys of the same bytes apart. */
  #internKey<T extends Interned<T>>(
    cache: RawCache<T>,
    parent: Interned | undefined,
    last: T | undefined,
    header: number,
    create: (hash: number) => T,
  ): T {
    const { view } = this.#scratch;
    const length = this.#scratchUsed;
    view.setInt32(0, header);
    const expected = last?.follower;
    if (
      expected !== undefined &&
      expected.length === length &&
      expected.parent === parent &&
      expected.generation >= 0 &&
      equalBytes(view, 0, expected.slab.view, expected.offset, length)
    ) {
      cache.keep(expected);
      return expected;
    }
    const hash = hashBytes(view, 0, length, parent?.hash);
    const found = cache.intern(parent, hash, view, 0, length, create);
    follow(last, found);
    return found;
  }
}

/** Only between objects of the cache: others would hold one another, a chain without a bound. */
function follow<T extends Interned<T>>(last: T | undefined, found: T): void {
  if (last !== undefined && last.generation >= 0 && found.generation >= 0) last.follower = found;
}

/** What is unknown, or of a kind that does not have it, counts as absent. */
function traitsOf(layout: PointLayout, temporality: number, monotonic: boolean): DataTraits {
  return {
    layout,
    temporality: layout.temporality && temporality <= 2 ? temporality : 0,
    monotonic: monotonic && layout.kind === "sum",
  };
}

function newScratch(length: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}
