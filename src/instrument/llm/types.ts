/** What an application says to and about calls of language models. */

export interface PriceTable {
  version: string;
  usdPerMillion: {
    [model: string]: {
      input: number;
      output: number;
      cacheRead?: number;
      cacheWrite?: number;
    };
  };
}
export interface LlmOptions {
  provider?: string;
  queryType?: string;
  queryTypes?: readonly string[];
  prices?: PriceTable | false;
  /** "asis" (default) never alters a request; "inject" asks OpenAI streams for their usage. */
  streamUsage?: "asis" | "inject";
}
export interface LlmUsage {
  input?: number;
  output?: number;
  cacheRead?: number;
  cacheWrite?: number;
  reasoning?: number;
  costUsd?: number;
}
export interface LlmCallOptions {
  operation: string;
  provider: string;
  model: string;
  queryType?: string;
  stream?: boolean;
}
/** Functions that need no `this`: `stream.on("end", call.end)`. */
export interface LlmCall {
  chunk: () => void;
  retry: (errorType: string) => void;
  end: (usage?: LlmUsage, responseModel?: string) => void;
  fail: (error: unknown, usage?: LlmUsage) => void;
}
