/** How the app speaks to each provider: the request, and what an event of the stream says. */
import type { LlmUsage } from "../../instrument/index.ts";

/** What one event adds. */
export interface Piece {
  readonly text?: string | undefined;
  readonly usage?: LlmUsage | undefined;
  readonly model?: string | undefined;
}

export interface Provider {
  readonly name: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  body(model: string, prompt: string): unknown;
  read(event: unknown): Piece;
}

interface OpenAiEvent {
  readonly model: string;
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
    readonly completion_tokens_details: { readonly reasoning_tokens: number };
  };
}

export const openAi: Provider = {
  name: "openai",
  path: "/v1/chat/completions",
  headers: { authorization: "Bearer demo" },
  body: (model, prompt) => ({
    model,
    messages: [{ role: "user", content: prompt }],
    stream: true,
    stream_options: { include_usage: true },
  }),
  read(event) {
    const { model, choices, usage } = event as OpenAiEvent;
    const text = choices[0]?.delta.content;
    return { text: text === "" ? undefined : text, model, usage: usage && openAiUsage(usage) };
  },
};

const openAiUsage = (usage: NonNullable<OpenAiEvent["usage"]>): LlmUsage => ({
  input: usage.prompt_tokens,
  output: usage.completion_tokens,
  cacheRead: usage.prompt_tokens_details.cached_tokens,
  reasoning: usage.completion_tokens_details.reasoning_tokens,
});

interface AnthropicEvent {
  readonly type: string;
  readonly message?: {
    readonly model: string;
    readonly usage: {
      readonly input_tokens: number;
      readonly cache_read_input_tokens: number;
      readonly cache_creation_input_tokens: number;
    };
  };
  readonly delta?: { readonly text?: string };
  readonly usage?: { readonly output_tokens: number };
}

export const anthropic: Provider = {
  name: "anthropic",
  path: "/v1/messages",
  headers: { "x-api-key": "demo", "anthropic-version": "2023-06-01" },
  body: (model, prompt) => ({
    model,
    max_tokens: 1024,
    messages: [{ role: "user", content: prompt }],
    stream: true,
  }),
  read(event) {
    const { type, message, delta, usage } = event as AnthropicEvent;
    if (type === "message_start") return { model: message!.model, usage: anthropicInput(message!) };
    if (type === "content_block_delta") return { text: delta!.text };
    return type === "message_delta" ? { usage: { output: usage!.output_tokens } } : {};
  },
};

/** Their input_tokens are those that no cache held; the total is what the metric means. */
function anthropicInput({ usage }: NonNullable<AnthropicEvent["message"]>): LlmUsage {
  const cacheRead = usage.cache_read_input_tokens;
  const cacheWrite = usage.cache_creation_input_tokens;
  return { input: usage.input_tokens + cacheRead + cacheWrite, cacheRead, cacheWrite };
}
