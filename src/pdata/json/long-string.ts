/** Strings of many megabytes, written piece by piece, so that no single one holds up the event loop. */
import { varintLength, type Writer } from "../wire.ts";
import { type JsonField, kindBytes, kindString } from "./messages.ts";
import { type JsonReader, longBytes } from "./reader.ts";

/** Standard and URL-safe alphabet; the last piece may be padded. */
const base64 = /^[\w+/-]*$/;
const lastBase64 = /^[\w+/-]*={0,2}$/;

export class LongString {
  readonly #reader: JsonReader;
  readonly #writer: Writer;
  readonly #field: JsonField;
  readonly #handle: number;
  /** Base64: digits that wait for the rest of their group of four. */
  readonly #digits: Buffer | undefined;
  #carried = 0;

  private constructor(reader: JsonReader, writer: Writer, field: JsonField) {
    const length = reader.end - reader.start;
    const isText = field.kind === kindString;
    this.#reader = reader;
    this.#writer = writer;
    this.#field = field;
    writer.reserve(length + 16);
    this.#handle = writer.begin(field.number, varintLength(isText ? length : (length >>> 2) * 3));
    if (!isText) this.#digits = Buffer.allocUnsafe(longBytes + 16);
  }

  /** For the string that the reader has just read; undefined: it is short, or of no kind that may be long. */
  static open(reader: JsonReader, writer: Writer, field: JsonField): LongString | undefined {
    const isLong = reader.end - reader.start > longBytes;
    const mayBeLong = field.kind === kindString || field.kind === kindBytes;
    return isLong && mayBeLong ? new LongString(reader, writer, field) : undefined;
  }

  /** Writes the next piece; true: it was the last. */
  next(): boolean {
    const reader = this.#reader;
    const writer = this.#writer;
    const until = Math.min(reader.end, reader.start + longBytes);
    // An escape that begins in this piece ends in it, up to eleven bytes later.
    writer.reserve(until - reader.start + 16);
    if (this.#digits !== undefined) this.#nextDigits(this.#digits, until);
    else writer.position = reader.unescapeTo(writer.bytes, writer.position, until);
    if (reader.start < reader.end) return false;
    writer.end(this.#handle);
    return true;
  }

  #nextDigits(digits: Buffer, until: number): void {
    const reader = this.#reader;
    const at = reader.start;
    const count = reader.unescapeTo(digits, this.#carried, until);
    const isLast = reader.start >= reader.end;
    const taken = isLast ? count : count - (count % 4);
    const text = digits.toString("latin1", 0, taken);
    // One digit over a multiple of four carries no whole byte.
    const isGood = isLast
      ? lastBase64.test(text) && text.replace(/=+$/, "").length % 4 !== 1
      : base64.test(text);
    if (!isGood) reader.fail(`${this.#field.name} is not base64`, at);
    this.#writer.raw(Buffer.from(text, "base64"));
    digits.copyWithin(0, taken, count);
    this.#carried = count - taken;
  }
}
