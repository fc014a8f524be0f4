/**
 * The OTLP messages for protobufjs, a foreign codec for tests: written from opentelemetry-proto's own files,
 * not from src/pdata/otlp-schema.ts, so that each checks the other.
 */
import protobuf from "protobufjs";
import type { MessageName } from "../../src/pdata/otlp-schema.ts";
import type { Signal } from "../../src/pdata/payload.ts";

const proto = `
syntax = "proto3";
message ExportTraceServiceRequest { repeated ResourceSpans resource_spans = 1; }
message ExportMetricsServiceRequest { repeated ResourceMetrics resource_metrics = 1; }
message ExportLogsServiceRequest { repeated ResourceLogs resource_logs = 1; }

message ResourceSpans {
  Resource resource = 1;
  repeated ScopeSpans scope_spans = 2;
  string schema_url = 3;
  repeated ScopeSpans deprecated_scope_spans = 1000;
}
message ResourceMetrics {
  Resource resource = 1;
  repeated ScopeMetrics scope_metrics = 2;
  string schema_url = 3;
  repeated ScopeMetrics deprecated_scope_metrics = 1000;
}
message ResourceLogs {
  Resource resource = 1;
  repeated ScopeLogs scope_logs = 2;
  string schema_url = 3;
  repeated ScopeLogs deprecated_scope_logs = 1000;
}
message ScopeSpans { InstrumentationScope scope = 1; repeated Span spans = 2; string schema_url = 3; }
message ScopeMetrics { InstrumentationScope scope = 1; repeated Metric metrics = 2; string schema_url = 3; }
message ScopeLogs { InstrumentationScope scope = 1; repeated LogRecord log_records = 2; string schema_url = 3; }

message Resource {
  repeated KeyValue attributes = 1;
  uint32 dropped_attributes_count = 2;
  repeated EntityRef entity_refs = 3;
}
message EntityRef {
  string schema_url = 1;
  string type = 2;
  repeated string id_keys = 3;
  repeated string description_keys = 4;
}
message InstrumentationScope {
  string name = 1;
  string version = 2;
  repeated KeyValue attributes = 3;
  uint32 dropped_attributes_count = 4;
}
message KeyValue { string key = 1; AnyValue value = 2; }
message AnyValue {
  oneof value {
    string string_value = 1;
    bool bool_value = 2;
    int64 int_value = 3;
    double double_value = 4;
    ArrayValue array_value = 5;
    KeyValueList kvlist_value = 6;
    bytes bytes_value = 7;
  }
}
message ArrayValue { repeated AnyValue values = 1; }
message KeyValueList { repeated KeyValue values = 1; }

message Span {
  bytes trace_id = 1;
  bytes span_id = 2;
  string trace_state = 3;
  bytes parent_span_id = 4;
  string name = 5;
  int32 kind = 6;
  fixed64 start_time_unix_nano = 7;
  fixed64 end_time_unix_nano = 8;
  repeated KeyValue attributes = 9;
  uint32 dropped_attributes_count = 10;
  repeated SpanEvent events = 11;
  uint32 dropped_events_count = 12;
  repeated SpanLink links = 13;
  uint32 dropped_links_count = 14;
  Status status = 15;
  fixed32 flags = 16;
}
message SpanEvent {
  fixed64 time_unix_nano = 1;
  string name = 2;
  repeated KeyValue attributes = 3;
  uint32 dropped_attributes_count = 4;
}
message SpanLink {
  bytes trace_id = 1;
  bytes span_id = 2;
  string trace_state = 3;
  repeated KeyValue attributes = 4;
  uint32 dropped_attributes_count = 5;
  fixed32 flags = 6;
}
message Status { reserved 1; string message = 2; int32 code = 3; }

message LogRecord {
  reserved 4;
  fixed64 time_unix_nano = 1;
  int32 severity_number = 2;
  string severity_text = 3;
  AnyValue body = 5;
  repeated KeyValue attributes = 6;
  uint32 dropped_attributes_count = 7;
  fixed32 flags = 8;
  bytes trace_id = 9;
  bytes span_id = 10;
  fixed64 observed_time_unix_nano = 11;
  string event_name = 12;
}

message Metric {
  reserved 4, 6, 8;
  string name = 1;
  string description = 2;
  string unit = 3;
  oneof data {
    Gauge gauge = 5;
    Sum sum = 7;
    Histogram histogram = 9;
    ExponentialHistogram exponential_histogram = 10;
    Summary summary = 11;
  }
  repeated KeyValue metadata = 12;
}
message Gauge { repeated NumberDataPoint data_points = 1; }
message Sum {
  repeated NumberDataPoint data_points = 1;
  int32 aggregation_temporality = 2;
  bool is_monotonic = 3;
}
message Histogram { repeated HistogramDataPoint data_points = 1; int32 aggregation_temporality = 2; }
message ExponentialHistogram {
  repeated ExponentialHistogramDataPoint data_points = 1;
  int32 aggregation_temporality = 2;
}
message Summary { repeated SummaryDataPoint data_points = 1; }

message NumberDataPoint {
  reserved 1;
  fixed64 start_time_unix_nano = 2;
  fixed64 time_unix_nano = 3;
  oneof value { double as_double = 4; sfixed64 as_int = 6; }
  repeated Exemplar exemplars = 5;
  repeated KeyValue attributes = 7;
  uint32 flags = 8;
}
message HistogramDataPoint {
  reserved 1;
  fixed64 start_time_unix_nano = 2;
  fixed64 time_unix_nano = 3;
  fixed64 count = 4;
  optional double sum = 5;
  repeated fixed64 bucket_counts = 6;
  repeated double explicit_bounds = 7;
  repeated Exemplar exemplars = 8;
  repeated KeyValue attributes = 9;
  uint32 flags = 10;
  optional double min = 11;
  optional double max = 12;
}
message ExponentialHistogramDataPoint {
  repeated KeyValue attributes = 1;
  fixed64 start_time_unix_nano = 2;
  fixed64 time_unix_nano = 3;
  fixed64 count = 4;
  optional double sum = 5;
  sint32 scale = 6;
  fixed64 zero_count = 7;
  Buckets positive = 8;
  Buckets negative = 9;
  uint32 flags = 10;
  repeated Exemplar exemplars = 11;
  optional double min = 12;
  optional double max = 13;
  double zero_threshold = 14;
}
message Buckets { sint32 offset = 1; repeated uint64 bucket_counts = 2; }
message SummaryDataPoint {
  reserved 1;
  fixed64 start_time_unix_nano = 2;
  fixed64 time_unix_nano = 3;
  fixed64 count = 4;
  double sum = 5;
  repeated ValueAtQuantile quantile_values = 6;
  repeated KeyValue attributes = 7;
  uint32 flags = 8;
}
message ValueAtQuantile { double quantile = 1; double value = 2; }
message Exemplar {
  reserved 1;
  fixed64 time_unix_nano = 2;
  oneof value { double as_double = 3; sfixed64 as_int = 6; }
  bytes span_id = 4;
  bytes trace_id = 5;
  repeated KeyValue filtered_attributes = 7;
}
`;

const { root } = protobuf.parse(proto);

export function protoType(name: MessageName): protobuf.Type {
  return root.lookupType(name);
}

export const requestTypes: Readonly<Record<Signal, protobuf.Type>> = {
  traces: protoType("ExportTraceServiceRequest"),
  metrics: protoType("ExportMetricsServiceRequest"),
  logs: protoType("ExportLogsServiceRequest"),
};

/** The same with every text as bytes: protobufjs refuses invalid UTF-8, the Collector and we do not. */
const { root: lenientRoot } = protobuf.parse(proto.replaceAll(/\bstring (?=[a-z])/gu, "bytes "));

type Json = Record<string, unknown>;

/** What the foreign codec reads: 64-bit integers and bytes as text, only the fields that are there. */
export function decodeForeign(signal: Signal, bytes: Uint8Array): Json {
  const type = requestTypes[signal];
  return type.toObject(type.decode(bytes), { longs: String, bytes: String });
}

/** Items of a request as the foreign codec counts them, whatever its texts are. */
export function countForeignBytes(signal: Signal, bytes: Uint8Array): number {
  const type = lenientRoot.lookupType(requestTypes[signal].name);
  return countForeign(signal, type.toObject(type.decode(bytes), { longs: String, bytes: String }));
}

const list = (value: unknown): Json[] => (Array.isArray(value) ? value : []);
const names = {
  traces: ["resourceSpans", "scopeSpans", "deprecatedScopeSpans", "spans"],
  metrics: ["resourceMetrics", "scopeMetrics", "deprecatedScopeMetrics", "metrics"],
  logs: ["resourceLogs", "scopeLogs", "deprecatedScopeLogs", "logRecords"],
} as const;
const dataMembers = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];

/** Items as the foreign codec sees them. */
export function countForeign(signal: Signal, request: Json): number {
  const [resources, scopes, oldScopes, members] = names[signal];
  let items = 0;
  for (const resource of list(request[resources])) {
    const current = list(resource[scopes]);
    const lists = current.length > 0 ? current : list(resource[oldScopes]);
    for (const member of lists.flatMap((scope) => list(scope[members]))) {
      items += signal === "metrics" ? pointsOf(member).length : 1;
    }
  }
  return items;
}

function pointsOf(metric: Json): Json[] {
  const data = dataMembers.map((name) => metric[name]).find((value) => value !== undefined);
  const isObject = typeof data === "object" && data !== null && "dataPoints" in data;
  return isObject ? list(data.dataPoints) : [];
}
