/**
 * The OTLP field table (`otlp-schema.ts`) prepared for the JSON codec: key bytes for writing, names by hash for
 * reading, kinds as small integers so that both directions switch over constants.
 */
import { type Field, type FieldKind, type MessageName, otlpMessages } from "../otlp-schema.ts";
import { wireFixed32, wireFixed64, wireLength, wireVarint } from "../wire.ts";

export const kindMessage = 0;
export const kindString = 1;
export const kindBytes = 2;
export const kindId = 3;
export const kindBool = 4;
export const kindInt32 = 5;
export const kindUint32 = 6;
export const kindSint32 = 7;
export const kindInt64 = 8;
export const kindUint64 = 9;
export const kindFixed32 = 10;
export const kindFixed64 = 11;
export const kindSfixed64 = 12;
export const kindDouble = 13;
export const kindEnum = 14;

const kinds: Readonly<Record<FieldKind, number>> = {
  message: kindMessage,
  string: kindString,
  bytes: kindBytes,
  traceId: kindId,
  spanId: kindId,
  bool: kindBool,
  enum: kindEnum,
  int32: kindInt32,
  uint32: kindUint32,
  sint32: kindSint32,
  int64: kindInt64,
  uint64: kindUint64,
  fixed32: kindFixed32,
  fixed64: kindFixed64,
  sfixed64: kindSfixed64,
  double: kindDouble,
};

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

/** A field as the codec sees it; every object has the same shape. */
export interface JsonField {
  readonly number: number;
  readonly name: string;
  /** Position in its message's field list. */
  readonly index: number;
  readonly kind: number;
  /** Wire type of one value (a packed list is wireLength instead). */
  readonly wireType: number;
  readonly repeated: boolean;
  readonly packed: boolean;
  /** A zero is written, too: explicit presence, or a member of a oneof. */
  readonly presence: boolean;
  readonly inOneof: boolean;
  /** kindId: 16 or 8. */
  readonly idBytes: number;
  /** `,"name":` */
  readonly key: Uint8Array;
  readonly enumNames: ReadonlyMap<string, number> | undefined;
  message: JsonMessage | undefined;
}

export interface JsonMessage {
  readonly name: MessageName;
  readonly fields: readonly JsonField[];
  /** Field number (below 32) to index in fields; -1: unknown. */
  readonly byNumber: Int8Array;
  /** Index of field 1000, the old scope list, or -1. */
  readonly oldListIndex: number;
  /** Part of an attribute value: counts towards the nesting limit. */
  readonly isAttribute: boolean;
  /** Hash of a key's bytes to the fields that have a name of this hash. */
  readonly byHash: ReadonlyMap<number, readonly NamedField[]>;
  /**
   * The key that followed last time, by the index of the field before it plus one (0: the first key). Writers
   * keep to one order, so one comparison finds most keys; learned by the decoder, and never more than a guess.
   */
  readonly guesses: (NamedField | undefined)[];
}

/** One spelling of a field's name. */
export interface NamedField {
  readonly spelling: Uint8Array;
  readonly field: JsonField;
}

/** Most fields of one message (Span), and so the size of the per-message bookkeeping. */
export const maxFields = 16;

/** FNV-1a over key bytes, as the decoder computes it while it reads a key. */
export function hashKey(key: Uint8Array): number {
  let hash = hashStart;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key[i]!, hashPrime);
  return hash;
}
export const hashStart = 0x811c9dc5 | 0;
export const hashPrime = 0x01000193;

const range = (prefix: string, names: readonly string[]): ReadonlyMap<string, number> =>
  new Map(names.map((name, value) => [prefix + name, value]));

const severities = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].flatMap((name) => [
  name,
  `${name}2`,
  `${name}3`,
  `${name}4`,
]);

/** Enum value names by the message and field that use them. */
const enumNames: Readonly<Record<string, ReadonlyMap<string, number>>> = {
  "Span.kind": range("SPAN_KIND_", [
    "UNSPECIFIED",
    "INTERNAL",
    "SERVER",
    "CLIENT",
    "PRODUCER",
    "CONSUMER",
  ]),
  "Status.code": range("STATUS_CODE_", ["UNSET", "OK", "ERROR"]),
  "LogRecord.severityNumber": range("SEVERITY_NUMBER_", ["UNSPECIFIED", ...severities]),
  aggregationTemporality: range("AGGREGATION_TEMPORALITY_", ["UNSPECIFIED", "DELTA", "CUMULATIVE"]),
};

const attributeMessages: ReadonlySet<string> = new Set([
  "KeyValue",
  "AnyValue",
  "ArrayValue",
  "KeyValueList",
]);

const encoder = new TextEncoder();

function prepareField(owner: string, field: Field, index: number): JsonField {
  return {
    number: field.number,
    name: field.name,
    index,
    kind: kinds[field.kind],
    wireType: wireTypes[field.kind],
    repeated: field.repeated === true,
    packed: field.packed === true,
    presence: field.presence === true,
    inOneof: field.oneof !== undefined,
    idBytes: field.kind === "traceId" ? 16 : 8,
    // The old scope list is read where the new one is absent and always written under the new one's name.
    key: encoder.encode(`,"${field.number === 1000 ? currentListName(owner) : field.name}":`),
    enumNames: enumNames[`${owner}.${field.name}`] ?? enumNames[field.name],
    message: undefined,
  };
}

const currentListName = (owner: string) => owner.replace("Resource", "scope");

function prepareMessage(name: MessageName): JsonMessage {
  const fields = otlpMessages[name].map((field, index) => prepareField(name, field, index));
  const byNumber = new Int8Array(32).fill(-1);
  for (const field of fields) if (field.number < 32) byNumber[field.number] = field.index;
  return {
    name,
    fields,
    byNumber,
    oldListIndex: fields.findIndex((field) => field.number === 1000),
    isAttribute: attributeMessages.has(name),
    byHash: namesByHash(fields),
    guesses: Array.from({ length: fields.length + 1 }, () => undefined),
  };
}

/** The JSON name and the proto's own (snake_case) name lead to the same field. */
function namesByHash(fields: readonly JsonField[]): Map<number, NamedField[]> {
  const byHash = new Map<number, NamedField[]>();
  for (const field of fields) {
    const snake = field.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    for (const name of new Set([field.name, snake])) {
      const spelling = encoder.encode(name);
      const hash = hashKey(spelling);
      byHash.set(hash, [...(byHash.get(hash) ?? []), { spelling, field }]);
    }
  }
  return byHash;
}

function prepareAll(): Map<MessageName, JsonMessage> {
  const messages = new Map<MessageName, JsonMessage>();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The table's keys are the names.
  const names = Object.keys(otlpMessages) as MessageName[];
  for (const name of names) messages.set(name, prepareMessage(name));
  for (const [name, message] of messages) {
    otlpMessages[name].forEach((field, index) => {
      if (field.message !== undefined) message.fields[index]!.message = messages.get(field.message);
    });
  }
  return messages;
}

const prepared = prepareAll();

export function jsonMessage(name: MessageName): JsonMessage {
  return prepared.get(name)!;
}
