/**
 * OTLP/JSON from verified protobuf bytes, without objects in between.
 *
 * A message is walked once to find where each field's value lies (the last occurrence counts, for a oneof the
 * last member), then written in the order of the schema; lists are walked again from their first element. What the
 * Collector's marshaler omits is omitted: values that equal the default of a field without presence. A message
 * field that is present is written even when it is empty, so that presence survives the way back.
 */
import { type MessageName, requestMessages } from "../otlp-schema.ts";
import type { Payload, Signal } from "../payload.ts";
import { Cursor, dataViewOf, wireLength } from "../wire.ts";
import {
  type JsonField,
  type JsonMessage,
  jsonMessage,
  kindBool,
  kindBytes,
  kindDouble,
  kindEnum,
  kindFixed32,
  kindFixed64,
  kindId,
  kindInt32,
  kindInt64,
  kindMessage,
  kindSfixed64,
  kindSint32,
  kindString,
  kindUint32,
  kindUint64,
  maxFields,
} from "./messages.ts";
import { loopSlicer, type Slicer, sliceMs } from "./slices.ts";
import { JsonText } from "./text.ts";

/** Text written between two pauses or chunks, roughly; also the size from which a message is cut. */
const stepBytes = 64 * 1024;

/*
 * Bookkeeping of one message being written, in one Int32Array for all nesting levels:
 *
 *     frame = (count, tagStart, valueStart, valueEnd) × maxFields, last oneof member
 *
 * tagStart is the field's first occurrence, the value its last.
 */
const slotInts = 4;
const frameInts = maxFields * slotInts + 1;
const lastMember = maxFields * slotInts;

class JsonEncoder {
  readonly text: JsonText;
  #frames = new Int32Array(frameInts * 16);
  readonly #cursors: Cursor[] = [];
  /** Halves of the varint read last. */
  #lo = 0;
  #hi = 0;

  constructor(text: JsonText) {
    this.text = text;
  }

  message(message: JsonMessage, bytes: Uint8Array, start: number, end: number, depth: number) {
    const { text } = this;
    text.byte(0x7b);
    this.#scan(message, bytes, start, end, depth);
    const { fields } = message;
    const base = depth * frameInts;
    for (let i = 0; i < fields.length; i++) {
      if (this.#frames[base + i * slotInts] === 0) continue;
      const field = fields[i]!;
      if (field.repeated) this.#list(field, bytes, end, depth);
      else if (field.kind === kindMessage) this.#member(field, bytes, start, end, depth);
      else this.#scalar(field, bytes, depth);
    }
    text.byte(0x7d);
  }

  /** As `message`, pausing (yielding) inside messages that are too large to be written in one go. */
  *steps(
    message: JsonMessage,
    bytes: Uint8Array,
    start: number,
    end: number,
    depth: number,
  ): Generator<void> {
    const { text } = this;
    text.byte(0x7b);
    this.#scan(message, bytes, start, end, depth);
    for (const field of message.fields) {
      const slot = depth * frameInts + field.index * slotInts;
      if (this.#frames[slot] === 0) continue;
      if (field.repeated) {
        if (field.message === undefined) this.#list(field, bytes, end, depth);
        else yield* this.#listSteps(field, bytes, this.#frames[slot + 1]!, end, depth);
      } else if (field.kind !== kindMessage) this.#scalar(field, bytes, depth);
      else if (this.#frames[slot]! > 1 && !field.inOneof) {
        this.#member(field, bytes, start, end, depth);
      } else {
        text.key(field.key);
        yield* this.#element(
          field.message!,
          bytes,
          this.#frames[slot + 2]!,
          this.#frames[slot + 3]!,
          depth + 1,
        );
      }
    }
    text.byte(0x7d);
  }

  *#listSteps(
    field: JsonField,
    bytes: Uint8Array,
    from: number,
    end: number,
    depth: number,
  ): Generator<void> {
    this.text.key(field.key);
    this.text.byte(0x5b);
    yield* this.elements(field, bytes, from, end, depth + 1);
    this.text.byte(0x5d);
  }

  /** The messages of one list, with commas between them and after what was written before. */
  *elements(
    field: JsonField,
    bytes: Uint8Array,
    from: number,
    end: number,
    depth: number,
  ): Generator<void> {
    const { text } = this;
    const cursor = new Cursor().reset(bytes, from, end);
    while (cursor.next()) {
      if (cursor.number !== field.number) continue;
      if (text.bytes[text.position - 1] !== 0x5b) text.byte(0x2c);
      yield* this.#element(field.message!, bytes, cursor.valueStart, cursor.valueEnd, depth);
      if (text.position >= stepBytes) yield;
    }
  }

  *#element(
    message: JsonMessage,
    bytes: Uint8Array,
    start: number,
    end: number,
    depth: number,
  ): Generator<void> {
    if (end - start > stepBytes) yield* this.steps(message, bytes, start, end, depth);
    else this.message(message, bytes, start, end, depth);
  }

  /** Finds the fields of one message. */
  #scan(message: JsonMessage, bytes: Uint8Array, start: number, end: number, depth: number): void {
    const base = this.#openFrame(message, depth);
    const frames = this.#frames;
    const cursor = this.#cursors[depth]!.reset(bytes, start, end);
    const { byNumber, fields } = message;
    while (cursor.next()) {
      const number = cursor.number;
      const index = number < 32 ? byNumber[number]! : number === 1000 ? message.oldListIndex : -1;
      if (index < 0) continue;
      const slot = base + index * slotInts;
      if (frames[slot]!++ === 0) frames[slot + 1] = cursor.fieldStart;
      frames[slot + 2] = cursor.valueStart;
      frames[slot + 3] = cursor.valueEnd;
      if (fields[index]!.inOneof) {
        const previous = frames[base + lastMember]!;
        if (previous >= 0 && previous !== index) frames[base + previous * slotInts] = 0;
        frames[base + lastMember] = index;
      }
    }
    // The old scope list counts only where the current one is absent.
    const old = message.oldListIndex;
    if (old >= 0 && frames[base + slotInts] !== 0) frames[base + old * slotInts] = 0;
  }

  #openFrame(message: JsonMessage, depth: number): number {
    const base = depth * frameInts;
    if (base + frameInts > this.#frames.length) {
      const larger = new Int32Array(this.#frames.length * 2);
      larger.set(this.#frames);
      this.#frames = larger;
    }
    while (this.#cursors.length <= depth) this.#cursors.push(new Cursor());
    const frames = this.#frames;
    for (let i = 0; i < message.fields.length; i++) frames[base + i * slotInts] = 0;
    frames[base + lastMember] = -1;
    return base;
  }

  /** A message that is not in a list. */
  #member(field: JsonField, bytes: Uint8Array, start: number, end: number, depth: number): void {
    const slot = depth * frameInts + field.index * slotInts;
    const count = this.#frames[slot]!;
    this.text.key(field.key);
    if (count > 1 && !field.inOneof) {
      // Occurrences merge, and the concatenation of two serialized messages is their merger.
      const merged = concatenateField(field.number, bytes, start, end);
      this.message(field.message!, merged, 0, merged.length, depth + 1);
    } else {
      const valueStart = this.#frames[slot + 2]!;
      this.message(field.message!, bytes, valueStart, this.#frames[slot + 3]!, depth + 1);
    }
  }

  #list(field: JsonField, bytes: Uint8Array, end: number, depth: number): void {
    const { text } = this;
    const slot = depth * frameInts + field.index * slotInts;
    // The scan of this message is over, so its cursor is free.
    const cursor = this.#cursors[depth]!.reset(bytes, this.#frames[slot + 1], end);
    const before = text.position;
    text.key(field.key);
    text.byte(0x5b);
    const first = text.position;
    while (cursor.next()) {
      if (cursor.number !== field.number) continue;
      if (field.kind === kindMessage) {
        if (text.position !== first) text.byte(0x2c);
        this.message(field.message!, bytes, cursor.valueStart, cursor.valueEnd, depth + 1);
      } else if (field.packed && cursor.wireType === wireLength) {
        this.#packed(field, bytes, cursor, first);
      } else {
        if (text.position !== first) text.byte(0x2c);
        this.#value(field, bytes, cursor.valueStart, cursor.valueEnd);
      }
    }
    // A packed list without elements is an absent list.
    if (text.position === first) text.position = before;
    else text.byte(0x5d);
  }

  #packed(field: JsonField, bytes: Uint8Array, cursor: Cursor, first: number): void {
    const { text } = this;
    const end = cursor.valueEnd;
    for (let p = cursor.valueStart; p < end; ) {
      if (text.position !== first) text.byte(0x2c);
      let next = p;
      if (field.wireType === 0) while (bytes[next++]! > 127);
      else next += field.wireType === 1 ? 8 : 4;
      this.#value(field, bytes, p, next);
      p = next;
    }
  }

  #scalar(field: JsonField, bytes: Uint8Array, depth: number): void {
    const slot = depth * frameInts + field.index * slotInts;
    const start = this.#frames[slot + 2]!;
    const end = this.#frames[slot + 3]!;
    if (!field.presence && isDefault(field.wireType, bytes, start, end)) return;
    this.text.key(field.key);
    this.#value(field, bytes, start, end);
  }

  #value(field: JsonField, bytes: Uint8Array, start: number, end: number): void {
    const { text } = this;
    switch (field.kind) {
      case kindString:
        return text.string(bytes, start, end);
      case kindId:
        return text.hex(bytes, start, end);
      case kindBytes:
        return text.base64(bytes, start, end);
      case kindDouble:
        return text.double(dataViewOf(bytes).getFloat64(start, true));
      case kindFixed64:
      case kindSfixed64: {
        const lo = readFixed32(bytes, start);
        return text.integer64(lo, readFixed32(bytes, start + 4), field.kind === kindSfixed64);
      }
      case kindFixed32:
        return text.int32(readFixed32(bytes, start));
      default:
        this.#readVarint(bytes, start);
        return this.#varint(field.kind);
    }
  }

  #varint(kind: number): void {
    const lo = this.#lo;
    switch (kind) {
      case kindBool:
        return this.text.ascii(lo !== 0 || this.#hi !== 0 ? "true" : "false");
      case kindInt32:
      case kindEnum:
        return this.text.int32(lo | 0);
      case kindUint32:
        return this.text.int32(lo);
      case kindSint32:
        return this.text.int32((lo >>> 1) ^ -(lo & 1));
      case kindInt64:
      case kindUint64:
        return this.text.integer64(lo, this.#hi, kind === kindInt64);
      default:
        throw new Error(`BUG: kind ${kind} is no varint`);
    }
  }

  #readVarint(bytes: Uint8Array, start: number): void {
    let lo = 0;
    let hi = 0;
    for (let shift = 0, p = start; ; shift += 7) {
      const byte = bytes[p++]!;
      const bits = byte & 127;
      if (shift < 28) lo |= bits << shift;
      else if (shift === 28) {
        lo |= bits << 28;
        hi = bits >>> 4;
      } else hi |= bits << (shift - 32);
      // Bits above 64 are dropped: a shift of 63 leaves one bit, and verified varints have no 11th byte.
      if (byte < 128) break;
    }
    this.#lo = lo >>> 0;
    this.#hi = hi >>> 0;
  }
}

function readFixed32(b: Uint8Array, p: number): number {
  return (b[p]! | (b[p + 1]! << 8) | (b[p + 2]! << 16) | (b[p + 3]! << 24)) >>> 0;
}

/** Whether a value is its type's zero: no bytes, or only zero bits (so that -0 is none). */
function isDefault(wireType: number, bytes: Uint8Array, start: number, end: number): boolean {
  if (wireType === wireLength) return start === end;
  const payloadBits = wireType === 0 ? 127 : 255;
  for (let i = start; i < end; i++) if ((bytes[i]! & payloadBits) !== 0) return false;
  return true;
}

function concatenateField(number: number, bytes: Uint8Array, start: number, end: number) {
  const cursor = new Cursor().reset(bytes, start, end);
  const bodies: Uint8Array[] = [];
  while (cursor.next()) if (cursor.number === number) bodies.push(cursor.view());
  return Buffer.concat(bodies);
}

/** Writes one request of all parts to the encoder's text; yields whenever about stepBytes were written. */
function* requestSteps(
  encoder: JsonEncoder,
  signal: Signal,
  parts: readonly Uint8Array[],
): Generator<void> {
  const field = jsonMessage(requestMessages[signal]).fields[0]!;
  const { text } = encoder;
  text.byte(0x7b);
  text.key(field.key);
  text.byte(0x5b);
  for (const part of parts) yield* encoder.elements(field, part, 0, part.length, 1);
  text.byte(0x5d);
  text.byte(0x7d);
}

/** The payload as one OTLP/JSON request, without line breaks. For large payloads see `encodeJsonParts`. */
export function encodeJson(payload: Payload): string {
  let text = "";
  for (const chunk of encodeJsonParts(payload.signal, payload.parts)) text += chunk;
  return text;
}

/** One OTLP/JSON request of all parts, in chunks of about 64 KiB; a caller may pause between them. */
export function* encodeJsonParts(signal: Signal, parts: readonly Uint8Array[]): Generator<string> {
  const encoder = new JsonEncoder(new JsonText());
  for (const _ of requestSteps(encoder, signal, parts)) {
    // The last byte stays: whether a comma is needed is seen from it.
    yield takeAllButLast(encoder.text);
  }
  yield encoder.text.takeText();
}

function takeAllButLast(text: JsonText): string {
  const last = text.bytes[text.position - 1]!;
  text.position--;
  const chunk = text.takeText();
  text.byte(last);
  return chunk;
}

/** As `encodeJson`, to bytes in a buffer of their own, pausing so that the event loop is never held up. */
export async function encodeJsonBytes(
  signal: Signal,
  parts: readonly Uint8Array[],
  slicer: Slicer = loopSlicer,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  const encoder = new JsonEncoder(new JsonText());
  let sliceEndMs = slicer.now() + sliceMs;
  for (const _ of requestSteps(encoder, signal, parts)) {
    const last = encoder.text.bytes[--encoder.text.position]!;
    chunks.push(encoder.text.takeBytes());
    encoder.text.byte(last);
    if (slicer.now() < sliceEndMs) continue;
    await slicer.pause();
    sliceEndMs = slicer.now() + sliceMs;
  }
  if (chunks.length === 0) return encoder.text.takeBytes();
  chunks.push(encoder.text.takeBytes());
  return Buffer.concat(chunks);
}

/** Any OTLP message as JSON; the bytes are verified. */
export function messageToJson(
  name: MessageName,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): string {
  const text = new JsonText(256);
  new JsonEncoder(text).message(jsonMessage(name), bytes, start, end, 0);
  return text.takeText();
}
