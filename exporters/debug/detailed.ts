/** Verbosity detailed: everything of a payload as indented lines, in the Collector's form. */
import type { Payload } from "../../src/pdata/payload.ts";
import { idText, pushAttributes } from "./attribute-lines.ts";
import { metricLines } from "./detailed-metrics.ts";
import { enumName, formatTimestamp } from "./go-format.ts";
import {
  type EntityRef,
  type LogRecord,
  type Metric,
  type ResourceHead,
  type ScopeHead,
  type Span,
  type SpanEvent,
  type SpanLink,
  walk,
} from "./otlp-json.ts";
import { typedText } from "./values.ts";

/** Fills `lines`; yields after every item. */
export function detailedLines(payload: Payload, lines: string[]): Generator<void> {
  const { signal, parts } = payload;
  if (signal === "traces") return walk(signal, parts, new TraceLines(lines));
  if (signal === "metrics") return walk(signal, parts, new MetricsLines(lines));
  return walk(signal, parts, new LogLines(lines));
}

/** Resources and scopes, which differ between the signals by their names only. */
class HeadLines {
  readonly lines: string[];
  readonly #resourceName: string;
  readonly #scopeName: string;

  constructor(lines: string[], resourceName: string, scopeName: string) {
    this.lines = lines;
    this.#resourceName = resourceName;
    this.#scopeName = scopeName;
  }

  resource(index: number, { resource, schemaUrl = "" }: ResourceHead): void {
    this.lines.push(`${this.#resourceName} #${index}`, `Resource SchemaURL: ${schemaUrl}`);
    pushAttributes(this.lines, "Resource attributes", resource?.attributes);
    pushEntityRefs(this.lines, resource?.entityRefs);
  }

  scope(index: number, _resourceIndex: number, { scope, schemaUrl = "" }: ScopeHead): void {
    this.lines.push(
      `${this.#scopeName} #${index}`,
      `${this.#scopeName} SchemaURL: ${schemaUrl}`,
      `InstrumentationScope ${scope?.name ?? ""} ${scope?.version ?? ""}`,
    );
    pushAttributes(this.lines, "InstrumentationScope attributes", scope?.attributes);
  }
}

class TraceLines extends HeadLines {
  constructor(lines: string[]) {
    super(lines, "ResourceSpans", "ScopeSpans");
  }

  item(index: number, span: Span): void {
    const { lines } = this;
    const field = (name: string, value: string | number = "") =>
      lines.push(`    ${name.padEnd(15)}: ${value}`);
    lines.push(`Span #${index}`);
    field("Trace ID", idText(span.traceId));
    field("Parent ID", idText(span.parentSpanId));
    field("ID", idText(span.spanId));
    field("Name", span.name);
    field("Kind", enumName("spanKind", span.kind));
    if (span.traceState !== undefined) field("TraceState", span.traceState);
    field("Start time", formatTimestamp(span.startTimeUnixNano ?? "0"));
    field("End time", formatTimestamp(span.endTimeUnixNano ?? "0"));
    field("Status code", enumName("statusCode", span.status?.code));
    field("Status message", span.status?.message);
    field("DroppedAttributesCount", span.droppedAttributesCount ?? 0);
    field("DroppedEventsCount", span.droppedEventsCount ?? 0);
    field("DroppedLinksCount", span.droppedLinksCount ?? 0);
    pushAttributes(lines, "Attributes", span.attributes);
    pushEvents(lines, span.events ?? []);
    pushLinks(lines, span.links ?? []);
  }
}

class MetricsLines extends HeadLines {
  constructor(lines: string[]) {
    super(lines, "ResourceMetrics", "ScopeMetrics");
  }

  item(index: number, metric: Metric): void {
    metricLines(this.lines, index, metric);
  }
}

class LogLines extends HeadLines {
  constructor(lines: string[]) {
    super(lines, "ResourceLog", "ScopeLogs");
  }

  item(index: number, record: LogRecord): void {
    const { lines } = this;
    const severity = record.severityNumber ?? 0;
    lines.push(
      `LogRecord #${index}`,
      `ObservedTimestamp: ${formatTimestamp(record.observedTimeUnixNano ?? "0")}`,
      `Timestamp: ${formatTimestamp(record.timeUnixNano ?? "0")}`,
      `SeverityText: ${record.severityText ?? ""}`,
      `SeverityNumber: ${enumName("severity", severity)}(${severity})`,
    );
    if (record.eventName !== undefined) lines.push(`EventName: ${record.eventName}`);
    lines.push(`Body: ${typedText(record.body)}`);
    pushAttributes(lines, "Attributes", record.attributes);
    lines.push(
      `Trace ID: ${idText(record.traceId)}`,
      `Span ID: ${idText(record.spanId)}`,
      `Flags: ${record.flags ?? 0}`,
    );
  }
}

function pushEntityRefs(lines: string[], refs: readonly EntityRef[] = []): void {
  if (refs.length === 0) return;
  lines.push("Resource entity refs:");
  refs.forEach((ref, index) => {
    lines.push(`     -> Entity ref #${index}:`, `          -> Type: ${ref.type ?? ""}`);
    if (ref.schemaUrl !== undefined) lines.push(`          -> Schema URL: ${ref.schemaUrl}`);
    pushKeys(lines, "ID keys", ref.idKeys);
    pushKeys(lines, "Description keys", ref.descriptionKeys);
  });
}

function pushKeys(lines: string[], name: string, keys: readonly string[] = []): void {
  if (keys.length === 0) return;
  lines.push(`          -> ${name}:`, ...keys.map((key) => `               -> ${key}`));
}

function pushEvents(lines: string[], events: readonly SpanEvent[]): void {
  if (events.length === 0) return;
  lines.push("Events:");
  events.forEach((event, index) => {
    lines.push(
      `SpanEvent #${index}`,
      `     -> Name: ${event.name ?? ""}`,
      `     -> Timestamp: ${formatTimestamp(event.timeUnixNano ?? "0")}`,
      `     -> DroppedAttributesCount: ${event.droppedAttributesCount ?? 0}`,
    );
    // The second colon is the Collector's.
    pushAttributes(lines, "     -> Attributes:", event.attributes);
  });
}

function pushLinks(lines: string[], links: readonly SpanLink[]): void {
  if (links.length === 0) return;
  lines.push("Links:");
  links.forEach((link, index) => {
    lines.push(
      `SpanLink #${index}`,
      `     -> Trace ID: ${idText(link.traceId)}`,
      `     -> ID: ${idText(link.spanId)}`,
      `     -> TraceState: ${link.traceState ?? ""}`,
      `     -> DroppedAttributesCount: ${link.droppedAttributesCount ?? 0}`,
    );
    pushAttributes(lines, "     -> Attributes:", link.attributes);
  });
}
