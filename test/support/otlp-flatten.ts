/**
 * A request as a list of items, each with everything around it, by a reader of its own: what an operation on
 * payloads must not change. Unknown fields are part of it; the order of fields within a message is not.
 */
import type { Payload, Signal } from "../../src/pdata/payload.ts";

interface RawField {
  readonly number: number;
  /** The whole field. */
  readonly bytes: Buffer;
  /** Of a length-delimited field. */
  readonly body: Buffer;
}

/** Fields of a message. */
export function fieldsOf(message: Buffer): RawField[] {
  const fields: RawField[] = [];
  for (let p = 0; p < message.length; ) {
    const start = p;
    const [tag, afterTag] = varintAt(message, p);
    const wireType = tag % 8;
    p = afterTag;
    let bodyStart = p;
    if (wireType === 0) p = varintAt(message, p)[1];
    else if (wireType === 1) p += 8;
    else if (wireType === 5) p += 4;
    else {
      const [length, afterLength] = varintAt(message, p);
      bodyStart = afterLength;
      p = afterLength + length;
    }
    fields.push({
      number: Math.floor(tag / 8),
      bytes: message.subarray(start, p),
      body: message.subarray(bodyStart, p),
    });
  }
  return fields;
}

function varintAt(b: Buffer, start: number): [value: number, end: number] {
  let value = 0;
  for (let p = start, factor = 1; ; p++, factor *= 128) {
    value += (b[p]! & 127) * factor;
    if (b[p]! < 128) return [value, p + 1];
  }
}

export interface FlatItem {
  readonly resource: string;
  readonly scope: string;
  /** The metric without its points; "" for spans and records. */
  readonly metric: string;
  readonly item: string;
}

const dataNumbers = new Set([5, 7, 9, 10, 11]);

/** The fields but the children, in no order. */
const frame = (fields: readonly RawField[], isChild: (number: number) => boolean) =>
  fields
    .filter((field) => !isChild(field.number))
    .map((field) => field.bytes.toString("hex"))
    .toSorted()
    .join(" ");

export function flatten(signal: Signal, request: Uint8Array): FlatItem[] {
  const items: FlatItem[] = [];
  for (const resource of children(Buffer.from(request), 1)) {
    const resourceFrame = frame(fieldsOf(resource), (n) => n === 2);
    for (const scope of children(resource, 2)) {
      const around = { resource: resourceFrame, scope: frame(fieldsOf(scope), (n) => n === 2) };
      for (const member of children(scope, 2)) {
        if (signal === "metrics") items.push(...pointsOf(member, around));
        else items.push({ ...around, metric: "", item: member.toString("hex") });
      }
    }
  }
  return items;
}

function pointsOf(metric: Buffer, around: { resource: string; scope: string }): FlatItem[] {
  const fields = fieldsOf(metric);
  const head = frame(fields, (n) => dataNumbers.has(n));
  return fields
    .filter((field) => dataNumbers.has(field.number))
    .flatMap((data) => {
      const dataFrame = frame(fieldsOf(data.body), (n) => n === 1);
      return children(data.body, 1).map((point) => ({
        ...around,
        metric: `${head} | ${data.number}: ${dataFrame}`,
        item: point.toString("hex"),
      }));
    });
}

const children = (message: Buffer, number: number) =>
  fieldsOf(message)
    .filter((field) => field.number === number)
    .map((field) => field.body);

export function flattenPayload(payload: Payload): FlatItem[] {
  return flatten(payload.signal, Buffer.concat(payload.parts));
}
