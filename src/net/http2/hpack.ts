/**
 * Header compression (RFC 7541): a decoder with its dynamic table, and blocks of plain literals for what is sent,
 * so that no table must be kept for the other side.
 *
 *     1xxxxxxx  indexed field                 01xxxxxx  literal, added to the table
 *     0000xxxx  literal, not added            0001xxxx  literal, never to be added
 *     001xxxxx  new size of the table         each x…   an integer with a prefix of so many bits
 */
import { ConnectionError, errorCode } from "./frame.ts";
import { staticTable } from "./hpack-static.ts";
import { decodeHuffman } from "./huffman.ts";

/** Size of the dynamic table that is offered to the other side: HTTP/2's default. */
const tableBytes = 4096;
/** What a field costs beside its text (RFC 7541 section 4.1). */
const fieldOverheadBytes = 32;

export interface Field {
  readonly name: string;
  readonly value: string;
  readonly bytes: number;
}

const field = (name: string, value: string): Field => ({
  name,
  value,
  bytes: name.length + value.length + fieldOverheadBytes,
});
const staticFields: readonly Field[] = staticTable.map(([name, value]) => field(name, value));

export class HpackDecoder {
  /** Newest last; what was evicted is cut off now and then. */
  #fields: Field[] = [];
  #first = 0;
  #bytes = 0;
  #limitBytes = tableBytes;
  #block: Uint8Array = empty;
  #at = 0;

  /** Calls back for every field of a block, in order. Throws ConnectionError: the table is lost. */
  decode(block: Uint8Array, onField: (field: Field) => void): void {
    this.#block = block;
    this.#at = 0;
    let mayResize = true;
    while (this.#at < block.length) {
      const first = block[this.#at]!;
      if (first >= 0x80) onField(this.#lookup(this.#integer(7)));
      else if (first >= 0x40) onField(this.#add(this.#literal(6)));
      else if (first < 0x20) onField(this.#literal(4));
      else {
        if (!mayResize) throw malformed("a size update behind a field");
        this.#resize(this.#integer(5));
        continue;
      }
      mayResize = false;
    }
    this.#block = empty;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#lookup(index).name;
    return field(name, this.#string());
  }

  #lookup(index: number): Field {
    if (index > 0 && index <= staticFields.length) return staticFields[index - 1]!;
    const at = this.#fields.length - (index - staticFields.length);
    if (index === 0 || at < this.#first) throw malformed(`index ${index}`);
    return this.#fields[at]!;
  }

  #add(added: Field): Field {
    this.#bytes += added.bytes;
    this.#fields.push(added);
    this.#evict();
    return added;
  }

  #resize(limitBytes: number): void {
    if (limitBytes > tableBytes) throw malformed(`a table of ${limitBytes} bytes`);
    this.#limitBytes = limitBytes;
    this.#evict();
  }

  #evict(): void {
    while (this.#bytes > this.#limitBytes) this.#bytes -= this.#fields[this.#first++]!.bytes;
    if (this.#first < 128) return;
    this.#fields = this.#fields.slice(this.#first);
    this.#first = 0;
  }

  /** Section 5.1; at most 28 bits behind the prefix, more than anything here can mean. */
  #integer(prefixBits: number): number {
    const block = this.#block;
    const max = (1 << prefixBits) - 1;
    let value = block[this.#at++]! & max;
    if (value < max) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= block.length) throw malformed("integer");
      const octet = block[this.#at++]!;
      value += (octet & 127) << shift;
      if (octet < 128) return value;
    }
    throw malformed("integer");
  }

  #string(): string {
    const block = this.#block;
    if (this.#at >= block.length) throw malformed("string");
    const isHuffman = block[this.#at]! >= 128;
    const length = this.#integer(7);
    const from = this.#at;
    const to = from + length;
    if (to > block.length) throw malformed("string length");
    this.#at = to;
    if (!isHuffman)
      return Buffer.from(block.buffer, block.byteOffset + from, length).toString("latin1");
    const text = decodeHuffman(block, from, to);
    if (text === undefined) throw malformed("Huffman code");
    return text;
  }
}

/** A header block of literals that are not added to the table; names are lower case, text is latin-1. */
export function encodeHeaders(headers: Readonly<Record<string, string | number>>): Buffer {
  const pieces: Buffer[] = [];
  for (const [name, value] of Object.entries(headers)) {
    // 0x00: literal without indexing, new name.
    pieces.push(Buffer.from([0]), encodeString(name), encodeString(String(value)));
  }
  return Buffer.concat(pieces);
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, "latin1");
  return Buffer.concat([encodeInteger(bytes.length, 7), bytes]);
}

function encodeInteger(value: number, prefixBits: number): Buffer {
  const max = (1 << prefixBits) - 1;
  if (value < max) return Buffer.from([value]);
  const octets = [max];
  let rest = value - max;
  for (; rest > 127; rest >>>= 7) octets.push((rest & 127) | 128);
  octets.push(rest);
  return Buffer.from(octets);
}

const empty = new Uint8Array(0);
const malformed = (what: string) =>
  new ConnectionError(errorCode.compressionError, `cannot decode the header block: ${what}`);
