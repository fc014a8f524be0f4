import { spans } from "../../bench/shapes.ts";
import { createPayload, type Payload, type Signal } from "../../src/pdata/payload.ts";
import { verify } from "../../src/pdata/verify.ts";
import { Cursor, Writer, wireFixed64 } from "../../src/pdata/wire.ts";

/** One request with a log record for each name; the name is the record's body. */
export function logsPayload(names: readonly string[]): Payload<"logs"> {
  const w = new Writer();
  const resource = w.begin(1);
  const scope = w.begin(2);
  for (const name of names) {
    const record = w.begin(2);
    const body = w.begin(5);
    w.string(1, name);
    w.end(body);
    w.end(record);
  }
  w.end(scope);
  w.end(resource);
  return createPayload("logs", [w.take()], [names.length]);
}

/** One request of any signal with so many items; log records and metrics are named `<name>0`, `<name>1` … */
export function requestOf(signal: Signal, items: number, name = "log"): Payload {
  if (signal === "logs") return logsPayload(Array.from({ length: items }, (_, i) => `${name}${i}`));
  const bytes = signal === "traces" ? spans(items) : gauges(items, name);
  return createPayload(signal, [bytes], [verify(signal, bytes)]);
}

/** Gauges with one integer point each. */
function gauges(count: number, name: string): Uint8Array {
  const w = new Writer();
  const resource = w.begin(1);
  const scope = w.begin(2);
  for (let i = 0; i < count; i++) {
    const metric = w.begin(2);
    w.string(1, `${name}${i}`);
    const gauge = w.begin(5);
    const point = w.begin(1);
    w.tag(3, wireFixed64);
    w.fixed64(1_700_000_000_000_000_000n);
    w.tag(6, wireFixed64);
    w.fixed64(BigInt(i));
    w.end(point);
    w.end(gauge);
    w.end(metric);
  }
  w.end(scope);
  w.end(resource);
  return w.take();
}

/** The bodies of all log records of a payload, in order. */
export function bodiesOf(payload: Payload): string[] {
  const names: string[] = [];
  for (const part of payload.parts) {
    for (const resource of children(part, 1))
      for (const scope of children(resource, 2))
        for (const record of children(scope, 2))
          for (const body of children(record, 5))
            for (const text of children(body, 1)) names.push(Buffer.from(text).toString());
  }
  return names;
}

/** The names of all metrics of a payload, in order. */
export function metricNamesOf(payload: Payload): string[] {
  return payload.parts
    .flatMap((part) => children(part, 1))
    .flatMap((resource) => children(resource, 2))
    .flatMap((scope) => children(scope, 2))
    .flatMap((metric) => children(metric, 1))
    .map((name) => Buffer.from(name).toString());
}

function children(bytes: Uint8Array, number: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const cursor = new Cursor().reset(bytes);
  while (cursor.next()) if (cursor.number === number) found.push(cursor.view());
  return found;
}
