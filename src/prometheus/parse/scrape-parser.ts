/**
 * What the parsers of the two text formats for scraping have in common: Prometheus' model/textparse, with its
 * messages. A lexer with states gives tokens; a message shows the input from the line's start to the byte at
 * which the lexer stopped.
 *
 *     name{label="value","quoted name"="value"} value …        {"quoted metric name",label="value"} value …
 */
import { isUtf8 } from "node:buffer";
import { decodeUtf8 } from "../../pdata/wire.ts";
import type { FamilyType } from "../family.ts";
import type { Label } from "../labels.ts";
import type { Entry, EntrySource } from "./entry.ts";
import { parseFloatText, quoteBytes, quoteText } from "./go-text.ts";
import { malformed, type ParseLimits } from "./limits.ts";
import { LineGuard } from "./line-guard.ts";
import { TextCache } from "./text-cache.ts";

export type Token =
  | "INVALID"
  | "EOF"
  | "LINEBREAK"
  | "HELP"
  | "TYPE"
  | "UNIT"
  | "EOFWORD"
  | "TEXT"
  | "COMMENT"
  | "MNAME"
  | "QSTRING"
  | "BOPEN"
  | "BCLOSE"
  | "LNAME"
  | "LVALUE"
  | "COMMA"
  | "EQUAL"
  | "TIMESTAMP"
  | "VALUE";

const escape = /\\["\\n]/gu;
/** `\"`, `\\` and `\n`; other backslashes stand for themselves. */
export const unescape = (text: string) =>
  text.includes("\\")
    ? text.replace(escape, (pair) => (pair === "\\n" ? "\n" : pair.slice(1)))
    : text;

export const space = 0x20;
export const newline = 0x0a;
export const quote = 0x22;
const backslash = 0x5c;

export const isLabelStart = (c: number) =>
  (c >= 0x61 && c <= 0x7a) || (c >= 0x41 && c <= 0x5a) || c === 0x5f;
export const isDigit = (c: number) => c >= 0x30 && c <= 0x39;
export const isNameStart = (c: number) => isLabelStart(c) || c === 0x3a;

export abstract class ScrapeParser implements EntrySource {
  readonly strict = false;
  protected readonly b: Uint8Array;
  /** Where the lexer stands. */
  protected i = 0;
  /** Where the entry and the token begin. */
  protected start = 0;
  protected tokenStart = 0;
  protected readonly limits: ParseLimits;
  /** All of the input is UTF-8: its pieces need no check. */
  private readonly isUtf8: boolean;
  private readonly texts: TextCache;
  private readonly guard: LineGuard;

  constructor(bytes: Uint8Array, limits: ParseLimits) {
    this.b = bytes;
    this.limits = limits;
    this.isUtf8 = isUtf8(bytes);
    this.texts = new TextCache(bytes);
    this.guard = new LineGuard(bytes, limits.maxLineBytes);
  }

  abstract next(): Entry | undefined;
  protected abstract lex(): Token;

  fail(message: string): never {
    throw malformed(`${message} while parsing: ${quoteBytes(this.b, this.start, this.i)}`);
  }

  /** A message about a token that is another one than expected. */
  protected unexpected(expected: string, got: Token): never {
    const end = Math.min(this.b.length, this.i + 1);
    const shown = quoteBytes(this.b, this.tokenStart, end);
    const line = quoteBytes(this.b, this.start, end);
    throw malformed(`${expected}, got ${shown} ("${got}") while parsing: ${line}`);
  }

  protected tokenText(from = 0, to = 0): string {
    return this.texts.text(this.tokenStart + from, this.i - to);
  }

  /** Begins an entry. */
  protected begin(): void {
    this.start = this.i;
    this.guard.check(this.i);
  }

  /** The name behind HELP, TYPE or UNIT. */
  protected metadataName(keyword: Token): string {
    const token = this.lex();
    if (token !== "MNAME") this.unexpected(`expected metric name after ${keyword}`, token);
    const isQuoted = this.b[this.tokenStart] === quote;
    return isQuoted ? unescape(this.tokenText(1, 1)) : this.tokenText();
  }

  protected checkedHelp(from: number, to: number): string {
    const help = this.b.subarray(this.tokenStart + from, this.i - to);
    if (!isUtf8(help)) {
      const shown = quoteBytes(help, 0, help.length);
      throw malformed(`help text ${shown} is not a valid utf8 string`);
    }
    return decodeUtf8(help, 0, help.length);
  }

  protected typeOf(text: string, types: ReadonlyMap<string, FamilyType>): FamilyType {
    const type = types.get(text);
    if (type === undefined) throw malformed(`invalid metric type ${quoteText(text)}`);
    return type;
  }

  /** What stands in braces; the metric's name may stand there too, quoted. */
  protected labels(
    outerName: string | undefined,
    options: { readonly commas: boolean; readonly exemplar: boolean },
  ): { name: string | undefined; labels: Label[] } {
    const labels: Label[] = [];
    let name = outerName;
    for (let token = this.lex(); token !== "BCLOSE"; ) {
      if (token !== "LNAME" && token !== "QSTRING") this.unexpected("expected label name", token);
      const isQuoted = token === "QSTRING";
      const text = isQuoted ? unescape(this.tokenText(1, 1)) : this.tokenText();
      token = this.lex();
      if (isQuoted && (token === "COMMA" || token === "BCLOSE")) {
        if (options.exemplar) this.unexpected("expected label name", token);
        if (name !== undefined) this.fail("metric name already set");
        name = text;
      } else {
        if (token !== "EQUAL") this.unexpected("expected equal", token);
        labels.push({ name: text, value: this.labelValue() });
        if (labels.length > this.limits.maxLabels) this.fail("too many labels");
        token = this.afterLabel(options.commas);
      }
      if (token === "COMMA") token = this.lex();
    }
    return { name, labels };
  }

  private afterLabel(needsComma: boolean): Token {
    const token = this.lex();
    if (needsComma && token !== "COMMA" && token !== "BCLOSE") {
      this.unexpected("expected comma or brace close", token);
    }
    return token;
  }

  private labelValue(): string {
    const token = this.lex();
    if (token !== "LVALUE") this.unexpected("expected label value", token);
    if (!this.isUtf8 && !isUtf8(this.b.subarray(this.tokenStart, this.i))) {
      const shown = quoteBytes(this.b, this.tokenStart, this.i);
      throw malformed(`invalid UTF-8 label value: ${shown}`);
    }
    return unescape(this.tokenText(1, 1));
  }

  /** The number in the token, from its byte `from` on. */
  protected float(from: number): number {
    const start = this.tokenStart + from;
    const value = this.shortInteger(start);
    if (value !== undefined) return value;
    const quoted = () => quoteBytes(this.b, start, this.i);
    const parsed = parseFloatText(decodeUtf8(this.b, start, this.i), quoted);
    return typeof parsed === "number" ? parsed : this.fail(parsed.error);
  }

  /** Most values are small whole numbers: read without making a text. */
  private shortInteger(from: number): number | undefined {
    const length = this.i - from;
    if (length === 0 || length > 15) return undefined;
    let value = 0;
    for (let p = from; p < this.i; p++) {
      const digit = this.b[p]! - 0x30;
      if (digit < 0 || digit > 9) return undefined;
      value = value * 10 + digit;
    }
    return value;
  }

  /** The byte at the lexer; 0 at the end, which no rule but those for labels and help takes. */
  protected at(): number {
    return this.i < this.b.length ? this.b[this.i]! : 0;
  }

  protected skipName(isStart: (c: number) => boolean): void {
    while (isStart(this.at()) || isDigit(this.at())) this.i++;
  }

  /** A quoted text; false: it does not end, and the lexer stands where it gave up. */
  protected skipQuoted(options: { readonly newlines: boolean; readonly nulls: boolean }): boolean {
    this.i++;
    // Quoted texts may hold line feeds: the guard of lines has not seen their end.
    const end = Math.min(this.b.length, this.start + this.limits.maxLineBytes);
    while (this.i < end) {
      const c = this.b[this.i]!;
      if (c === quote) {
        this.i++;
        return true;
      }
      if ((c === newline && !options.newlines) || (c === 0 && !options.nulls)) return false;
      this.i++;
      if (c !== backslash) continue;
      while (options.nulls && this.i < this.b.length && this.b[this.i] === 0) this.i++;
      if (this.i >= this.b.length || this.at() === newline || this.at() === 0) return false;
      this.i++;
    }
    return false;
  }

  /** Moves to the first of the bytes that end a word, or a NUL. */
  protected skipUntil(isEnd: (c: number) => boolean): void {
    while (this.i < this.b.length && this.b[this.i] !== 0 && !isEnd(this.b[this.i]!)) this.i++;
  }

  /** The literal at the lexer, as far as it matches. */
  protected skipLiteral(text: string): boolean {
    for (let k = 0; k < text.length; k++) {
      if (this.at() !== text.charCodeAt(k)) return false;
      this.i++;
    }
    return true;
  }

  protected take(token: Token): Token {
    this.i++;
    return token;
  }
}
