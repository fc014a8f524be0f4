import type { Adder, Counter, Recorder } from "../types.ts";
import type { LlmMetrics, ModelKey } from "./metrics.ts";

export type TokenKind = "cached" | "cache_write" | "reasoning";

/** Names that are admitted as attributes. */
export interface SeriesNames {
  readonly operation: string;
  readonly provider: string;
  readonly model: string | undefined;
  readonly queryType: string | undefined;
}

/**
 * The series of calls with the same names. Those of a call that succeeds are bound, at their first use: a bound counter
 * is sent with 0, which a cost that is not known must not be, and a bound histogram without a value.
 */
export class CallSeries {
  readonly #metrics: LlmMetrics;
  readonly #modelKeys;
  readonly #callKeys;
  #duration: Recorder | undefined = undefined;
  #firstChunk: Recorder | undefined = undefined;
  #input: Recorder | undefined = undefined;
  #output: Recorder | undefined = undefined;
  #cost: Adder | undefined = undefined;
  readonly #kinds = new Map<TokenKind, Adder>();

  constructor(metrics: LlmMetrics, { operation, provider, model, queryType }: SeriesNames) {
    this.#metrics = metrics;
    this.#modelKeys = {
      "gen_ai.provider.name": provider,
      "gen_ai.request.model": model,
      "repomind.query.type": queryType,
    };
    this.#callKeys = { "gen_ai.operation.name": operation, ...this.#modelKeys };
  }

  took(seconds: number, errorType: string | undefined): void {
    const { duration } = this.#metrics;
    if (errorType !== undefined) {
      duration.record(seconds, { ...this.#callKeys, "error.type": errorType });
      return;
    }
    this.#duration ??= duration.bind(this.#callKeys);
    this.#duration.record(seconds);
  }

  firstChunk(seconds: number): void {
    this.#firstChunk ??= this.#metrics.firstChunk.bind(this.#callKeys);
    this.#firstChunk.record(seconds);
  }

  input(tokens: number, errorType: string | undefined): void {
    if (errorType === undefined) (this.#input ??= this.#bindTokens("input")).record(tokens);
    else this.#failedTokens(tokens, "input", errorType);
  }

  output(tokens: number, errorType: string | undefined): void {
    if (errorType === undefined) (this.#output ??= this.#bindTokens("output")).record(tokens);
    else this.#failedTokens(tokens, "output", errorType);
  }

  kind(kind: TokenKind, tokens: number): void {
    let adder = this.#kinds.get(kind);
    if (adder === undefined) {
      adder = this.#metrics.tokens.bind({ ...this.#modelKeys, "token.kind": kind });
      this.#kinds.set(kind, adder);
    }
    adder.add(tokens);
  }

  cost(usd: number): void {
    this.#cost ??= this.#metrics.cost.bind(this.#modelKeys);
    this.#cost.add(usd);
  }

  retry(errorType: string): void {
    this.#metrics.retries.add(1, { ...this.#modelKeys, "error.type": errorType });
  }

  count(counter: Counter<ModelKey>): void {
    counter.add(1, this.#modelKeys);
  }

  #bindTokens(type: "input" | "output"): Recorder {
    return this.#metrics.tokenUsage.bind({ ...this.#callKeys, "gen_ai.token.type": type });
  }

  #failedTokens(tokens: number, type: "input" | "output", errorType: string): void {
    const keys = { ...this.#callKeys, "error.type": errorType, "gen_ai.token.type": type };
    this.#metrics.tokenUsage.record(tokens, keys);
  }
}
