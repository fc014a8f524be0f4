/** OpenAI's chat completions: https://platform.openai.com/docs/api-reference/chat */
import { type Answer, type ChatRequest, type FailureStatus, sse, type Wire } from "./wire.ts";

/** A fixed date keeps answers the same for the same seed. */
const created = 1_700_000_000;

export const openAiWire: Wire = {
  provider: "openai",
  path: "/v1/chat/completions",
  keyHeaders: ["authorization"],

  whole: (answer) => ({
    id: answer.id,
    object: "chat.completion",
    created,
    model: answer.model,
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: answer.pieces.join(""), refusal: null },
        logprobs: null,
        finish_reason: "stop",
      },
    ],
    usage: usageOf(answer),
  }),

  opening: (answer) => sse(chunk(answer, [choice({ role: "assistant", content: "" })])),

  piece: (answer, text) => sse(chunk(answer, [choice({ content: text })])),

  closing(answer, { stream_options }: ChatRequest) {
    const end = sse(chunk(answer, [choice({}, "stop")]));
    const usage = { ...chunk(answer, []), usage: usageOf(answer) };
    return `${end}${stream_options?.include_usage === true ? sse(usage) : ""}data: [DONE]\n\n`;
  },

  failure: (status, message) => ({
    error: { message, type: errorTypes[status], param: null, code: errorCodes[status] ?? null },
  }),
};

const chunk = (answer: Answer, choices: readonly unknown[]) => ({
  id: answer.id,
  object: "chat.completion.chunk",
  created,
  model: answer.model,
  choices,
});

const choice = (delta: unknown, finishReason: string | null = null) => ({
  index: 0,
  delta,
  logprobs: null,
  finish_reason: finishReason,
});

const usageOf = ({ usage: { input, cacheRead, output, reasoning } }: Answer) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
  prompt_tokens_details: { cached_tokens: cacheRead },
  completion_tokens_details: { reasoning_tokens: reasoning },
});

const errorTypes: Readonly<Record<FailureStatus, string>> = {
  400: "invalid_request_error",
  401: "invalid_request_error",
  404: "invalid_request_error",
  429: "requests",
  500: "server_error",
  503: "server_error",
};
const errorCodes: Partial<Record<FailureStatus, string>> = {
  401: "invalid_api_key",
  429: "rate_limit_exceeded",
};
