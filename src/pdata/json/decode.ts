/**
 * OTLP/JSON to protobuf bytes, straight from token to wire, without objects in between. The decoder is a machine
 * with an explicit stack, so that a large body can be decoded in slices between which the event loop runs.
 *
 * Accepted as the Collector does: lowerCamelCase and snake_case names, enum values by number or name, 64-bit
 * integers as text or as numbers, null for an absent value; unknown keys are skipped. A key that stands twice: the
 * last scalar counts, messages merge, lists join.
 */
import { type MessageName, requestMessages } from "../otlp-schema.ts";
import type { Signal } from "../payload.ts";
import { varintLength, Writer, wireLength } from "../wire.ts";
import { LongString } from "./long-string.ts";
import {
  hashKey,
  hashPrime,
  hashStart,
  type JsonField,
  type JsonMessage,
  jsonMessage,
  type NamedField,
} from "./messages.ts";
import { JsonReader, unfinished } from "./reader.ts";
import { ScalarDecoder } from "./scalars.ts";
import { loopSlicer, type Slicer, sliceMs } from "./slices.ts";

/** Nesting of attribute values at which the Collector refuses; see `verify`. */
const maxAttributeDepth = 100;
/** Nesting of a value under an unknown key; it is only skipped, so the bound serves the stack alone. */
const maxSkipDepth = 1000;
/** Work between two looks at the clock, in bytes read and moved. */
const stepBytes = 16 * 1024;

const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;
const colon = 0x3a;
const quote = 0x22;
const letterN = 0x6e;

/** Width guesses for the length of messages that are short in practice; the rest: two bytes. */
const oneByteLengths: ReadonlySet<MessageName> = new Set([
  "KeyValue",
  "AnyValue",
  "InstrumentationScope",
  "Status",
  "EntityRef",
  "ValueAtQuantile",
  "NumberDataPoint",
  "SpanLink",
]);

/** A container that is open: the object of a message, or the array of a list field. */
interface Frame {
  message: JsonMessage;
  /** The list whose elements are read; undefined: the members of `message` are. */
  list: JsonField | undefined;
  /** Of `Writer.begin`; -1: nothing to end. */
  handle: number;
  /** Index plus one of the field read last; 0: none. */
  previous: number;
  /** Bit per field of `message` that was written. */
  seen: number;
  /** Nesting within an attribute value; -1 outside. */
  attributeDepth: number;
}

/** Asked for the size of the output before that much is allocated; throws to refuse it. */
export type Admit = (bytes: number) => void;

/** Numbers take up to four times their JSON form (`0,` is a double of eight bytes), so that growth is asked for. */
class AdmittedWriter extends Writer {
  readonly #admit: Admit;

  constructor(initialBytes: number, admit: Admit) {
    super(initialBytes);
    this.#admit = admit;
  }

  override reserve(n: number): void {
    const needed = this.position + n;
    if (needed <= this.bytes.length) return;
    this.#admit(Math.max(needed, this.bytes.length * 2));
    super.reserve(n);
  }
}

class JsonDecoder {
  readonly #reader: JsonReader;
  readonly #writer: Writer;
  readonly #scalars: ScalarDecoder;
  /** Frames are reused; the first `#depth` are open. */
  readonly #frames: Frame[] = [];
  #depth = 0;
  /** Nothing was read in the innermost container yet. */
  #isFresh = true;
  /** Closing brackets of the unknown value being skipped. */
  readonly #skipped: number[] = [];
  #movedBytes = 0;
  #isDone = false;
  /** The string being written in pieces. */
  #long: LongString | undefined;
  /** A string was met that takes several goes. */
  #hasLong = false;
  /** What stood before the token being read, for another go. */
  #tokenStart = 0;
  #tokenIsFresh = true;
  #tokenWritten = 0;

  constructor(message: JsonMessage, body: Uint8Array, admit: Admit) {
    this.#reader = new JsonReader(body);
    const initialBytes = Math.max(64, body.length >>> 1);
    admit(initialBytes);
    this.#writer = new AdmittedWriter(initialBytes, admit);
    this.#scalars = new ScalarDecoder(this.#reader, this.#writer);
    const c = this.#reader.peek();
    if (c === letterN) {
      this.#reader.readLiteral(c);
      this.#isDone = true;
    } else {
      this.#reader.expect(openBrace);
      this.#push(message, undefined, -1, -1);
    }
  }

  /** Decodes about stepBytes more; true when all is read. */
  step(): boolean {
    try {
      return this.#run();
    } catch (error) {
      if (error !== unfinished) throw error;
      this.#reader.position = this.#tokenStart;
      this.#isFresh = this.#tokenIsFresh;
      this.#writer.position = this.#tokenWritten;
      this.#hasLong = true;
      return false;
    }
  }

  #run(): boolean {
    const until = this.#reader.position + this.#movedBytes + stepBytes;
    while (!this.#isDone) {
      if (this.#long !== undefined) {
        if (this.#long.next()) this.#long = undefined;
        return false;
      }
      if (this.#reader.position + this.#movedBytes >= until) return false;
      this.#tokenStart = this.#reader.position;
      this.#tokenIsFresh = this.#isFresh;
      this.#tokenWritten = this.#writer.position;
      if (this.#skipped.length > 0) this.#skipNext();
      else {
        const frame = this.#frames[this.#depth - 1]!;
        if (frame.list === undefined) this.#nextMember(frame);
        else this.#nextElement(frame, frame.list);
      }
    }
    if (this.#reader.peek() !== -1) this.#reader.unexpected("the end");
    return true;
  }

  take(): Uint8Array {
    const { bytes, position } = this.#writer;
    // A large result is not copied unless that frees more than it.
    return position * 2 >= bytes.length ? bytes.subarray(0, position) : this.#writer.take();
  }

  #nextMember(frame: Frame): void {
    const reader = this.#reader;
    let c = reader.peek();
    if (c === closeBrace) return this.#close(frame);
    if (!this.#isFresh) c = this.#afterComma(c, "',' or '}'");
    if (c !== quote) reader.unexpected("a key");
    const field = this.#readKey(frame);
    reader.expect(colon);
    this.#isFresh = false;
    c = reader.peek();
    if (field === undefined) this.#skipValue(c);
    else if (c === letterN) reader.readLiteral(c);
    else if (field.repeated) this.#openList(frame, field);
    else if (field.message !== undefined) this.#openMessage(frame, field, field.message);
    else this.#scalar(frame, field, c);
  }

  /** The field that the key names; undefined: an unknown one. */
  #readKey(frame: Frame): JsonField | undefined {
    const { message } = frame;
    const guess = message.guesses[frame.previous];
    if (guess !== undefined && this.#reader.takeIfIs(guess.spelling)) {
      frame.previous = guess.field.index + 1;
      return guess.field;
    }
    const found = this.#findKey(message);
    if (found === undefined) return undefined;
    message.guesses[frame.previous] = found;
    frame.previous = found.field.index + 1;
    return found.field;
  }

  #findKey(message: JsonMessage): NamedField | undefined {
    const reader = this.#reader;
    reader.readString();
    if (reader.hasEscapes) return namedByText(message, reader.text());
    const { body, start, end } = reader;
    let hash = hashStart;
    for (let p = start; p < end; p++) hash = Math.imul(hash ^ body[p]!, hashPrime);
    const candidates = message.byHash.get(hash);
    return candidates?.find((candidate) => isSpelled(candidate, body, start, end));
  }

  #nextElement(frame: Frame, list: JsonField): void {
    const reader = this.#reader;
    let c = reader.peek();
    if (c === closeBracket) return this.#close(frame);
    if (!this.#isFresh) c = this.#afterComma(c, "',' or ']'");
    this.#isFresh = false;
    if (list.message === undefined) {
      if (!this.#openLong(list, c)) this.#scalars.write(list, c, !list.packed);
    } else if (c === letterN) {
      // The Collector reads a null element as an empty message; within an array value it is the empty value.
      reader.readLiteral(c);
      this.#writer.tag(list.number, wireLength);
      this.#writer.varint(0);
    } else this.#openMessage(frame, list, list.message);
  }

  #afterComma(c: number, wanted: string): number {
    if (c !== comma) this.#reader.unexpected(wanted);
    this.#reader.position++;
    return this.#reader.peek();
  }

  #scalar(frame: Frame, field: JsonField, c: number): void {
    const before = this.#writer.position;
    if (this.#openLong(field, c)) {
      frame.seen |= 1 << field.index;
      return;
    }
    const isSet = this.#scalars.write(field, c, true);
    const bit = 1 << field.index;
    // A zero without presence is not written, unless it takes back an earlier value.
    if (isSet || field.presence || (frame.seen & bit) !== 0) frame.seen |= bit;
    else this.#writer.position = before;
  }

  /** Begins to write a string in pieces if it is one that took several goes to look through. */
  #openLong(field: JsonField, c: number): boolean {
    if (!this.#hasLong || c !== quote) return false;
    const reader = this.#reader;
    const start = reader.position;
    reader.readString();
    this.#hasLong = false;
    this.#long = LongString.open(reader, this.#writer, field);
    if (this.#long === undefined) reader.position = start;
    return this.#long !== undefined;
  }

  #openMessage(frame: Frame, field: JsonField, message: JsonMessage): void {
    const reader = this.#reader;
    reader.expect(openBrace);
    const depth = message.isAttribute ? frame.attributeDepth + 1 : -1;
    if (depth >= maxAttributeDepth) {
      reader.fail(`attribute values are nested ${maxAttributeDepth} deep`, reader.position - 1);
    }
    const handle = this.#writer.begin(field.number, this.#lengthBytes(message));
    this.#push(message, undefined, handle, depth);
    this.#isFresh = true;
  }

  #openList(frame: Frame, list: JsonField): void {
    this.#reader.expect(openBracket);
    const handle = list.packed ? this.#writer.begin(list.number, 1) : -1;
    this.#push(frame.message, list, handle, frame.attributeDepth);
    this.#isFresh = true;
  }

  /** The outer two messages span most of the body, and moving them would cost the most. */
  #lengthBytes(message: JsonMessage): number {
    if (this.#depth <= 4) {
      return varintLength((this.#reader.body.length - this.#reader.position) >>> 1);
    }
    return oneByteLengths.has(message.name) ? 1 : 2;
  }

  #push(
    message: JsonMessage,
    list: JsonField | undefined,
    handle: number,
    attributeDepth: number,
  ): void {
    const frame = this.#frames[this.#depth++];
    if (frame === undefined) {
      this.#frames.push({ message, list, handle, previous: 0, seen: 0, attributeDepth });
      return;
    }
    frame.message = message;
    frame.list = list;
    frame.handle = handle;
    frame.previous = 0;
    frame.seen = 0;
    frame.attributeDepth = attributeDepth;
  }

  #close(frame: Frame): void {
    this.#reader.position++;
    this.#isFresh = false;
    this.#depth--;
    if (this.#depth === 0) this.#isDone = true;
    if (frame.handle < 0) return;
    const writer = this.#writer;
    const before = writer.position;
    writer.end(frame.handle);
    // A wrong guess moved the message; on deep nesting that is the larger part of the work.
    if (writer.position !== before) this.#movedBytes += before - Math.floor(frame.handle / 8);
  }

  /** Takes a value under an unknown key, or opens it when it is a container. */
  #skipValue(c: number): void {
    const reader = this.#reader;
    if (c === quote) reader.readString();
    else if (c === openBrace || c === openBracket) {
      if (this.#skipped.length === maxSkipDepth) {
        reader.fail(`values are nested ${maxSkipDepth} deep`);
      }
      reader.position++;
      this.#skipped.push(c === openBrace ? closeBrace : closeBracket);
      this.#isFresh = true;
      return;
    } else if (c === 0x2d || (c >= 0x30 && c <= 0x39)) reader.readNumber();
    else reader.readLiteral(c);
    this.#isFresh = false;
  }

  #skipNext(): void {
    const reader = this.#reader;
    const closer = this.#skipped[this.#skipped.length - 1]!;
    let c = reader.peek();
    if (c === closer) {
      reader.position++;
      this.#skipped.pop();
      this.#isFresh = false;
      return;
    }
    if (!this.#isFresh) c = this.#afterComma(c, `',' or '${String.fromCharCode(closer)}'`);
    if (closer === closeBrace) {
      if (c !== quote) reader.unexpected("a key");
      reader.readString();
      reader.expect(colon);
      c = reader.peek();
    }
    this.#skipValue(c);
  }
}

function isSpelled(named: NamedField, body: Uint8Array, start: number, end: number): boolean {
  const { spelling } = named;
  if (spelling.length !== end - start) return false;
  for (let i = 0; i < spelling.length; i++) if (spelling[i] !== body[start + i]) return false;
  return true;
}

/** For keys with escapes, which no encoder writes. */
function namedByText(message: JsonMessage, key: string): NamedField | undefined {
  const spelling = Buffer.from(key);
  const candidates = message.byHash.get(hashKey(spelling));
  return candidates?.find((candidate) => spelling.equals(candidate.spelling));
}

/**
 * An OTLP/JSON request as protobuf bytes that `verify` accepts; their buffer is at most twice as large. Rejects
 * with TelemetryError MALFORMED_DATA, naming the byte offset, and with what `admit` throws. Pauses between
 * slices of about 5 ms, within long strings, too.
 */
export async function decodeJson(
  signal: Signal,
  body: Uint8Array,
  slicer: Slicer = loopSlicer,
  admit: Admit = admitAll,
): Promise<Uint8Array> {
  const decoder = new JsonDecoder(jsonMessage(requestMessages[signal]), body, admit);
  let sliceEndMs = slicer.now() + sliceMs;
  while (!decoder.step()) {
    if (slicer.now() < sliceEndMs) continue;
    await slicer.pause();
    sliceEndMs = slicer.now() + sliceMs;
  }
  return decoder.take();
}

const admitAll: Admit = () => {};

/** Any OTLP message from its JSON form, in one go: for small inputs. Throws as `decodeJson` rejects. */
export function messageFromJson(name: MessageName, body: Uint8Array): Uint8Array {
  const decoder = new JsonDecoder(jsonMessage(name), body, admitAll);
  while (!decoder.step());
  return decoder.take();
}
