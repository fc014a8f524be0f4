/** What an application says to and about calls of language models. */

export interface PriceTable {
  readonly version: string;
  readonly usdPerMillion: {
    readonly [model: string]: {
      readonly input: number;
      readonly output: number;
      readonly cacheRead?: number;
      readonly cacheWrite?: number;
    };
  };
}
export interface LlmOptions {
  readonly provider?: string;
  readonly queryType?: string;
  readonly queryTypes?: readonly string[];
  readonly prices?: PriceTable | false;
  /** "asis" (default) never alters a request; "inject" asks OpenAI streams for their usage. */
  readonly streamUsage?: "asis" | "inject";
}
export interface LlmUsage {
  readonly input?: number;
  readonly output?: number;
  readonly cacheRead?: number;
  readonly cacheWrite?: number;
  readonly reasoning?: number;
  readonly costUsd?: number;
}
export interface LlmCallOptions {
  readonly operation: string;
  readonly provider: string;
  readonly model: string;
  readonly queryType?: string;
  readonly stream?: boolean;
}
export interface LlmCall {
  chunk(): void;
  retry(errorType: string): void;
  end(usage?: LlmUsage, responseModel?: string): void;
  fail(error: unknown, usage?: LlmUsage): void;
}
