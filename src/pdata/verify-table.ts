/**
 * The OTLP field table compiled for the check at birth: what to do at a field is one load,
 * `opcodes[message << 8 | firstTagByte]`. A tag of more than one byte, and a byte that is no tag of the
 * message with the right wire type, is `aside`: the walker (verify-walker.ts) decides.
 */
import { type Field, type FieldKind, type MessageName, otlpMessages } from "./otlp-schema.ts";
import { wireFixed32, wireFixed64, wireLength, wireVarint } from "./wire.ts";

/** Opcodes; 0 leaves the loop. Those from `leaf` on begin with a length; the order is the order of the tests in the loop. */
export const opFixed64 = 1;
export const opVarint = 2;
export const opFixed32 = 3;
/** First byte of Span.flags (field 16, fixed32), the one two-byte tag that ordinary senders write. */
export const opSpanFlags = 4;
export const opLeaf = 5;
/** A KeyValue outside of values. */
export const opAttribute = 6;
/** A point, span or log record. */
export const opItem = 7;
export const opId16 = 8;
export const opId8 = 9;
export const opMessage = 10;
/** An AnyValue outside of values: the body of a log record. */
export const opRootValue = 11;
/** A value inside a value: one level deeper. */
export const opNestedValue = 12;
/** Scalars of 8 bytes. */
export const opPackedFixed64 = 13;
export const opPackedVarint = 14;
/** A message whose members are watched for duplicates: resource container, scope container, metric. */
export const opContainer = 15;
/** A message that may stand once in its container. */
export const opOnce = 16;
/** The data of a metric: may stand once, and only the last one's points count. */
export const opData = 17;

/** A message refuses to lie this deep below an attribute or a log body. */
export const recursionLimit = 100;

/** Bits of what the open containers have shown so far; a container clears those of its own level. */
export const seenResource = 1;
export const seenScope = 2;
export const seenData = 4;
export const seenScopeList = 8;

/** One field as the walker sees it. */
export interface FieldRule {
  readonly name: string;
  readonly wireType: number;
  readonly opcode: number;
  /** Opcode of the wire type that the unpacked form of a packed field has; else -1. */
  readonly unpackedWireType: number;
  /** Index of the message inside, or 0. */
  readonly message: number;
}

const isMessageName = (name: string): name is MessageName => name in otlpMessages;
export const messageNames: readonly MessageName[] = Object.keys(otlpMessages).filter(isMessageName);

export function messageIndex(name: MessageName): number {
  return messageNames.indexOf(name);
}

const wireTypes: Readonly<Record<FieldKind, number>> = {
  message: wireLength,
  string: wireLength,
  bytes: wireLength,
  traceId: wireLength,
  spanId: wireLength,
  bool: wireVarint,
  enum: wireVarint,
  int32: wireVarint,
  uint32: wireVarint,
  sint32: wireVarint,
  int64: wireVarint,
  uint64: wireVarint,
  fixed32: wireFixed32,
  fixed64: wireFixed64,
  sfixed64: wireFixed64,
  double: wireFixed64,
};

const valueMessages: ReadonlySet<string> = new Set([
  "KeyValue",
  "AnyValue",
  "ArrayValue",
  "KeyValueList",
]);
const itemMessages: ReadonlySet<string> = new Set([
  "Span",
  "LogRecord",
  "NumberDataPoint",
  "HistogramDataPoint",
  "ExponentialHistogramDataPoint",
  "SummaryDataPoint",
]);
const oldScopeList = 1000;

/** By message index: what opening it leaves of the seen bits, and what it adds. */
export const seenKept = new Int32Array(messageNames.length).fill(-1);
export const seenAdded = new Int32Array(messageNames.length);
/** By message index: the bit of a message that may stand once. */
export const seenBit = new Int32Array(messageNames.length);

for (const name of messageNames) {
  const index = messageIndex(name);
  if (/^Resource[SML]/u.test(name)) seenKept[index] = 0;
  if (/^Scope[SML]/u.test(name)) {
    seenKept[index] = seenResource;
    seenAdded[index] = seenScopeList;
  }
  if (name === "Metric") seenKept[index] = ~seenData;
  if (name === "Resource") seenBit[index] = seenResource;
  if (name === "InstrumentationScope") seenBit[index] = seenScope;
}

function scalarOpcode(kind: FieldKind): number {
  if (kind === "traceId") return opId16;
  if (kind === "spanId") return opId8;
  const wireType = wireTypes[kind];
  if (wireType === wireVarint) return opVarint;
  if (wireType === wireFixed64) return opFixed64;
  return wireType === wireFixed32 ? opFixed32 : opLeaf;
}

function messageOpcode(parent: MessageName, field: Field): number {
  const child = field.message!;
  if (valueMessages.has(parent)) return opNestedValue;
  if (child === "KeyValue") return opAttribute;
  if (child === "AnyValue") return opRootValue;
  if (itemMessages.has(child)) return opItem;
  if (parent === "Metric") return opData;
  const index = messageIndex(child);
  if (seenKept[index] !== -1) return opContainer;
  return seenBit[index] !== 0 ? opOnce : opMessage;
}

function ruleOf(parent: MessageName, field: Field): FieldRule {
  const wireType = wireTypes[field.kind];
  const isPacked = field.packed === true;
  const scalar = scalarOpcode(field.kind);
  const packedOpcode = scalar === opVarint ? opPackedVarint : opPackedFixed64;
  const plainOpcode = field.kind === "message" ? messageOpcode(parent, field) : scalar;
  return {
    // The Collector's errors name the fields as Go does.
    name: field.name[0]!.toUpperCase() + field.name.slice(1),
    wireType: isPacked ? wireLength : wireType,
    opcode: isPacked ? packedOpcode : plainOpcode,
    unpackedWireType: isPacked ? wireType : -1,
    message: field.message === undefined ? 0 : messageIndex(field.message),
  };
}

/** By message index, then field number: everything the walker needs. */
export const rules: readonly ReadonlyMap<number, FieldRule>[] = messageNames.map(
  (name) => new Map(otlpMessages[name].map((field) => [field.number, ruleOf(name, field)])),
);

/** By `message << 8 | firstTagByte`: opcode | message inside << 8. */
export const opcodes = new Uint16Array(messageNames.length << 8);

for (const [message, fields] of rules.entries()) {
  for (const [number, rule] of fields) {
    if (number > 15) continue;
    const at = (message << 8) | (number << 3);
    opcodes[at | rule.wireType] = rule.opcode | (rule.message << 8);
    if (rule.unpackedWireType === wireFixed64) opcodes[at | wireFixed64] = opFixed64;
    if (rule.unpackedWireType === wireVarint) opcodes[at | wireVarint] = opVarint;
  }
}
/** Span.flags: tag 16 << 3 | 5 = 0x85 0x01. */
opcodes[(messageIndex("Span") << 8) | 0x85] = opSpanFlags;

/** True for field 1000 of a resource container: the scope list of OTLP before 0.19. */
export function isOldScopeList(number: number, rule: FieldRule): boolean {
  return number === oldScopeList && rule.opcode === opContainer;
}
