/**
 * Load shapes for the benches and for tests that need realistic requests. Fields are written in ascending
 * order, key before value, as SDKs do; `descending` gives the Collector's order.
 */
import type { Signal } from "../src/pdata/payload.ts";
import { Writer } from "../src/pdata/wire.ts";

export const startNs = 1_800_000_000_000_000_000n;
export const nowNs = 1_800_003_600_000_000_000n;

/** Writes the fields of one message in the given order. */
type Fields = readonly (() => void)[];

/** Which order a shape's fields have: as SDKs write them, or as the Collector does. */
export type FieldOrder = "ascending" | "descending";

class Shape {
  readonly w = new Writer(1 << 16);
  readonly #descending: boolean;

  constructor(order: FieldOrder) {
    this.#descending = order === "descending";
  }

  message(number: number, lengthBytes: number, fields: Fields): void {
    const at = this.w.begin(number, lengthBytes);
    this.fields(fields);
    this.w.end(at);
  }

  fields(fields: Fields): void {
    if (this.#descending) for (let i = fields.length - 1; i >= 0; i--) fields[i]!();
    else for (const field of fields) field();
  }

  attribute(number: number, key: string, value: string | number): void {
    this.message(number, 1, [
      () => this.w.string(1, key),
      () => this.message(2, 1, [() => this.#value(value)]),
    ]);
  }

  #value(value: string | number): void {
    if (typeof value === "string") return this.w.string(1, value);
    this.w.tag(3, 0);
    this.w.varint(value);
  }

  fixed64(number: number, value: bigint): void {
    this.w.tag(number, 1);
    this.w.fixed64(value);
  }

  double(number: number, value: number): void {
    this.w.tag(number, 1);
    this.w.double(value);
  }

  varint(number: number, value: number): void {
    this.w.tag(number, 0);
    this.w.varint(value);
  }

  id(number: number, length: number, seed: number): void {
    const id = Buffer.alloc(length, 7);
    id.writeUInt32LE(seed + 1);
    this.w.lengthDelimited(number, id);
  }

  /** A request of one resource and one scope around the given scope members. */
  request(resource: number, members: Fields): Uint8Array {
    this.message(1, 3, [
      () =>
        this.message(1, 2, [
          () => this.attribute(1, "service.name", "checkout"),
          () => this.attribute(1, "service.instance.id", `host-${resource}`),
          () => this.attribute(1, "deployment.environment", "production"),
          () => this.attribute(1, "host.name", `node-${pad(resource, 3)}.example.internal`),
        ]),
      () =>
        this.message(2, 3, [
          () => this.message(1, 1, [() => this.w.string(1, "load")]),
          ...members,
        ]),
    ]);
    return this.w.take();
  }
}

const pad = (value: number, width: number) => String(value).padStart(width, "0");
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** 100 metrics of 7 integer gauge points, whose two attributes never repeat (the Collector's testbed). */
export function testbedMetrics(requestIndex: number, order: FieldOrder = "ascending"): Uint8Array {
  const s = new Shape(order);
  const metric = (m: number) => () =>
    s.message(2, 2, [
      () => s.w.string(1, `load_generator_${m}`),
      () => s.w.string(2, `Load Generator Counter #${m}`),
      () =>
        s.message(
          5,
          2,
          range(7).map((k) => testbedPoint(s, requestIndex, m * 7 + k)),
        ),
    ]);
  return s.request(requestIndex % 10, range(100).map(metric));
}

function testbedPoint(s: Shape, requestIndex: number, point: number): () => void {
  const unique = pad((requestIndex * 700 + point) % 1_000_000_000, 9);
  return () =>
    s.message(1, 1, [
      () => s.fixed64(2, startNs),
      () => s.fixed64(3, nowNs),
      () => s.fixed64(6, BigInt(requestIndex + point)),
      () => s.attribute(7, "item_index", `item_${unique}`),
      () => s.attribute(7, "batch_index", `batch_${unique}`),
    ]);
}

const delta = 1;
const cumulative = 2;
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** 10 metrics, `points` in all, five attributes that repeat from request to request, 30 % histograms. */
export function repeatMetrics(
  requestIndex: number,
  points = 1000,
  order: FieldOrder = "ascending",
  resources = 10,
  temporality = cumulative,
): Uint8Array {
  const s = new Shape(order);
  const perMetric = points / 10;
  const metric = (m: number) => () =>
    s.message(2, 3, [
      () => s.w.string(1, `http.server.metric.${m}`),
      () => s.w.string(3, "s"),
      () => (m < 3 ? histogram : sum)(s, perMetric, requestIndex, temporality),
    ]);
  return s.request(requestIndex % resources, range(10).map(metric));
}

function sum(s: Shape, points: number, requestIndex: number, temporality: number): void {
  const point = (k: number) => () =>
    s.message(1, 2, [
      () => s.fixed64(2, startNs),
      () => s.fixed64(3, nowNs),
      () => s.double(4, k * requestIndex + 0.5),
      () => repeatAttributes(s, 7, k),
    ]);
  const traits = [() => s.varint(2, temporality), () => s.varint(3, 1)];
  s.message(7, 3, [...range(points).map(point), ...traits]);
}

function histogram(s: Shape, points: number, requestIndex: number, temporality: number): void {
  const point = (k: number) => () =>
    s.message(1, 2, [
      () => s.fixed64(2, startNs),
      () => s.fixed64(3, nowNs),
      () => s.fixed64(4, BigInt(1000 + k + requestIndex)),
      () => s.double(5, k * 1.7),
      () => packed(s, 6, [1, 2, 30, 400, 200, 100, 50, 20, 5, 1, requestIndex].map(BigInt)),
      () => packed(s, 7, bounds),
      () => repeatAttributes(s, 9, k),
    ]);
  s.message(9, 3, [...range(points).map(point), () => s.varint(2, temporality)]);
}

function packed(s: Shape, number: number, values: readonly (bigint | number)[]): void {
  const at = s.w.begin(number, 1);
  for (const value of values) {
    if (typeof value === "bigint") s.w.fixed64(value);
    else s.w.double(value);
  }
  s.w.end(at);
}

function repeatAttributes(s: Shape, number: number, k: number): void {
  s.fields([
    () => s.attribute(number, "http.request.method", ["GET", "POST", "PUT"][k % 3]!),
    () => s.attribute(number, "http.route", `/v1/resource/${k % 25}/items`),
    () => s.attribute(number, "http.response.status_code", [200, 201, 404, 500][k % 4]!),
    () => s.attribute(number, "server.address", `shard-${k}.example.internal`),
    () => s.attribute(number, "network.protocol.version", "1.1"),
  ]);
}

/** n spans of 4 to 10 attributes with one event each. */
export function spans(n: number, requestIndex = 0, order: FieldOrder = "ascending"): Uint8Array {
  const s = new Shape(order);
  const span = (k: number) => () =>
    s.message(2, 2, [
      () => s.id(1, 16, k >> 3),
      () => s.id(2, 8, k),
      () => s.id(4, 8, k >> 1),
      () => s.w.string(5, "GET /v1/checkout/{id}"),
      () => s.varint(6, 2),
      () => s.fixed64(7, startNs),
      () => s.fixed64(8, nowNs),
      ...range(4 + (k % 7)).map((a) => () => spanAttribute(s, a, requestIndex * n + k)),
      () => spanEvent(s),
      () => s.message(15, 1, [() => s.varint(3, 1)]),
      () => {
        s.w.tag(16, 5);
        s.w.fixed32(0x101);
      },
    ]);
  return s.request(requestIndex % 10, range(n).map(span));
}

function spanAttribute(s: Shape, index: number, unique: number): void {
  if (index === 0) return s.attribute(9, "http.request.method", "GET");
  if (index === 1) return s.attribute(9, "http.response.status_code", 200);
  if (index === 2) return s.attribute(9, "http.route", "/v1/checkout/{id}");
  s.attribute(9, `app.attribute.${index}`, `value-${pad(unique, 9)}`);
}

function spanEvent(s: Shape): void {
  s.message(11, 2, [
    () => s.fixed64(1, nowNs),
    () => s.w.string(2, "exception"),
    () => s.attribute(3, "exception.type", "TimeoutError"),
    () => s.attribute(3, "exception.message", "the backend did not answer in time"),
  ]);
}

/** n log records with a text body and three attributes. */
export function logs(n: number, requestIndex = 0, order: FieldOrder = "ascending"): Uint8Array {
  const s = new Shape(order);
  const record = (k: number) => () =>
    s.message(2, 2, [
      () => s.fixed64(1, nowNs),
      () => s.varint(2, 9),
      () => s.w.string(3, "INFO"),
      () =>
        s.message(5, 1, [
          () =>
            s.w.string(
              1,
              `request finished for customer item_${pad(requestIndex * n + k, 9)} in 12 ms`,
            ),
        ]),
      () => s.attribute(6, "http.route", "/v1/checkout/{id}"),
      () => s.attribute(6, "thread", "worker-7"),
      () => s.attribute(6, "code", 200),
      () => s.fixed64(11, nowNs),
    ]);
  return s.request(requestIndex % 10, range(n).map(record));
}

/** The shapes by name: `make(requestIndex, size)` gives a request of about `size` items. */
export const shapes = {
  testbed: { signal: "metrics", make: (i: number) => testbedMetrics(i) },
  repeat: {
    signal: "metrics",
    make: (i: number, size: number, resources?: number) =>
      repeatMetrics(i, size, "ascending", resources),
  },
  /** repeat, with times that go on from sending to sending (bench/requests.ts). */
  cumulative: {
    signal: "metrics",
    make: (i: number, size: number, resources?: number) =>
      repeatMetrics(i, size, "ascending", resources),
    timed: "cumulative",
  },
  delta: {
    signal: "metrics",
    make: (i: number, size: number, resources?: number) =>
      repeatMetrics(i, size, "ascending", resources, delta),
    timed: "delta",
  },
  spans: { signal: "traces", make: (i: number, size: number) => spans(size, i) },
  logs: { signal: "logs", make: (i: number, size: number) => logs(size, i) },
} as const satisfies Record<
  string,
  {
    signal: Signal;
    make: (requestIndex: number, size: number, resources?: number) => Uint8Array;
    /** Times go on: of cumulative points the time, of deltas also the start. */
    timed?: "cumulative" | "delta";
  }
>;

export type ShapeName = keyof typeof shapes;
