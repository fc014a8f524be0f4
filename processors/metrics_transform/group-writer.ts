/**
 * The new resource of a group transform: the resource and scope that its metrics come from, with more attributes.
 *
 *     ResourceMetrics = resource:1  ScopeMetrics:2  schemaUrl:3      ScopeMetrics = scope:1  Metric:2  schemaUrl:3
 */
import { AttributeSet } from "../../src/attribute-actions/attribute-set.ts";
import { encodeValue } from "../../src/attribute-actions/values.ts";
import { attributesField } from "../../src/pdata/attributes.ts";
import { meetIrregular } from "../../src/pdata/regular.ts";
import { Cursor, type Writer } from "../../src/pdata/wire.ts";
import type { TakenMetrics } from "./transform.ts";

/** Where the metrics come from; ranges of message bodies. */
export interface GroupPlace {
  readonly bytes: Uint8Array;
  readonly resourceStart: number;
  readonly resourceEnd: number;
  readonly scopeStart: number;
  readonly scopeEnd: number;
}

/** Writes the whole field of the new ResourceMetrics. */
export function writeGroup(place: GroupPlace, taken: TakenMetrics, out: Writer): void {
  const { bytes, resourceStart, resourceEnd } = place;
  const handle = out.begin(1);
  const c = new Cursor().reset(bytes, resourceStart, resourceEnd);
  let resource: [start: number, end: number] | undefined;
  while (c.next()) {
    if (c.number === 1) {
      if (resource !== undefined) meetIrregular();
      resource = [c.valueStart, c.valueEnd];
    } else if (c.number !== 2) {
      out.raw(bytes, c.fieldStart, c.valueEnd);
    }
  }
  writeResource(bytes, resource ?? [0, 0], taken.resourceLabels, out);
  writeScope(place, taken, out);
  out.end(handle);
}

function writeResource(
  bytes: Uint8Array,
  [start, end]: readonly [start: number, end: number],
  labels: Readonly<Record<string, string>>,
  out: Writer,
): void {
  const number = attributesField("Resource");
  const handle = out.begin(1);
  const set = new AttributeSet().load(bytes, start, end, number);
  for (const [key, text] of Object.entries(labels)) {
    set.put(Buffer.from(key, "utf8"), encodeValue(text));
  }
  set.write(out);
  const c = new Cursor().reset(bytes, start, end);
  while (c.next()) if (c.number !== number) out.raw(bytes, c.fieldStart, c.valueEnd);
  out.end(handle);
}

function writeScope(place: GroupPlace, { metrics }: TakenMetrics, out: Writer): void {
  const { bytes, scopeStart, scopeEnd } = place;
  const handle = out.begin(2);
  const c = new Cursor().reset(bytes, scopeStart, scopeEnd);
  while (c.next()) if (c.number !== 2) out.raw(bytes, c.fieldStart, c.valueEnd);
  for (const metric of metrics) {
    const metricHandle = out.begin(2);
    metric.write(out);
    out.end(metricHandle);
  }
  out.end(handle);
}
