import { costOf, type Prices } from "./cost.ts";
import { errorTypeOf } from "./error-type.ts";
import type { LlmMetrics } from "./metrics.ts";
import { currentQueryType } from "./query-type.ts";
import type { CallSeries } from "./series.ts";
import type { LlmCall, LlmUsage } from "./types.ts";
import { countOf, type Spent } from "./usage.ts";

/** What the calls of one client have in common. */
export interface CallSource {
  readonly metrics: LlmMetrics;
  readonly queryType: string | undefined;
  /** The query types that there are; undefined: any, up to the bound. */
  readonly queryTypes: ReadonlySet<string> | undefined;
  /** Undefined: nothing is priced. */
  readonly prices: Prices | undefined;
}

export interface CallNames {
  readonly operation: string;
  readonly provider: string;
  readonly model: string | undefined;
}

/** One call from its begin to the end of its answer: measured once, whatever else is said about it afterwards. */
export class MeasuredCall implements LlmCall {
  readonly #source: CallSource;
  readonly #names: CallNames;
  readonly #series: CallSeries;
  readonly #startMs = performance.now();
  #hasChunk = false;
  #isTimed = false;
  #isOver = false;

  /** A query type of the call's own stands before the current one, and that before the client's. */
  constructor(source: CallSource, names: CallNames, ownQueryType?: string) {
    const { operation, provider, model } = names;
    const queryType = queryTypeOf(source, ownQueryType);
    this.#source = source;
    this.#names = names;
    this.#series = source.metrics.seriesOf({ operation, provider, model, queryType });
  }

  chunk(): void {
    if (this.#hasChunk || this.#isOver) return;
    this.#hasChunk = true;
    this.#series.firstChunk(this.#seconds());
  }

  retry(errorType: string): void {
    if (!this.#isOver) this.#series.retry(errorTypeOf(errorType));
  }

  /** Answered, but nobody reads the answer yet: what the application does in between is not the call's time. */
  answeredUnread(): void {
    this.#time(undefined);
  }

  end(usage?: LlmUsage | Spent, responseModel?: string): void {
    if (this.#isOver) return;
    this.#time(undefined);
    this.#isOver = true;
    const spent = validated(usage);
    this.#countTokens(spent, undefined);
    const { usageMissing } = this.#source.metrics;
    if (!this.#price(spent, responseModel)) this.#series.count(usageMissing);
  }

  fail(error: unknown, usage?: LlmUsage | Spent, responseModel?: string): void {
    if (this.#isOver) return;
    const errorType = errorTypeOf(error);
    this.#time(errorType);
    this.#isOver = true;
    if (usage === undefined) return;
    const spent = validated(usage);
    this.#countTokens(spent, errorType);
    this.#price(spent, responseModel);
  }

  #seconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  #time(errorType: string | undefined): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    this.#series.took(this.#seconds(), errorType);
  }

  #countTokens(usage: Spent, errorType: string | undefined): void {
    const { input, output, cacheRead = 0, cacheWrite = 0, reasoning = 0 } = usage;
    if (input !== undefined) this.#series.input(input, errorType);
    if (output !== undefined) this.#series.output(output, errorType);
    if (cacheRead > 0) this.#series.kind("cached", cacheRead);
    if (cacheWrite > 0) this.#series.kind("cache_write", cacheWrite);
    if (reasoning > 0) this.#series.kind("reasoning", reasoning);
  }

  /** False: too little is known of the usage. */
  #price(usage: Spent, responseModel: string | undefined): boolean {
    const { metrics, prices } = this.#source;
    const { operation, model } = this.#names;
    if (usage.costUsd !== undefined) {
      this.#series.cost(usage.costUsd);
      return true;
    }
    if (usage.input === undefined) return false;
    if (usage.output === undefined && operation !== "embeddings") return false;
    if (prices === undefined) return true;
    // A deployment may have any name; the answer says what it runs.
    const price = prices.of(...[responseModel, model].filter((name) => name !== undefined));
    if (price === undefined) this.#series.count(metrics.unpriced);
    else this.#series.cost(costOf(price, usage));
    return true;
  }
}

function queryTypeOf(
  { metrics, queryType, queryTypes }: CallSource,
  own: string | undefined,
): string | undefined {
  const type = own ?? currentQueryType() ?? queryType;
  if (type === undefined) return undefined;
  if (queryTypes === undefined) return metrics.queryTypes.admit(type);
  return queryTypes.has(type) ? type : "_OTHER";
}

const nothing: Spent = {};

/** An application says what it likes. */
function validated(usage: Spent | undefined): Spent {
  if (typeof usage !== "object" || usage === null) return nothing;
  return {
    input: countOf(usage.input),
    output: countOf(usage.output),
    cacheRead: countOf(usage.cacheRead),
    cacheWrite: countOf(usage.cacheWrite),
    cacheWriteLong: countOf(usage.cacheWriteLong),
    reasoning: countOf(usage.reasoning),
    costUsd: countOf(usage.costUsd),
  };
}
