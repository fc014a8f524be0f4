/**
 * Walks JSON without building it: to say where it is malformed, and to cut large bodies into their items, so that
 * no single step holds up the event loop.
 */
import { JsonReader, unfinished } from "../../src/pdata/json/reader.ts";

/** A metric has three levels; what is deeper is no metric, and must not exhaust the stack of JSON.parse either. */
export const maxDepth = 32;

const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const quote = 0x22;
const colon = 0x3a;
const comma = 0x2c;
const minus = 0x2d;

/** What a value's members are: called at their starts and ends, for the levels above `deepest`. */
export interface Visitor {
  /** Of levels up to this one: 0 is the document. */
  readonly deepest: number;
  /** A member of an object (with its key) or an element of an array begins or ends at this byte. */
  begin(level: number, key: string | undefined, at: number): void;
  end(level: number, at: number): void;
}

const tokensOfStep = 512;

/** Steps through the whole body; throws MALFORMED_DATA with the reader's position at the fault. */
export class JsonWalker {
  readonly reader: JsonReader;
  readonly #visitor: Visitor | undefined;
  #tokens = 0;

  constructor(body: Uint8Array, visitor?: Visitor) {
    this.reader = new JsonReader(body);
    this.#visitor = visitor;
  }

  *walk(): Generator<void, void> {
    yield* this.#value(0);
    if (this.reader.peek() !== -1) this.reader.unexpected("the end");
  }

  *#value(level: number): Generator<void, void> {
    const { reader } = this;
    if (++this.#tokens % tokensOfStep === 0) yield;
    if (level > maxDepth) reader.fail("nested too deeply");
    const first = reader.peek();
    if (first === openBrace) yield* this.#object(level);
    else if (first === openBracket) yield* this.#array(level);
    else if (first === quote) yield* this.#string();
    else if (first === minus || (first >= 0x30 && first <= 0x39)) reader.readNumber();
    else reader.readLiteral(first);
  }

  *#string(): Generator<void, void> {
    for (;;) {
      try {
        this.reader.readString();
        return;
      } catch (error) {
        if (error !== unfinished) throw error;
        yield;
      }
    }
  }

  *#object(level: number): Generator<void, void> {
    const { reader } = this;
    reader.expect(openBrace);
    if (this.#takes(closeBrace)) return;
    for (;;) {
      if (reader.peek() !== quote) reader.unexpected("'\"'");
      yield* this.#string();
      const key = this.#isVisited(level) ? this.#key() : undefined;
      reader.expect(colon);
      yield* this.#member(level, key);
      if (this.#takes(closeBrace)) return;
      reader.expect(comma);
    }
  }

  *#array(level: number): Generator<void, void> {
    const { reader } = this;
    reader.expect(openBracket);
    if (this.#takes(closeBracket)) return;
    for (;;) {
      yield* this.#member(level, undefined);
      if (this.#takes(closeBracket)) return;
      reader.expect(comma);
    }
  }

  *#member(level: number, key: string | undefined): Generator<void, void> {
    const isVisited = this.#isVisited(level);
    if (isVisited) {
      this.reader.peek();
      this.#visitor!.begin(level, key, this.reader.position);
    }
    yield* this.#value(level + 1);
    if (isVisited) this.#visitor!.end(level, this.reader.position);
  }

  #isVisited(level: number): boolean {
    return this.#visitor !== undefined && level <= this.#visitor.deepest;
  }

  /** Keys that matter are short; of others a part is enough. */
  #key(): string {
    const { reader } = this;
    if (reader.end - reader.start > maxKeyBytes) return "…";
    return reader.text();
  }

  #takes(byte: number): boolean {
    if (this.reader.peek() !== byte) return false;
    this.reader.position++;
    return true;
  }
}

const maxKeyBytes = 1024;
