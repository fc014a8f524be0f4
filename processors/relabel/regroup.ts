/**
 * Points whose metric or resource is no longer theirs move: a resource container becomes one for each new
 * resource, a metric one for each new name. What does not move is copied as bytes.
 *
 *     ResourceMetrics = resource:1  ScopeMetrics:2 …   ScopeMetrics = scope:1  Metric:2 …
 *     Metric = name:1 … data:5|7|9|10|11               data = point:1 …
 *     frame    the fields of a message that are neither the name nor on the way to its points
 */
import { isMetricData, meetIrregular } from "../../src/pdata/regular.ts";
import { Cursor, Writer } from "../../src/pdata/wire.ts";
import { patchOf, writePatched } from "./attribute-patch.ts";
import { moves, type ResourceChange, type Verdict } from "./verdict.ts";

/** Ranges of fields: start, end, start, end … */
type Ranges = readonly number[];

/** The body of a message. */
interface Body {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

interface ScopeShape {
  readonly frame: Ranges;
}

interface MetricShape {
  readonly scope: ScopeShape;
  readonly fieldStart: number;
  readonly fieldEnd: number;
  /** Without name and data. */
  readonly frame: Ranges;
  readonly nameStart: number;
  readonly nameEnd: number;
  /** Its data field; number 0: none. */
  readonly dataNumber: number;
  readonly dataFieldStart: number;
  readonly dataFieldEnd: number;
  readonly dataFrame: Ranges;
  /** Where its points begin in the container's list, and how many they are. */
  readonly firstPoint: number;
  pointCount: number;
}

/** A resource container, taken apart. */
class Shape {
  resourceStart = 0;
  resourceEnd = 0;
  readonly frame: number[] = [];
  readonly metrics: MetricShape[] = [];
  /** Of each point: its field, its metric, its verdict. */
  readonly starts: number[] = [];
  readonly ends: number[] = [];
  readonly metricOf: MetricShape[] = [];
  readonly verdicts: Verdict[] = [];
  moves = false;
}

/** Points of a container that have one resource. */
interface Group {
  readonly change: ResourceChange | undefined;
  readonly points: number[];
}

export interface Regrouped {
  readonly part: Uint8Array;
  readonly items: number;
}

/**
 * Frames are repeated for each resource and name: without a bound, one long description would be multiplied by a
 * thousand names.
 */
export const maxGrowthBytes = (length: number) => 4 * length + 16 * 1024 * 1024;

/** Moves the points of one part; `verdictOf` is asked for each point in order. */
export class Regroup {
  /** Points that found no room. */
  lost = 0;
  readonly #verdictOf: () => Verdict;
  readonly #bytes: Uint8Array;
  readonly #out: Writer;
  #items = 0;

  constructor(bytes: Uint8Array, verdictOf: () => Verdict) {
    this.#bytes = bytes;
    this.#verdictOf = verdictOf;
    this.#out = new Writer(bytes.length + (bytes.length >> 3) + 64);
  }

  part(): Regrouped {
    const c = new Cursor().reset(this.#bytes);
    while (c.next()) {
      if (c.number === 1) this.#container(c);
      else this.#out.raw(this.#bytes, c.fieldStart, c.valueEnd);
    }
    const { bytes, position } = this.#out;
    // The writer is this part's own: its buffer is handed over unless it is mostly air.
    const isFull = position * 2 >= bytes.length;
    return { part: isFull ? bytes.subarray(0, position) : this.#out.take(), items: this.#items };
  }

  #container(at: Cursor): void {
    const shape = this.#takeApart(at.valueStart, at.valueEnd);
    if (!shape.moves) {
      this.#out.raw(this.#bytes, at.fieldStart, at.valueEnd);
      this.#items += shape.verdicts.length;
      return;
    }
    const groups = new Map<string, Group>();
    for (const [i, { resource }] of shape.verdicts.entries()) {
      const key = resource?.key ?? "";
      let group = groups.get(key);
      if (group === undefined) groups.set(key, (group = { change: resource, points: [] }));
      group.points.push(i);
    }
    for (const group of groups.values()) this.#writeGroup(shape, group);
  }

  #takeApart(start: number, end: number): Shape {
    const shape = new Shape();
    const c = new Cursor().reset(this.#bytes, start, end);
    let heads = 0;
    while (c.next()) {
      if (c.number === 1000 || (c.number === 1 && ++heads > 1)) meetIrregular();
      if (c.number === 2) {
        this.#scope(shape, c.valueStart, c.valueEnd);
      } else if (c.number === 1) {
        shape.resourceStart = c.valueStart;
        shape.resourceEnd = c.valueEnd;
      } else {
        shape.frame.push(c.fieldStart, c.valueEnd);
      }
    }
    return shape;
  }

  #scope(shape: Shape, start: number, end: number): void {
    const frame: number[] = [];
    const scope: ScopeShape = { frame };
    const c = new Cursor().reset(this.#bytes, start, end);
    let heads = 0;
    while (c.next()) {
      if (c.number === 1 && ++heads > 1) meetIrregular();
      if (c.number === 2) this.#metric(shape, scope, c);
      else frame.push(c.fieldStart, c.valueEnd);
    }
  }

  #metric(shape: Shape, scope: ScopeShape, at: Cursor): void {
    const frame: number[] = [];
    let name: Ranges = [at.valueStart, at.valueStart];
    const data = { number: 0, fieldStart: 0, start: 0, end: 0 };
    const c = new Cursor().reset(this.#bytes, at.valueStart, at.valueEnd);
    while (c.next()) {
      if (isMetricData(c.number)) {
        if (data.number > 0) meetIrregular();
        data.number = c.number;
        data.fieldStart = c.fieldStart;
        data.start = c.valueStart;
        data.end = c.valueEnd;
      } else if (c.number === 1) {
        name = [c.fieldStart, c.valueEnd];
      } else {
        frame.push(c.fieldStart, c.valueEnd);
      }
    }
    const dataFrame: number[] = [];
    const metric: MetricShape = {
      scope,
      fieldStart: at.fieldStart,
      fieldEnd: at.valueEnd,
      frame,
      nameStart: name[0]!,
      nameEnd: name[1]!,
      dataNumber: data.number,
      dataFieldStart: data.fieldStart,
      dataFieldEnd: data.end,
      dataFrame,
      firstPoint: shape.verdicts.length,
      pointCount: 0,
    };
    shape.metrics.push(metric);
    const points = new Cursor().reset(this.#bytes, data.start, data.end);
    while (points.next()) {
      if (points.number === 1) this.#point(shape, metric, points);
      else dataFrame.push(points.fieldStart, points.valueEnd);
    }
  }

  #point(shape: Shape, metric: MetricShape, at: Cursor): void {
    const verdict = this.#verdictOf();
    shape.starts.push(at.fieldStart);
    shape.ends.push(at.valueEnd);
    shape.metricOf.push(metric);
    shape.verdicts.push(verdict);
    metric.pointCount++;
    if ((verdict.flags & moves) !== 0) shape.moves = true;
  }

  #writeGroup(shape: Shape, { change, points }: Group): void {
    const out = this.#out;
    if (this.#isFull()) {
      this.lost += points.length;
      return;
    }
    const container = out.begin(1, 3);
    const body: Body = { bytes: this.#bytes, start: shape.resourceStart, end: shape.resourceEnd };
    if (change !== undefined) {
      this.#writeResource(body, change);
    } else if (body.end > 0) {
      out.lengthDelimited(1, this.#bytes, body.start, body.end);
    }
    this.#copy(shape.frame);
    let scope: ScopeShape | undefined;
    let handle = 0;
    // Points are in the order of the part: those of a metric stand together, and so do those of a scope.
    for (let i = 0; i < points.length; ) {
      const metric = shape.metricOf[points[i]!]!;
      let next = i + 1;
      while (next < points.length && shape.metricOf[points[next]!] === metric) next++;
      if (metric.scope !== scope) {
        if (scope !== undefined) out.end(handle);
        scope = metric.scope;
        handle = out.begin(2, 3);
        this.#copy(scope.frame);
      }
      this.#writeMetric(shape, metric, points, i, next);
      i = next;
    }
    out.end(handle);
    out.end(container);
  }

  /** The points [from, to) of a group, all of one metric, by their names. */
  #writeMetric(
    shape: Shape,
    metric: MetricShape,
    points: readonly number[],
    from: number,
    to: number,
  ): void {
    const byName = new Map<string | undefined, number[]>();
    for (let i = from; i < to; i++) {
      const { name } = shape.verdicts[points[i]!]!;
      const same = byName.get(name);
      if (same === undefined) byName.set(name, [points[i]!]);
      else same.push(points[i]!);
    }
    for (const [name, members] of byName) {
      if (name === undefined && members.length === metric.pointCount) {
        this.#out.raw(this.#bytes, metric.fieldStart, metric.fieldEnd);
        this.#items += members.length;
      } else {
        this.#writeMembers(shape, metric, name, members);
      }
    }
  }

  #writeMembers(
    shape: Shape,
    metric: MetricShape,
    name: string | undefined,
    members: readonly number[],
  ): void {
    const out = this.#out;
    if (this.#isFull()) {
      this.lost += members.length;
      return;
    }
    const handle = out.begin(2, 3);
    if (name === undefined) out.raw(this.#bytes, metric.nameStart, metric.nameEnd);
    else out.string(1, name);
    this.#copy(metric.frame);
    // All of them, in their order: the data field as it stands.
    if (members.length === metric.pointCount) {
      out.raw(this.#bytes, metric.dataFieldStart, metric.dataFieldEnd);
    } else {
      const data = out.begin(metric.dataNumber, 2);
      this.#copy(metric.dataFrame);
      for (const i of members) out.raw(this.#bytes, shape.starts[i], shape.ends[i]);
      out.end(data);
    }
    out.end(handle);
    this.#items += members.length;
  }

  /** The first points always find room, so that no part becomes empty. */
  #isFull(): boolean {
    return this.#items > 0 && this.#out.position > maxGrowthBytes(this.#bytes.length);
  }

  /** The resource's attributes need not lie side by side: its whole body is the block. */
  #writeResource(body: Body, { changes }: ResourceChange): void {
    const handle = this.#out.begin(1, 2);
    writePatched(body, body.start, body.end, patchOf(body, 1, changes), this.#out);
    this.#out.end(handle);
  }

  #copy(ranges: Ranges): void {
    for (let i = 0; i < ranges.length; i += 2) {
      this.#out.raw(this.#bytes, ranges[i], ranges[i + 1]);
    }
  }
}
