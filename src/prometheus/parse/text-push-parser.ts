/**
 * Text 0.0.4 as the Pushgateway takes it (prometheus/common, expfmt.TextParser), which is stricter than
 * scraping: commas between labels, known escapes, a newline at the end. Messages are upstream's and name the line.
 */
import { isUtf8 } from "node:buffer";
import { decodeUtf8 } from "../../pdata/wire.ts";
import type { FamilyType } from "../family.ts";
import type { Label } from "../labels.ts";
import type { Entry, EntrySource } from "./entry.ts";
import { parseFloatText, parseIntText, quoteByte, quoteBytes, quoteText } from "./go-text.ts";
import { defaultLimits, malformed, type ParseLimits } from "./limits.ts";
import { LineGuard } from "./line-guard.ts";
import { isDigit, isLabelStart, isNameStart, newline, quote, space } from "./scrape-parser.ts";
import { TextCache } from "./text-cache.ts";

const types: ReadonlyMap<string, FamilyType> = new Map([
  ["COUNTER", "counter"],
  ["GAUGE", "gauge"],
  ["SUMMARY", "summary"],
  ["UNTYPED", "unknown"],
  ["HISTOGRAM", "histogram"],
  ["GAUGE_HISTOGRAM", "gaugehistogram"],
  ["GAUGEHISTOGRAM", "gaugehistogram"],
]);

const isBlank = (c: number) => c === space || c === 0x09;
const isWhite = (c: number) => isBlank(c) || c === newline;
const comma = 0x2c;
const equal = 0x3d;
const braceOpen = 0x7b;
const braceClose = 0x7d;
const backslash = 0x5c;
const letterN = 0x6e;

export class TextPushParser implements EntrySource {
  readonly strict = true;
  readonly #b: Uint8Array;
  readonly #limits: ParseLimits;
  /** All of the input is UTF-8: its pieces need no check. */
  readonly #isUtf8: boolean;
  readonly #texts: TextCache;
  readonly #guard: LineGuard;
  #p = 0;
  #line = 0;

  constructor(bytes: Uint8Array, limits: ParseLimits = defaultLimits) {
    this.#b = bytes;
    this.#limits = limits;
    this.#isUtf8 = isUtf8(bytes);
    this.#texts = new TextCache(bytes);
    this.#guard = new LineGuard(bytes, limits.maxLineBytes);
  }

  fail(message: string): never {
    throw malformed(`text format parsing error in line ${this.#line}: ${message}`);
  }

  next(): Entry | undefined {
    for (;;) {
      this.#line++;
      this.#guard.check(this.#p);
      this.#skipBlanks();
      if (this.#p >= this.#b.length) return undefined;
      const entry = this.#entry();
      if (entry !== undefined) return entry;
    }
  }

  /** undefined: the line holds nothing. */
  #entry(): Entry | undefined {
    const c = this.#at();
    if (c === newline) {
      this.#p++;
      return undefined;
    }
    if (c === 0x23) {
      this.#p++;
      return this.#comment();
    }
    const isBraced = c === braceOpen;
    const outerName = isBraced ? undefined : this.#name(isNameStart, "metric");
    if (outerName === "") this.fail("invalid metric name");
    if (outerName !== undefined) this.#skipBlanks();
    const { name, labels } = this.#labels(outerName);
    const value = this.#value();
    const timestampMs = this.#timestamp();
    return { kind: "series", name, labels, value, timestampMs, exemplar: undefined };
  }

  /** The byte at hand; inside a line there must be one. */
  #at(): number {
    if (this.#p >= this.#b.length) this.fail("unexpected end of input stream");
    return this.#b[this.#p]!;
  }

  #skipBlanks(): void {
    while (this.#p < this.#b.length && isBlank(this.#b[this.#p]!)) this.#p++;
  }

  /** The word up to the next white space, which must come. */
  #word(): string {
    const start = this.#p;
    while (!isWhite(this.#at())) this.#p++;
    return decodeUtf8(this.#b, start, this.#p);
  }

  #comment(): Entry | undefined {
    this.#skipBlanks();
    const keyword = this.#word();
    if (keyword !== "HELP" && keyword !== "TYPE") return this.#skipLine();
    if (this.#at() === newline) return this.#skipLine();
    this.#skipBlanks();
    const name = this.#name(isNameStart, "metric");
    if (this.#at() === newline) return this.#skipLine();
    if (!isBlank(this.#at())) this.fail("invalid metric name in comment");
    if (name === "") this.fail(`invalid metric name ${quoteText(name)}`);
    this.#skipBlanks();
    if (this.#at() === newline) return this.#skipLine();
    if (keyword === "HELP") return { kind: "help", name, text: this.#help() };
    const text = this.#restOfLine();
    const type = types.get(text.toUpperCase());
    if (type === undefined) this.fail(`unknown metric type ${quoteText(text)}`);
    return { kind: "type", name, type };
  }

  #skipLine(): undefined {
    while (this.#at() !== newline) this.#p++;
    this.#p++;
  }

  #restOfLine(): string {
    const start = this.#p;
    while (this.#at() !== newline) this.#p++;
    return decodeUtf8(this.#b, start, this.#p++);
  }

  #help(): string {
    const start = this.#p;
    let hasEscapes = false;
    for (; this.#at() !== newline; this.#p++) {
      if (this.#at() !== backslash) continue;
      this.#p++;
      this.#checkEscape();
      hasEscapes = true;
    }
    return this.#unescaped(start, this.#p++, hasEscapes);
  }

  /** A classic or a quoted name; "": there is none. The byte behind it is at hand. */
  #name(isStart: (c: number) => boolean, what: "metric" | "label"): string {
    if (this.#at() === quote) return this.#quoted(`${what} name`);
    const start = this.#p;
    if (!isStart(this.#at())) return "";
    while (isStart(this.#at()) || isDigit(this.#at())) this.#p++;
    return this.#texts.text(start, this.#p);
  }

  /** The text in quotes at hand. */
  #quoted(what: string): string {
    const start = ++this.#p;
    let hasEscapes = false;
    for (; this.#at() !== quote; this.#p++) {
      if (this.#at() === newline) {
        const shown = quoteText(this.#unescaped(start, this.#p, hasEscapes));
        this.fail(`${what} ${shown} contains unescaped new-line`);
      }
      if (this.#at() !== backslash) continue;
      this.#p++;
      this.#checkEscape();
      hasEscapes = true;
    }
    if (!this.#isUtf8 && !isUtf8(this.#b.subarray(start, this.#p))) {
      this.fail(`invalid ${what} ${quoteBytes(this.#b, start, this.#p)}`);
    }
    return this.#unescaped(start, this.#p++, hasEscapes);
  }

  /** Behind a backslash. */
  #checkEscape(): void {
    const c = this.#at();
    if (c === quote || c === backslash || c === letterN) return;
    this.fail(`invalid escape sequence '\\${String.fromCharCode(c)}'`);
  }

  #unescaped(start: number, end: number, hasEscapes: boolean): string {
    const text = this.#texts.text(start, end);
    if (!hasEscapes) return text;
    return text.replaceAll(/\\(.)/gsu, (_, c: string) => (c === "n" ? "\n" : c));
  }

  #labels(outerName: string | undefined): { name: string; labels: readonly Label[] } {
    if (this.#at() !== braceOpen) return { name: outerName!, labels: [] };
    this.#p++;
    const labels: Label[] = [];
    const seen = new Set<string>();
    let name = outerName;
    for (;;) {
      this.#skipBlanks();
      if (this.#at() === braceClose) break;
      const text = this.#name(isLabelStart, "label");
      if (text === "") this.fail(`invalid label name for metric ${quoteText(name ?? "")}`);
      this.#skipBlanks();
      if (this.#at() === equal) {
        this.#p++;
        this.#checkLabelName(text, name, seen);
        labels.push({ name: text, value: this.#labelValue() });
      } else {
        this.#checkBracedName(name, outerName);
        name = text;
      }
      if (this.#at() === comma) this.#p++;
    }
    this.#p++;
    if (name === undefined) this.fail("invalid metric name");
    this.#skipBlanks();
    return { name, labels };
  }

  /** A name without a value is the metric's, where none stands before the braces. */
  #checkBracedName(name: string | undefined, outerName: string | undefined): void {
    const c = this.#at();
    if (outerName !== undefined) this.fail(`expected '=' after label name, found ${quoteByte(c)}`);
    if (name !== undefined) this.fail(`multiple metric names for metric ${quoteText(name)}`);
    if (c !== comma && c !== braceClose) this.fail(`unexpected end of metric name ${quoteByte(c)}`);
  }

  #checkLabelName(label: string, name: string | undefined, seen: Set<string>): void {
    if (label === "__name__") this.fail('label name "__name__" is reserved');
    if (seen.has(label)) this.fail(`duplicate label names for metric ${quoteText(name ?? "")}`);
    seen.add(label);
    if (seen.size > this.#limits.maxLabels) this.fail("too many labels");
  }

  /** Leaves a comma or the closing brace at hand. */
  #labelValue(): string {
    this.#skipBlanks();
    const c = this.#at();
    if (c !== quote) {
      this.fail(`expected '"' at start of label value, found ${quoteByte(c)}`);
    }
    const value = this.#quoted("label value");
    this.#skipBlanks();
    if (this.#at() !== comma && this.#at() !== braceClose) {
      this.fail(`unexpected end of label value ${quoteText(value)}`);
    }
    return value;
  }

  #value(): number {
    const start = this.#p;
    const value = parseFloatText(this.#word());
    if (typeof value === "number") return value;
    return this.fail(`expected float as value, got ${quoteBytes(this.#b, start, this.#p)}`);
  }

  /** The rest of the line. */
  #timestamp(): number | undefined {
    if (this.#at() === newline) {
      this.#p++;
      return undefined;
    }
    this.#skipBlanks();
    const start = this.#p;
    const timestampMs = parseIntText(this.#word());
    if (typeof timestampMs !== "number") {
      const shown = quoteBytes(this.#b, start, this.#p);
      this.fail(`expected integer as timestamp, got ${shown}`);
    }
    const rest = this.#restOfLine();
    if (rest !== "") this.fail(`spurious string after timestamp: ${quoteText(rest)}`);
    return timestampMs;
  }
}
