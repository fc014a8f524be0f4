/**
 * A payload as the objects of OTLP/JSON, one item at a time: the debug exporter is for eyes, so it may parse, but
 * it must not hold the event loop up with a whole request at once.
 */
import { messageToJson } from "../../src/pdata/json/encode.ts";
import type { MessageName } from "../../src/pdata/otlp-schema.ts";
import type { Payload, Signal } from "../../src/pdata/payload.ts";
import { Cursor } from "../../src/pdata/wire.ts";

/** 64-bit integers are text, and so are NaN and the infinities. */
export type Integer = string;
export type Double = number | string;

export interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: Integer;
  readonly doubleValue?: Double;
  readonly arrayValue?: { readonly values?: readonly AnyValue[] };
  readonly kvlistValue?: { readonly values?: readonly KeyValue[] };
  /** Base64. */
  readonly bytesValue?: string;
}

export interface KeyValue {
  readonly key?: string;
  readonly value?: AnyValue;
}

export interface EntityRef {
  readonly schemaUrl?: string;
  readonly type?: string;
  readonly idKeys?: readonly string[];
  readonly descriptionKeys?: readonly string[];
}

export interface ResourceHead {
  readonly resource?: {
    readonly attributes?: readonly KeyValue[];
    readonly entityRefs?: readonly EntityRef[];
  };
  readonly schemaUrl?: string;
}

export interface ScopeHead {
  readonly scope?: {
    readonly name?: string;
    readonly version?: string;
    readonly attributes?: readonly KeyValue[];
  };
  readonly schemaUrl?: string;
}

export interface SpanEvent {
  readonly timeUnixNano?: Integer;
  readonly name?: string;
  readonly attributes?: readonly KeyValue[];
  readonly droppedAttributesCount?: number;
}

export interface SpanLink {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly traceState?: string;
  readonly attributes?: readonly KeyValue[];
  readonly droppedAttributesCount?: number;
}

export interface Span {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly name?: string;
  readonly kind?: number;
  readonly startTimeUnixNano?: Integer;
  readonly endTimeUnixNano?: Integer;
  readonly attributes?: readonly KeyValue[];
  readonly droppedAttributesCount?: number;
  readonly events?: readonly SpanEvent[];
  readonly droppedEventsCount?: number;
  readonly links?: readonly SpanLink[];
  readonly droppedLinksCount?: number;
  readonly status?: { readonly code?: number; readonly message?: string };
}

export interface LogRecord {
  readonly timeUnixNano?: Integer;
  readonly observedTimeUnixNano?: Integer;
  readonly severityNumber?: number;
  readonly severityText?: string;
  readonly eventName?: string;
  readonly body?: AnyValue;
  readonly attributes?: readonly KeyValue[];
  readonly traceId?: string;
  readonly spanId?: string;
  readonly flags?: number;
}

export interface Exemplar {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly timeUnixNano?: Integer;
  readonly asInt?: Integer;
  readonly asDouble?: Double;
  readonly filteredAttributes?: readonly KeyValue[];
}

interface DataPoint {
  readonly attributes?: readonly KeyValue[];
  readonly startTimeUnixNano?: Integer;
  readonly timeUnixNano?: Integer;
  readonly exemplars?: readonly Exemplar[];
}

export interface NumberDataPoint extends DataPoint {
  readonly asInt?: Integer;
  readonly asDouble?: Double;
}

interface DistributionPoint extends DataPoint {
  readonly count?: Integer;
  readonly sum?: Double;
  readonly min?: Double;
  readonly max?: Double;
}

export interface HistogramDataPoint extends DistributionPoint {
  readonly bucketCounts?: readonly Integer[];
  readonly explicitBounds?: readonly Double[];
}

export interface Buckets {
  readonly offset?: number;
  readonly bucketCounts?: readonly Integer[];
}

export interface ExponentialHistogramDataPoint extends DistributionPoint {
  readonly scale?: number;
  readonly zeroCount?: Integer;
  readonly zeroThreshold?: Double;
  readonly positive?: Buckets;
  readonly negative?: Buckets;
}

export interface SummaryDataPoint extends DataPoint {
  readonly count?: Integer;
  readonly sum?: Double;
  readonly quantileValues?: readonly { readonly quantile?: Double; readonly value?: Double }[];
}

interface Points<P> {
  readonly dataPoints?: readonly P[];
  readonly aggregationTemporality?: number;
  readonly isMonotonic?: boolean;
}

export interface Metric {
  readonly name?: string;
  readonly description?: string;
  readonly unit?: string;
  readonly metadata?: readonly KeyValue[];
  readonly gauge?: Points<NumberDataPoint>;
  readonly sum?: Points<NumberDataPoint>;
  readonly histogram?: Points<HistogramDataPoint>;
  readonly exponentialHistogram?: Points<ExponentialHistogramDataPoint>;
  readonly summary?: Points<SummaryDataPoint>;
}

export interface Items {
  readonly traces: Span;
  readonly metrics: Metric;
  readonly logs: LogRecord;
}

/** Takes what a walk finds, in order. */
export interface Visitor<S extends Signal> {
  resource(index: number, head: ResourceHead): void;
  scope(index: number, resourceIndex: number, head: ScopeHead): void;
  item(index: number, item: Items[S]): void;
}

const messages = {
  traces: { resource: "ResourceSpans", scope: "ScopeSpans", item: "Span" },
  metrics: { resource: "ResourceMetrics", scope: "ScopeMetrics", item: "Metric" },
  logs: { resource: "ResourceLogs", scope: "ScopeLogs", item: "LogRecord" },
} as const satisfies Record<Signal, Record<string, MessageName>>;

/** Walks a payload; yields after every item, so that the caller can pause. */
export function* walk<S extends Signal>(
  signal: S,
  parts: readonly Uint8Array[],
  visitor: Visitor<S>,
): Generator<void> {
  const { resource, scope, item } = messages[signal];
  let resourceIndex = 0;
  for (const part of parts) {
    for (const [start, end] of rangesOf(part, 0, part.length, 1)) {
      visitor.resource(resourceIndex, parse(resource, withoutLists(part, start, end, true)));
      let scopeIndex = 0;
      for (const [scopeStart, scopeEnd] of scopesOf(part, start, end)) {
        const head = withoutLists(part, scopeStart, scopeEnd, false);
        visitor.scope(scopeIndex++, resourceIndex, parse(scope, head));
        let itemIndex = 0;
        for (const [itemStart, itemEnd] of rangesOf(part, scopeStart, scopeEnd, 2)) {
          visitor.item(itemIndex++, parse(item, part.subarray(itemStart, itemEnd)));
          yield;
        }
      }
      resourceIndex++;
    }
  }
}

/** Numbers of resources, and of what scopes hold: spans, metrics or log records. */
export function countHeads(payload: Payload): { resources: number; items: number } {
  let resources = 0;
  let items = 0;
  for (const part of payload.parts) {
    for (const [start, end] of rangesOf(part, 0, part.length, 1)) {
      resources++;
      for (const [scopeStart, scopeEnd] of scopesOf(part, start, end)) {
        for (const _ of rangesOf(part, scopeStart, scopeEnd, 2)) items++;
      }
    }
  }
  return { resources, items };
}

type Range = readonly [start: number, end: number];

function* rangesOf(bytes: Uint8Array, start: number, end: number, number: number) {
  const cursor = new Cursor().reset(bytes, start, end);
  while (cursor.next()) {
    if (cursor.number === number) yield [cursor.valueStart, cursor.valueEnd] as Range;
  }
}

/** The old scope list (field 1000) counts where the current one is absent. */
function scopesOf(bytes: Uint8Array, start: number, end: number): Range[] {
  const scopes = [...rangesOf(bytes, start, end, 2)];
  return scopes.length > 0 ? scopes : [...rangesOf(bytes, start, end, 1000)];
}

/** A resource or scope without its list, which would be most of it. */
function withoutLists(bytes: Uint8Array, start: number, end: number, isResource: boolean) {
  const kept: Uint8Array[] = [];
  const cursor = new Cursor().reset(bytes, start, end);
  while (cursor.next()) {
    const isList = cursor.number === 2 || (isResource && cursor.number === 1000);
    if (!isList) kept.push(bytes.subarray(cursor.fieldStart, cursor.valueEnd));
  }
  return Buffer.concat(kept);
}

const parse = (name: MessageName, bytes: Uint8Array) => JSON.parse(messageToJson(name, bytes));
