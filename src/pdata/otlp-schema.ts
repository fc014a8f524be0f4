/**
 * The OTLP messages (opentelemetry-proto v1.10) as a table: one source for the verifier, the JSON codec and
 * the tests. Field numbers and kinds are the proto's; `name` is the JSON name (lowerCamelCase).
 */
export type FieldKind =
  | "message"
  | "string"
  | "bytes"
  | "traceId" // bytes, 0 or 16, hex in JSON
  | "spanId" // bytes, 0 or 8, hex in JSON
  | "bool"
  | "enum"
  | "int32"
  | "uint32"
  | "sint32"
  | "int64" // varint; text in JSON
  | "uint64"
  | "fixed32"
  | "fixed64" // text in JSON
  | "sfixed64"
  | "double";

export interface Field {
  readonly number: number;
  readonly name: string;
  readonly kind: FieldKind;
  /** Name of the message, for kind message. */
  readonly message?: MessageName;
  readonly repeated?: true;
  /** Scalars of a repeated field are packed by default; both forms are read. */
  readonly packed?: true;
  /** Presence is explicit: proto3 `optional`, or a member of a oneof. */
  readonly presence?: true;
  readonly oneof?: string;
}

const f = (number: number, name: string, kind: FieldKind): Field => ({ number, name, kind });
const msg = (number: number, name: string, message: MessageName): Field => ({
  number,
  name,
  kind: "message",
  message,
});
const many = (number: number, name: string, message: MessageName): Field => ({
  ...msg(number, name, message),
  repeated: true,
});
const packed = (number: number, name: string, kind: FieldKind): Field => ({
  number,
  name,
  kind,
  repeated: true,
  packed: true,
});
const opt = (number: number, name: string, kind: FieldKind): Field => ({
  number,
  name,
  kind,
  presence: true,
});
const one = (oneof: string, field: Field): Field => ({ ...field, oneof, presence: true });

export type MessageName = keyof typeof messageNames;

const messageNames = {
  ExportTraceServiceRequest: 0,
  ExportMetricsServiceRequest: 0,
  ExportLogsServiceRequest: 0,
  ResourceSpans: 0,
  ResourceMetrics: 0,
  ResourceLogs: 0,
  ScopeSpans: 0,
  ScopeMetrics: 0,
  ScopeLogs: 0,
  Resource: 0,
  EntityRef: 0,
  InstrumentationScope: 0,
  KeyValue: 0,
  AnyValue: 0,
  ArrayValue: 0,
  KeyValueList: 0,
  Span: 0,
  SpanEvent: 0,
  SpanLink: 0,
  Status: 0,
  LogRecord: 0,
  Metric: 0,
  Gauge: 0,
  Sum: 0,
  Histogram: 0,
  ExponentialHistogram: 0,
  Summary: 0,
  NumberDataPoint: 0,
  HistogramDataPoint: 0,
  ExponentialHistogramDataPoint: 0,
  Buckets: 0,
  SummaryDataPoint: 0,
  ValueAtQuantile: 0,
  Exemplar: 0,
} as const;

export const otlpMessages: Readonly<Record<MessageName, readonly Field[]>> = {
  ExportTraceServiceRequest: [many(1, "resourceSpans", "ResourceSpans")],
  ExportMetricsServiceRequest: [many(1, "resourceMetrics", "ResourceMetrics")],
  ExportLogsServiceRequest: [many(1, "resourceLogs", "ResourceLogs")],

  // Field 1000 of the three is the old scope list (instrumentation library); read only where field 2 is absent.
  ResourceSpans: [
    msg(1, "resource", "Resource"),
    many(2, "scopeSpans", "ScopeSpans"),
    f(3, "schemaUrl", "string"),
    many(1000, "deprecatedScopeSpans", "ScopeSpans"),
  ],
  ResourceMetrics: [
    msg(1, "resource", "Resource"),
    many(2, "scopeMetrics", "ScopeMetrics"),
    f(3, "schemaUrl", "string"),
    many(1000, "deprecatedScopeMetrics", "ScopeMetrics"),
  ],
  ResourceLogs: [
    msg(1, "resource", "Resource"),
    many(2, "scopeLogs", "ScopeLogs"),
    f(3, "schemaUrl", "string"),
    many(1000, "deprecatedScopeLogs", "ScopeLogs"),
  ],
  ScopeSpans: [
    msg(1, "scope", "InstrumentationScope"),
    many(2, "spans", "Span"),
    f(3, "schemaUrl", "string"),
  ],
  ScopeMetrics: [
    msg(1, "scope", "InstrumentationScope"),
    many(2, "metrics", "Metric"),
    f(3, "schemaUrl", "string"),
  ],
  ScopeLogs: [
    msg(1, "scope", "InstrumentationScope"),
    many(2, "logRecords", "LogRecord"),
    f(3, "schemaUrl", "string"),
  ],

  Resource: [
    many(1, "attributes", "KeyValue"),
    f(2, "droppedAttributesCount", "uint32"),
    many(3, "entityRefs", "EntityRef"),
  ],
  EntityRef: [
    f(1, "schemaUrl", "string"),
    f(2, "type", "string"),
    { ...f(3, "idKeys", "string"), repeated: true },
    { ...f(4, "descriptionKeys", "string"), repeated: true },
  ],
  InstrumentationScope: [
    f(1, "name", "string"),
    f(2, "version", "string"),
    many(3, "attributes", "KeyValue"),
    f(4, "droppedAttributesCount", "uint32"),
  ],
  KeyValue: [f(1, "key", "string"), msg(2, "value", "AnyValue")],
  AnyValue: [
    one("value", f(1, "stringValue", "string")),
    one("value", f(2, "boolValue", "bool")),
    one("value", f(3, "intValue", "int64")),
    one("value", f(4, "doubleValue", "double")),
    one("value", msg(5, "arrayValue", "ArrayValue")),
    one("value", msg(6, "kvlistValue", "KeyValueList")),
    one("value", f(7, "bytesValue", "bytes")),
  ],
  ArrayValue: [many(1, "values", "AnyValue")],
  KeyValueList: [many(1, "values", "KeyValue")],

  Span: [
    f(1, "traceId", "traceId"),
    f(2, "spanId", "spanId"),
    f(3, "traceState", "string"),
    f(4, "parentSpanId", "spanId"),
    f(5, "name", "string"),
    f(6, "kind", "enum"),
    f(7, "startTimeUnixNano", "fixed64"),
    f(8, "endTimeUnixNano", "fixed64"),
    many(9, "attributes", "KeyValue"),
    f(10, "droppedAttributesCount", "uint32"),
    many(11, "events", "SpanEvent"),
    f(12, "droppedEventsCount", "uint32"),
    many(13, "links", "SpanLink"),
    f(14, "droppedLinksCount", "uint32"),
    msg(15, "status", "Status"),
    f(16, "flags", "fixed32"),
  ],
  SpanEvent: [
    f(1, "timeUnixNano", "fixed64"),
    f(2, "name", "string"),
    many(3, "attributes", "KeyValue"),
    f(4, "droppedAttributesCount", "uint32"),
  ],
  SpanLink: [
    f(1, "traceId", "traceId"),
    f(2, "spanId", "spanId"),
    f(3, "traceState", "string"),
    many(4, "attributes", "KeyValue"),
    f(5, "droppedAttributesCount", "uint32"),
    f(6, "flags", "fixed32"),
  ],
  Status: [f(2, "message", "string"), f(3, "code", "enum")],

  LogRecord: [
    f(1, "timeUnixNano", "fixed64"),
    f(2, "severityNumber", "enum"),
    f(3, "severityText", "string"),
    msg(5, "body", "AnyValue"),
    many(6, "attributes", "KeyValue"),
    f(7, "droppedAttributesCount", "uint32"),
    f(8, "flags", "fixed32"),
    f(9, "traceId", "traceId"),
    f(10, "spanId", "spanId"),
    f(11, "observedTimeUnixNano", "fixed64"),
    f(12, "eventName", "string"),
  ],

  Metric: [
    f(1, "name", "string"),
    f(2, "description", "string"),
    f(3, "unit", "string"),
    one("data", msg(5, "gauge", "Gauge")),
    one("data", msg(7, "sum", "Sum")),
    one("data", msg(9, "histogram", "Histogram")),
    one("data", msg(10, "exponentialHistogram", "ExponentialHistogram")),
    one("data", msg(11, "summary", "Summary")),
    many(12, "metadata", "KeyValue"),
  ],
  Gauge: [many(1, "dataPoints", "NumberDataPoint")],
  Sum: [
    many(1, "dataPoints", "NumberDataPoint"),
    f(2, "aggregationTemporality", "enum"),
    f(3, "isMonotonic", "bool"),
  ],
  Histogram: [many(1, "dataPoints", "HistogramDataPoint"), f(2, "aggregationTemporality", "enum")],
  ExponentialHistogram: [
    many(1, "dataPoints", "ExponentialHistogramDataPoint"),
    f(2, "aggregationTemporality", "enum"),
  ],
  Summary: [many(1, "dataPoints", "SummaryDataPoint")],
  NumberDataPoint: [
    f(2, "startTimeUnixNano", "fixed64"),
    f(3, "timeUnixNano", "fixed64"),
    one("value", f(4, "asDouble", "double")),
    many(5, "exemplars", "Exemplar"),
    one("value", f(6, "asInt", "sfixed64")),
    many(7, "attributes", "KeyValue"),
    f(8, "flags", "uint32"),
  ],
  HistogramDataPoint: [
    f(2, "startTimeUnixNano", "fixed64"),
    f(3, "timeUnixNano", "fixed64"),
    f(4, "count", "fixed64"),
    opt(5, "sum", "double"),
    packed(6, "bucketCounts", "fixed64"),
    packed(7, "explicitBounds", "double"),
    many(8, "exemplars", "Exemplar"),
    many(9, "attributes", "KeyValue"),
    f(10, "flags", "uint32"),
    opt(11, "min", "double"),
    opt(12, "max", "double"),
  ],
  ExponentialHistogramDataPoint: [
    many(1, "attributes", "KeyValue"),
    f(2, "startTimeUnixNano", "fixed64"),
    f(3, "timeUnixNano", "fixed64"),
    f(4, "count", "fixed64"),
    opt(5, "sum", "double"),
    f(6, "scale", "sint32"),
    f(7, "zeroCount", "fixed64"),
    msg(8, "positive", "Buckets"),
    msg(9, "negative", "Buckets"),
    f(10, "flags", "uint32"),
    many(11, "exemplars", "Exemplar"),
    opt(12, "min", "double"),
    opt(13, "max", "double"),
    f(14, "zeroThreshold", "double"),
  ],
  Buckets: [f(1, "offset", "sint32"), packed(2, "bucketCounts", "uint64")],
  SummaryDataPoint: [
    f(2, "startTimeUnixNano", "fixed64"),
    f(3, "timeUnixNano", "fixed64"),
    f(4, "count", "fixed64"),
    f(5, "sum", "double"),
    many(6, "quantileValues", "ValueAtQuantile"),
    many(7, "attributes", "KeyValue"),
    f(8, "flags", "uint32"),
  ],
  ValueAtQuantile: [f(1, "quantile", "double"), f(2, "value", "double")],
  Exemplar: [
    f(2, "timeUnixNano", "fixed64"),
    one("value", f(3, "asDouble", "double")),
    f(4, "spanId", "spanId"),
    f(5, "traceId", "traceId"),
    one("value", f(6, "asInt", "sfixed64")),
    many(7, "filteredAttributes", "KeyValue"),
  ],
};

/** The request message of each signal. */
export const requestMessages = {
  traces: "ExportTraceServiceRequest",
  metrics: "ExportMetricsServiceRequest",
  logs: "ExportLogsServiceRequest",
} as const;
