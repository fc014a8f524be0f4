/**
 * The slow half of the check at birth: a plain recursive walk over any message, for the fields that the flat
 * loop (verify.ts) does not know, and for saying what is wrong. Both halves book into one `Tally`.
 *
 * Errors carry the Collector's texts and the offset in the request.
 */
import { TelemetryError } from "../errors.ts";
import {
  type FieldRule,
  isOldScopeList,
  messageNames,
  opAttribute,
  opContainer,
  opData,
  opId8,
  opId16,
  opItem,
  opLeaf,
  opNestedValue,
  opOnce,
  opPackedFixed64,
  opPackedVarint,
  opRootValue,
  recursionLimit,
  rules,
  seenAdded,
  seenBit,
  seenData,
  seenKept,
  seenScopeList,
} from "./verify-table.ts";
import { wireFixed32, wireFixed64, wireLength, wireVarint } from "./wire.ts";

/** What is known at one moment of a check. */
export interface Tally {
  items: number;
  /** Bits of verify-table.ts: what the open containers have shown. */
  seen: number;
  /** Items before the open metric's data. */
  itemsBeforeData: number;
  /** The request has a shape with a second meaning (see regular.ts). */
  irregular: boolean;
  /** End of the resource container that was last searched for a scope list, and what was found. */
  searchedEnd: number;
  searchedFound: boolean;
}

export function emptyTally(): Tally {
  return {
    items: 0,
    seen: 0,
    itemsBeforeData: 0,
    irregular: false,
    searchedEnd: -1,
    searchedFound: false,
  };
}

/** Walks the whole message at [start, end); throws MALFORMED_DATA. `depth` is -1 outside of values. */
export function walkMessage(
  b: Uint8Array,
  start: number,
  end: number,
  where: { message: number; depth: number },
  tally: Tally,
): void {
  let p = start;
  while (p < end) p = walkField(b, p, end, where, tally);
}

/** Walks one field of a message; returns the position behind it. */
export function walkField(
  b: Uint8Array,
  start: number,
  end: number,
  where: { message: number; depth: number },
  tally: Tally,
): number {
  const tag = readTag(b, start, end);
  const number = tag >>> 3;
  const wireType = tag & 7;
  const rule = rules[where.message]!.get(number);
  if (rule === undefined) return skip(b, position, end, wireType);
  if (wireType === rule.unpackedWireType) return skip(b, position, end, wireType);
  if (wireType !== rule.wireType) {
    const owner = messageNames[where.message];
    throw malformed(`proto: wrong wireType = ${wireType} for field ${rule.name}`, start, owner);
  }
  if (wireType !== wireLength) return skip(b, position, end, wireType);
  const valueEnd = skip(b, position, end, wireLength);
  const valueStart = valueEnd - lastLength;
  if (isOldScopeList(number, rule)) {
    walkOldScopes(b, valueStart, valueEnd, { rule, containerEnd: end }, tally);
  } else {
    walkValue(b, valueStart, valueEnd, { rule, depth: where.depth }, tally);
  }
  return valueEnd;
}

function walkValue(
  b: Uint8Array,
  start: number,
  end: number,
  field: { rule: FieldRule; depth: number },
  tally: Tally,
): void {
  const { rule } = field;
  switch (rule.opcode) {
    case opLeaf:
      return;
    case opId16:
    case opId8:
      return checkId(start, end, rule);
    case opPackedFixed64:
      if (((end - start) & 7) !== 0) throw badPacking(start, end, rule);
      return;
    case opPackedVarint:
      for (let p = start; p < end; ) p = skip(b, p, end, wireVarint);
      return;
    default: {
      book(rule, tally);
      const depth = depthInside(rule.opcode, field.depth);
      if (depth >= recursionLimit) throw malformed("proto: exceeded max recursion depth", start);
      walkMessage(b, start, end, { message: rule.message, depth }, tally);
    }
  }
}

/** Notes that a message opens. */
function book(rule: FieldRule, tally: Tally): void {
  if (rule.opcode === opItem) {
    tally.items++;
  } else if (rule.opcode === opContainer) {
    tally.seen = (tally.seen & seenKept[rule.message]!) | seenAdded[rule.message]!;
  } else if (rule.opcode === opOnce) {
    const bit = seenBit[rule.message]!;
    if ((tally.seen & bit) !== 0) tally.irregular = true;
    tally.seen |= bit;
  } else if (rule.opcode === opData) {
    bookData(tally);
  }
}

/** Only the points of a metric's last data count. */
function bookData(tally: Tally): void {
  if ((tally.seen & seenData) === 0) {
    tally.seen |= seenData;
    tally.itemsBeforeData = tally.items;
  } else {
    tally.irregular = true;
    tally.items = tally.itemsBeforeData;
  }
}

function depthInside(opcode: number, depth: number): number {
  if (opcode === opNestedValue) return depth + 1;
  return opcode === opAttribute || opcode === opRootValue ? 0 : -1;
}

/** The old scope list: checked like the new one, counted only where the resource has no new one. */
function walkOldScopes(
  b: Uint8Array,
  start: number,
  end: number,
  field: { rule: FieldRule; containerEnd: number },
  tally: Tally,
): void {
  const { items, seen } = tally;
  tally.irregular = true;
  walkValue(b, start, end, { rule: field.rule, depth: -1 }, tally);
  tally.seen = seen;
  if ((seen & seenScopeList) !== 0 || hasScopeList(b, end, field.containerEnd, tally)) {
    tally.items = items;
  }
}

/** Whether a field 2 follows. Searched once a container, so that many old scopes cost no more than one. */
function hasScopeList(b: Uint8Array, start: number, end: number, tally: Tally): boolean {
  if (tally.searchedEnd !== end) {
    tally.searchedEnd = end;
    tally.searchedFound = false;
    for (let p = start; p < end && !tally.searchedFound; ) {
      const tag = readTag(b, p, end);
      p = skip(b, position, end, tag & 7);
      tally.searchedFound = tag >>> 3 === 2;
    }
  }
  return tally.searchedFound;
}

function checkId(start: number, end: number, rule: FieldRule): void {
  const length = end - start;
  if (length === 0 || length === (rule.opcode === opId16 ? 16 : 8)) return;
  const name = rule.opcode === opId16 ? "TraceID" : "SpanID";
  throw malformed(`unmarshal: invalid ${name} length`, start, rule.name);
}

function badPacking(start: number, end: number, rule: FieldRule): TelemetryError {
  return malformed(`proto: invalid field len = ${(end - start) & 7} for field ${rule.name}`, start);
}

/** Position behind the last tag that readTag read. */
let position = 0;
/** Length of the last length-delimited value that skip passed. */
let lastLength = 0;

/**
 * The tag at p. Overlong forms are fine; bits above 32 are refused, because readers that drop them would see
 * another field than readers that do not.
 */
function readTag(b: Uint8Array, start: number, end: number): number {
  let p = start;
  let tag = 0;
  for (let shift = 0; ; shift += 7, p++) {
    if (shift === 70) throw malformed("proto: integer overflow", start);
    if (p >= end) throw malformed("unexpected EOF", start);
    const byte = b[p]!;
    const bits = byte & 127;
    if (shift > 28 ? bits !== 0 : shift === 28 && bits > 15) {
      throw malformed("proto: illegal tag of more than 32 bits", start);
    }
    if (shift <= 28) tag |= bits << shift;
    if (byte < 128) break;
  }
  position = p + 1;
  tag >>>= 0;
  if (tag < 8) throw malformed(`proto: Link: illegal field=0 (tag=${tag}, pos=${p + 1})`, start);
  return tag;
}

/** The position behind a value of a known or unknown field. */
function skip(b: Uint8Array, p: number, end: number, wireType: number): number {
  let next: number;
  if (wireType === wireVarint) next = skipVarint(b, p, end);
  else if (wireType === wireFixed64) next = p + 8;
  else if (wireType === wireFixed32) next = p + 4;
  else if (wireType === wireLength) next = skipLength(b, p, end);
  else throw malformed(`proto: illegal wireType ${wireType}`, p);
  if (next > end) throw malformed("unexpected EOF", p);
  return next;
}

function skipVarint(b: Uint8Array, start: number, end: number): number {
  for (let p = start; p < start + 10; p++) {
    if (p >= end) throw malformed("unexpected EOF", start);
    if (b[p]! < 128) return p + 1;
  }
  throw malformed("proto: integer overflow", start);
}

function skipLength(b: Uint8Array, start: number, end: number): number {
  const valueStart = skipVarint(b, start, end);
  let length = 0;
  for (let p = start, factor = 1; p < valueStart; p++, factor *= 128) {
    const bits = b[p]! & 127;
    // The tenth byte holds bit 63, the sign; what lies above is dropped.
    if (p - start < 9) length += bits * factor;
    else if ((bits & 1) !== 0) {
      throw malformed("proto: negative length found during unmarshaling", start);
    }
  }
  lastLength = length;
  return valueStart + length;
}

/** A refusal for good. */
export function malformed(reason: string, offset: number, within?: string): TelemetryError {
  const place = within === undefined ? "" : ` in ${within}`;
  return new TelemetryError("MALFORMED_DATA", `${reason} (at byte ${offset}${place})`);
}
