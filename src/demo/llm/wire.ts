/** What a fake language model says, apart from how a provider writes it. */

export interface Answer {
  readonly id: string;
  readonly model: string;
  /** Pieces as they are streamed; none: an answer without text. */
  readonly pieces: readonly string[];
  readonly usage: Usage;
}

/** Tokens; input and output are totals. */
export interface Usage {
  readonly input: number;
  readonly cacheRead: number;
  readonly output: number;
  readonly reasoning: number;
}

export interface ChatRequest {
  readonly model: string;
  readonly messages: readonly unknown[];
  readonly stream?: boolean;
  readonly stream_options?: { readonly include_usage?: boolean };
}

/** A failure that every provider knows, by its status. */
export type FailureStatus = 400 | 401 | 404 | 429 | 500 | 503;

/** How one provider's API looks. */
export interface Wire {
  readonly provider: "openai" | "anthropic";
  readonly path: string;
  /** Headers of the request, one of which carries the key. */
  readonly keyHeaders: readonly string[];
  whole(answer: Answer): unknown;
  /** Server-sent events: what comes before the text, one a piece, what comes after it. */
  opening(answer: Answer): string;
  piece(answer: Answer, text: string): string;
  closing(answer: Answer, request: ChatRequest): string;
  failure(status: FailureStatus, message: string): unknown;
}

export const sse = (data: unknown, event?: string): string =>
  `${event === undefined ? "" : `event: ${event}\n`}data: ${JSON.stringify(data)}\n\n`;
