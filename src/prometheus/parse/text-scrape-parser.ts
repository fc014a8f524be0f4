/** Text 0.0.4 as Prometheus scrapes it (model/textparse, promparse and promlex). */
import type { FamilyType } from "../family.ts";
import type { Label } from "../labels.ts";
import type { Entry } from "./entry.ts";
import { parseIntText } from "./go-text.ts";
import { defaultLimits, malformed, type ParseLimits } from "./limits.ts";
import {
  isDigit,
  isLabelStart,
  isNameStart,
  newline,
  quote,
  ScrapeParser,
  space,
  type Token,
} from "./scrape-parser.ts";

const types: ReadonlyMap<string, FamilyType> = new Map([
  ["counter", "counter"],
  ["gauge", "gauge"],
  ["histogram", "histogram"],
  ["summary", "summary"],
  ["untyped", "unknown"],
]);

const isBlank = (c: number) => c === space || c === 0x09;
const hash = 0x23;
const braceOpen = 0x7b;

type State = "init" | "meta1" | "meta2" | "labels" | "lvalue" | "value" | "timestamp";

export class TextScrapeParser extends ScrapeParser {
  #state: State = "init";
  readonly #lexers: Readonly<Record<State, () => Token>> = {
    init: () => this.#lexInit(),
    meta1: () => this.#lexMetadataName(),
    meta2: () => this.#lexText(),
    labels: () => this.#lexLabels(),
    lvalue: () => this.#lexLabelValue(),
    value: () => this.#lexValue(),
    timestamp: () => this.#lexTimestamp(),
  };

  constructor(bytes: Uint8Array, limits: ParseLimits = defaultLimits) {
    super(Buffer.concat([bytes, Buffer.of(newline)]), limits);
  }

  next(): Entry | undefined {
    for (;;) {
      this.begin();
      const token = this.lex();
      if (token === "EOF") return undefined;
      if (token === "LINEBREAK") continue;
      return this.#entry(token);
    }
  }

  #entry(token: Token): Entry {
    if (token === "HELP" || token === "TYPE") return this.#metadata(token);
    if (token === "MNAME") return this.#series(this.tokenText(), this.lex());
    if (token === "BOPEN") return this.#series(undefined, token);
    if (token !== "COMMENT") this.unexpected("expected a valid start token", token);
    const text = this.tokenText();
    this.#linebreak("linebreak expected after comment");
    return { kind: "comment", text };
  }

  #metadata(keyword: "HELP" | "TYPE"): Entry {
    const name = this.metadataName(keyword);
    const token = this.lex();
    if (token !== "TEXT") throw malformed(`expected text in ${keyword}, got ${token}`);
    const from = this.i > this.tokenStart ? 1 : 0;
    if (keyword === "TYPE") {
      const type = this.typeOf(this.tokenText(from), types);
      this.#linebreak("linebreak expected after metadata");
      return { kind: "type", name, type };
    }
    const help = this.checkedHelp(from, 0);
    this.#linebreak("linebreak expected after metadata");
    const text = help.replaceAll(/\\[\\n]/gu, (pair) => (pair === "\\n" ? "\n" : "\\"));
    return { kind: "help", name, text };
  }

  #linebreak(expected: string): void {
    const token = this.lex();
    if (token !== "LINEBREAK") this.unexpected(expected, token);
  }

  #series(outerName: string | undefined, first: Token): Entry {
    let token = first;
    let name = outerName;
    let labels: readonly Label[] = [];
    if (token === "BOPEN") {
      ({ name, labels } = this.labels(outerName, { commas: false, exemplar: false }));
      token = this.lex();
    }
    if (name === undefined) this.fail("metric name not set");
    if (token !== "VALUE") this.unexpected("expected value after metric", token);
    const value = this.float(0);
    const timestampMs = this.#timestamp();
    return { kind: "series", name, labels, value, timestampMs, exemplar: undefined };
  }

  #timestamp(): number | undefined {
    const token = this.lex();
    if (token === "LINEBREAK") return undefined;
    if (token !== "TIMESTAMP") this.unexpected("expected timestamp or new record", token);
    const parsed = parseIntText(this.tokenText());
    if (typeof parsed !== "number") this.fail(parsed.error);
    this.#linebreak("expected next entry after timestamp");
    return parsed;
  }

  protected lex(): Token {
    while (isBlank(this.at()) && this.#state !== "meta2") this.i++;
    this.tokenStart = this.i;
    if (this.i >= this.b.length) return "EOF";
    return this.#lexers[this.#state]();
  }

  #to(state: State, token: Token): Token {
    this.#state = state;
    return token;
  }

  #lexInit(): Token {
    const c = this.at();
    if (c === 0) return "EOF";
    if (c === newline) return this.take("LINEBREAK");
    if (c === braceOpen) return this.#to("labels", this.take("BOPEN"));
    if (c === hash) return this.#lexComment();
    if (!isNameStart(c)) return "INVALID";
    this.skipName(isNameStart);
    return this.#to("value", "MNAME");
  }

  #lexComment(): Token {
    this.i++;
    if (isBlank(this.at())) {
      while (isBlank(this.at())) this.i++;
      for (const keyword of ["HELP", "TYPE"] as const) {
        if (this.at() !== keyword.charCodeAt(0)) continue;
        if (this.skipLiteral(keyword) && isBlank(this.at())) {
          while (isBlank(this.at())) this.i++;
          return this.#to("meta1", keyword);
        }
      }
      return this.#restOfComment(true);
    }
    return this.#restOfComment(false);
  }

  /** As the generated lexer has it: a NUL ends the input, but not behind the blank of a comment. */
  #restOfComment(takesNul: boolean): Token {
    for (; this.b[this.i] !== newline; this.i++) {
      if (this.b[this.i] === 0 && !takesNul) return "EOF";
    }
    return this.#to("init", "COMMENT");
  }

  #lexMetadataName(): Token {
    if (this.at() === quote) {
      const isWhole = this.skipQuoted({ newlines: true, nulls: false });
      return isWhole ? this.#to("meta2", "MNAME") : "INVALID";
    }
    if (!isNameStart(this.at())) return "INVALID";
    this.skipName(isNameStart);
    return this.#to("meta2", "MNAME");
  }

  /** All that is left of the line; blanks alone are skipped before it. */
  #lexText(): Token {
    let isEmpty = true;
    for (; this.i < this.b.length && this.b[this.i] !== newline; this.i++) {
      if (!isBlank(this.b[this.i]!)) isEmpty = false;
    }
    if (isEmpty) this.tokenStart = this.i;
    return this.#to("init", "TEXT");
  }

  #lexLabels(): Token {
    const c = this.at();
    if (c === quote) {
      return this.skipQuoted({ newlines: true, nulls: false }) ? "QSTRING" : "INVALID";
    }
    if (c === 0x7d) return this.#to("value", this.take("BCLOSE"));
    if (c === 0x3d) return this.#to("lvalue", this.take("EQUAL"));
    if (c === 0x2c) return this.take("COMMA");
    if (!isLabelStart(c)) return "INVALID";
    this.skipName(isLabelStart);
    return "LNAME";
  }

  #lexLabelValue(): Token {
    if (this.at() !== quote) return "INVALID";
    const isWhole = this.skipQuoted({ newlines: true, nulls: true });
    return isWhole ? this.#to("labels", "LVALUE") : "INVALID";
  }

  #lexValue(): Token {
    if (this.at() === braceOpen) return this.#to("labels", this.take("BOPEN"));
    this.skipUntil((c) => c === braceOpen || isBlank(c) || c === newline);
    return this.i > this.tokenStart ? this.#to("timestamp", "VALUE") : "INVALID";
  }

  #lexTimestamp(): Token {
    if (this.at() === newline) return this.#to("init", this.take("LINEBREAK"));
    while (isDigit(this.at())) this.i++;
    return this.i > this.tokenStart ? "TIMESTAMP" : "INVALID";
  }
}
