/**
 * A group of pushed metrics: what one job (and instance …) says of itself.
 *
 *     ResourceMetrics = 1: Resource (1: attributes: service.name, service.instance.id)  2: ScopeMetrics (2: Metric…)
 */
import { writeKeyValue } from "../../src/pdata/any-value.ts";
import { varintLength, Writer, wireLength } from "../../src/pdata/wire.ts";
import type { GroupLabels } from "./push-path.ts";
import { copyFamily, heldBytes, type StoredFamily } from "./stored-family.ts";

export type Families = ReadonlyMap<string, StoredFamily>;

export interface Group {
  readonly labels: GroupLabels;
  readonly resource: Uint8Array;
  readonly families: Families;
  /** Deleted, but the end of its series was not taken yet: the families are their end. */
  readonly isEnding: boolean;
}

/** One group's part of a payload. */
export interface Part {
  readonly bytes: Uint8Array;
  readonly points: number;
}

/** The field of the resource. */
export function resourceOf(labels: GroupLabels): Uint8Array {
  const out = new Writer(256);
  const at = out.begin(1, 1);
  writeKeyValue(out, 1, "service.name", labels.get("job"));
  const instance = labels.get("instance");
  if (instance !== undefined && instance !== "") {
    writeKeyValue(out, 1, "service.instance.id", instance);
  }
  out.end(at);
  return out.take();
}

export function partOf(
  resource: Uint8Array,
  families: readonly StoredFamily[],
  timeNs: bigint,
): Part {
  let points = 0;
  let length = 0;
  for (const family of families) {
    points += family.series.size;
    length += family.bytes.length;
  }
  const scopeLength = 1 + varintLength(length) + length;
  const out = new Writer(32 + resource.length + length);
  out.tag(1, wireLength);
  out.varint(resource.length + scopeLength);
  out.raw(resource);
  out.tag(2, wireLength);
  out.varint(length);
  let at = out.position;
  const bytes = out.bytes.subarray(0, at + length);
  for (const family of families) {
    copyFamily(family, bytes, at, timeNs);
    at += family.bytes.length;
  }
  return { bytes, points };
}

export interface Size {
  readonly series: number;
  readonly bytes: number;
}

const groupBytes = 1000;

/** Of no group: nothing. */
export function sizeOf(group: Pick<Group, "families"> | undefined): Size {
  if (group === undefined) return { series: 0, bytes: 0 };
  let series = 0;
  let bytes = groupBytes;
  for (const family of group.families.values()) {
    series += family.series.size;
    bytes += heldBytes(family);
  }
  return { series, bytes };
}
