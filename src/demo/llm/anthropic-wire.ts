/** Anthropic's messages: https://docs.anthropic.com/en/api/messages */
import { type Answer, type FailureStatus, sse, type Wire } from "./wire.ts";

export const anthropicWire: Wire = {
  provider: "anthropic",
  path: "/v1/messages",
  keyHeaders: ["x-api-key", "authorization"],

  whole: (answer) => ({
    ...message(answer),
    content: [{ type: "text", text: answer.pieces.join("") }],
    stop_reason: "end_turn",
    usage: { ...inputOf(answer), output_tokens: answer.usage.output },
  }),

  /** Input tokens come first, output tokens at the end. */
  opening: (answer) =>
    typed({
      type: "message_start",
      message: {
        ...message(answer),
        content: [],
        stop_reason: null,
        usage: { ...inputOf(answer), output_tokens: 1 },
      },
    }) +
    typed({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }) +
    typed({ type: "ping" }),

  piece: (_answer, text) =>
    typed({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } }),

  closing: ({ usage }) =>
    typed({ type: "content_block_stop", index: 0 }) +
    typed({
      type: "message_delta",
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: { output_tokens: usage.output },
    }) +
    typed({ type: "message_stop" }),

  failure: (status, text) => ({
    type: "error",
    error: { type: errorTypes[status], message: text },
  }),
};

const typed = (event: { readonly type: string; readonly [key: string]: unknown }) =>
  sse(event, event.type);

const message = ({ id, model }: Answer) => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  model,
  stop_sequence: null,
});

/** Here input_tokens are those that no cache held. */
const inputOf = ({ usage: { input, cacheRead } }: Answer) => ({
  input_tokens: input - cacheRead,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: cacheRead,
});

const errorTypes: Readonly<Record<FailureStatus, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  404: "not_found_error",
  429: "rate_limit_error",
  500: "api_error",
  503: "overloaded_error",
};
