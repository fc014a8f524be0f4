/** OpenMetrics 1.0 as Prometheus scrapes it (model/textparse, openmetricsparse and openmetricslex). */
import type { Exemplar, FamilyType } from "../family.ts";
import type { Label } from "../labels.ts";
import { type Entry, millisecondsOf } from "./entry.ts";
import { quoteText } from "./go-text.ts";
import { defaultLimits, malformed, type ParseLimits } from "./limits.ts";
import {
  isLabelStart,
  isNameStart,
  newline,
  quote,
  ScrapeParser,
  space,
  type Token,
  unescape,
} from "./scrape-parser.ts";

const types: ReadonlyMap<string, FamilyType> = new Map(
  (
    [
      "counter",
      "gauge",
      "histogram",
      "gaugehistogram",
      "summary",
      "info",
      "stateset",
      "unknown",
    ] as const
  ).map((type) => [type, type]),
);

const hash = 0x23;
const braceOpen = 0x7b;
const endsWord = (c: number) => c === space || c === newline;

type State =
  | "init"
  | "meta1"
  | "meta2"
  | "labels"
  | "lvalue"
  | "value"
  | "timestamp"
  | "exemplar"
  | "evalue"
  | "etimestamp";

export class OpenMetricsParser extends ScrapeParser {
  #state: State = "init";
  readonly #lexers: Readonly<Record<State, () => Token>> = {
    init: () => this.#lexInit(),
    meta1: () => this.#lexMetadataName(),
    meta2: () => this.#lexText(),
    labels: () => this.#lexLabels("value", "lvalue", true),
    lvalue: () => this.#lexLabelValue("labels", true),
    value: () => this.#lexValue(),
    timestamp: () => this.#lexTimestamp(),
    exemplar: () => this.#lexLabels("evalue", "evalue", false),
    evalue: () => this.#lexExemplarValue(),
    etimestamp: () => this.#lexExemplarEnd(),
  };

  constructor(bytes: Uint8Array, limits: ParseLimits = defaultLimits) {
    super(bytes, limits);
  }

  next(): Entry | undefined {
    this.begin();
    const token = this.lex();
    if (token === "EOFWORD") {
      if (this.lex() !== "EOF") throw malformed("unexpected data after # EOF");
      return undefined;
    }
    if (token === "EOF") this.#noEnd();
    return this.#entry(token);
  }

  #noEnd(): never {
    throw malformed("data does not end with # EOF");
  }

  #entry(token: Token): Entry {
    if (token === "HELP" || token === "TYPE" || token === "UNIT") return this.#metadata(token);
    if (token === "MNAME") return this.#series(this.tokenText(), this.lex());
    if (token === "BOPEN") return this.#series(undefined, token);
    return this.unexpected("expected a valid start token", token);
  }

  #metadata(keyword: "HELP" | "TYPE" | "UNIT"): Entry {
    const name = this.metadataName(keyword);
    if (this.lex() !== "TEXT") throw malformed(`expected text in ${keyword}`);
    if (keyword === "TYPE") {
      return { kind: "type", name, type: this.typeOf(this.tokenText(1, 1), types) };
    }
    if (keyword === "HELP") return { kind: "help", name, text: unescape(this.checkedHelp(1, 1)) };
    const unit = this.tokenText(1, 1);
    if (unit !== "" && !name.endsWith(`_${unit}`)) {
      throw malformed(`unit ${quoteText(unit)} not a suffix of metric ${quoteText(name)}`);
    }
    return { kind: "unit", name, text: unit };
  }

  #series(outerName: string | undefined, first: Token): Entry {
    let token = first;
    let name = outerName;
    let labels: readonly Label[] = [];
    if (token === "BOPEN") {
      ({ name, labels } = this.labels(outerName, { commas: true, exemplar: false }));
      token = this.lex();
    }
    if (name === undefined) this.fail("metric name not set");
    const value = this.#value(token, "metric");
    token = this.lex();
    if (token === "EOF") this.#noEnd();
    let timestampMs: number | undefined;
    if (token === "TIMESTAMP") {
      timestampMs = millisecondsOf(this.#seconds("timestamp"));
      token = this.lex();
      if (token !== "LINEBREAK" && token !== "COMMENT") {
        this.unexpected("expected next entry after timestamp", token);
      }
    }
    const exemplar = token === "COMMENT" ? this.#exemplar() : undefined;
    return { kind: "series", name, labels, value, timestampMs, exemplar };
  }

  #value(token: Token, after: string): number {
    if (token !== "VALUE") this.unexpected(`expected value after ${after}`, token);
    return this.float(1);
  }

  #seconds(what: string): number {
    const seconds = this.float(1);
    if (Number.isSafeInteger(Math.trunc(seconds * 1000))) return seconds;
    const infinite = seconds > 0 ? "+Inf" : "-Inf";
    const isText = Number.isFinite(seconds) || Number.isNaN(seconds);
    throw malformed(`invalid ${what} ${isText ? String(seconds) : infinite}`);
  }

  #exemplar(): Exemplar {
    const { labels } = this.labels(undefined, { commas: true, exemplar: true });
    const value = this.#value(this.lex(), "exemplar labels");
    const token = this.lex();
    if (token === "EOF") this.#noEnd();
    if (token === "LINEBREAK") return { labels, value };
    if (token !== "TIMESTAMP") this.unexpected("expected timestamp or comment", token);
    const timestampSeconds = this.#seconds("exemplar timestamp");
    const end = this.lex();
    if (end !== "LINEBREAK") this.unexpected("expected next entry after exemplar timestamp", end);
    return { labels, value, timestampSeconds };
  }

  protected lex(): Token {
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
    if (c === braceOpen) return this.#to("labels", this.take("BOPEN"));
    if (c === hash) return this.#lexComment();
    if (!isNameStart(c)) return "INVALID";
    this.skipName(isNameStart);
    return this.#to("value", "MNAME");
  }

  #lexComment(): Token {
    if (!this.skipLiteral("# ")) return "INVALID";
    if (this.at() === 0x45) {
      if (!this.skipLiteral("EOF")) return "INVALID";
      if (this.at() === newline) this.i++;
      return "EOFWORD";
    }
    for (const keyword of ["HELP", "TYPE", "UNIT"] as const) {
      if (this.at() !== keyword.charCodeAt(0)) continue;
      return this.skipLiteral(`${keyword} `) ? this.#to("meta1", keyword) : "INVALID";
    }
    return "INVALID";
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

  /** A blank, the text, and the end of the line. */
  #lexText(): Token {
    if (this.at() !== space) return "INVALID";
    while (this.i < this.b.length && this.b[this.i] !== newline) this.i++;
    return this.i < this.b.length ? this.#to("init", this.take("TEXT")) : "INVALID";
  }

  #lexLabels(afterClose: State, afterEqual: State, newlines: boolean): Token {
    const c = this.at();
    if (c === quote) return this.skipQuoted({ newlines, nulls: false }) ? "QSTRING" : "INVALID";
    if (c === 0x7d) return this.#to(afterClose, this.take("BCLOSE"));
    if (c === 0x3d) return this.#to(afterEqual, this.take("EQUAL"));
    if (c === 0x2c) return this.take("COMMA");
    if (!isLabelStart(c)) return "INVALID";
    this.skipName(isLabelStart);
    return "LNAME";
  }

  #lexLabelValue(after: State, nulls: boolean): Token {
    if (this.at() !== quote) return "INVALID";
    return this.skipQuoted({ newlines: false, nulls }) ? this.#to(after, "LVALUE") : "INVALID";
  }

  #lexValue(): Token {
    if (this.at() === braceOpen) return this.#to("labels", this.take("BOPEN"));
    return this.#lexWord("timestamp", "VALUE");
  }

  #lexExemplarValue(): Token {
    if (this.at() === quote) return this.#lexLabelValue("exemplar", false);
    return this.#lexWord("etimestamp", "VALUE");
  }

  #lexExemplarEnd(): Token {
    if (this.at() === newline) return this.#to("init", this.take("LINEBREAK"));
    return this.#lexWord("etimestamp", "TIMESTAMP");
  }

  /** A blank and what stands up to the next one or the end of the line. */
  #lexWord(state: State, token: Token): Token {
    if (this.at() !== space) return "INVALID";
    this.i++;
    const from = this.i;
    this.skipUntil(endsWord);
    return this.i > from ? this.#to(state, token) : "INVALID";
  }

  #lexTimestamp(): Token {
    if (this.at() === newline) return this.#to("init", this.take("LINEBREAK"));
    const { b, i } = this;
    if (b[i] === space && b[i + 1] === hash && b[i + 2] === space && b[i + 3] === braceOpen) {
      this.i += 4;
      return this.#to("exemplar", "COMMENT");
    }
    return this.#lexWord("timestamp", "TIMESTAMP");
  }
}
