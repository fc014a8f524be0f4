/** Reads how much was used from the answers and the chunks of each protocol, by shape; nothing else of them is kept. */
import type { LlmUsage } from "./types.ts";

export type Spent = { readonly [K in keyof LlmUsage]?: number | undefined } & {
  /** The part of cacheWrite that lives longer. */
  readonly cacheWriteLong?: number | undefined;
};

/** What is to be known of an answer. */
export interface Answer {
  readonly usage?: Spent | undefined;
  readonly model?: string | undefined;
  /** The provider answered properly that it failed. */
  readonly error?: unknown;
}

export interface ChunkReader {
  /** False: not from the provider, so no first chunk. */
  read(chunk: unknown): boolean;
  /** What was learnt so far. */
  answer(): Answer;
}

export interface Protocol {
  answer(data: unknown): Answer;
  chunks(): ChunkReader;
}

type Fields = { readonly [key: string]: unknown };

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null ? (value as Fields) : undefined;
const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
/** A number of tokens, or undefined. */
export const countOf = (value: unknown): number | undefined =>
  typeof value === "number" && value >= 0 && Number.isFinite(value) ? value : undefined;

/** Chat completions, completions and embeddings say prompt_tokens, responses input_tokens; both include what was cached. */
function openAiUsage(usage: Fields | undefined): Spent | undefined {
  if (usage === undefined) return undefined;
  const input = fieldsOf(usage["prompt_tokens_details"] ?? usage["input_tokens_details"]);
  const output = fieldsOf(usage["completion_tokens_details"] ?? usage["output_tokens_details"]);
  const writes = fieldsOf(input?.["cache_write_tokens_details"]);
  return {
    input: countOf(usage["prompt_tokens"] ?? usage["input_tokens"]),
    output: countOf(usage["completion_tokens"] ?? usage["output_tokens"]),
    cacheRead: countOf(input?.["cached_tokens"]),
    cacheWrite: countOf(input?.["cache_write_tokens"]),
    cacheWriteLong: countOf(writes?.["ttl_12h_tokens"]),
    reasoning: countOf(output?.["reasoning_tokens"]),
  };
}

class OpenAiChunks implements ChunkReader {
  #answer: Answer = {};

  /** Chunks of completions have usage themselves; events of responses carry the response, or are an error. */
  read(chunk: unknown): boolean {
    const fields = fieldsOf(chunk);
    const source = fieldsOf(fields?.["response"]) ?? fields;
    if (source === undefined) return true;
    if (source["type"] === "error") this.#answer = { ...this.#answer, error: source };
    else if (source["usage"] || source["error"] || this.#answer.model === undefined) {
      const { usage, model, error } = openAi.answer(source);
      const before = this.#answer;
      this.#answer = {
        usage: usage ?? before.usage,
        model: model ?? before.model,
        error: error ?? before.error,
      };
    }
    return true;
  }

  answer(): Answer {
    return this.#answer;
  }
}

export const openAi: Protocol = {
  answer(data) {
    const fields = fieldsOf(data);
    if (fields === undefined) return {};
    return {
      usage: openAiUsage(fieldsOf(fields["usage"])),
      model: textOf(fields["model"]),
      error: fields["status"] === "failed" ? (fields["error"] ?? "server_error") : undefined,
    };
  },
  chunks: () => new OpenAiChunks(),
};

/** The chunk that a stream ends with when usage was asked for. */
export function isUsageChunk(chunk: unknown): boolean {
  const fields = fieldsOf(chunk);
  const choices = fields?.["choices"];
  return (
    Array.isArray(choices) && choices.length === 0 && fieldsOf(fields?.["usage"]) !== undefined
  );
}

/** input_tokens are only what was neither read from nor written to the cache. */
function anthropicUsage(usage: Fields | undefined): Spent | undefined {
  if (usage === undefined) return undefined;
  const cacheRead = countOf(usage["cache_read_input_tokens"]);
  const cacheWrite = countOf(usage["cache_creation_input_tokens"]);
  const fresh = countOf(usage["input_tokens"]);
  const output = fieldsOf(usage["output_tokens_details"]);
  return {
    input: fresh === undefined ? undefined : fresh + (cacheRead ?? 0) + (cacheWrite ?? 0),
    output: countOf(usage["output_tokens"]),
    cacheRead,
    cacheWrite,
    cacheWriteLong: countOf(fieldsOf(usage["cache_creation"])?.["ephemeral_1h_input_tokens"]),
    reasoning: countOf(output?.["thinking_tokens"]),
  };
}

/** Input comes first; what the answer took is known at its end only, and the last message_delta has the totals. */
class AnthropicChunks implements ChunkReader {
  #usage: Record<string, unknown> | undefined = undefined;
  #model: string | undefined = undefined;

  read(chunk: unknown): boolean {
    const event = fieldsOf(chunk);
    if (event?.["type"] === "message_start") {
      const message = fieldsOf(event["message"]);
      this.#model = textOf(message?.["model"]);
      const { output_tokens: _isNotTheTotal, ...usage } = fieldsOf(message?.["usage"]) ?? {};
      this.#usage = usage;
    } else if (event?.["type"] === "message_delta") {
      this.#usage ??= {};
      for (const [key, value] of Object.entries(fieldsOf(event["usage"]) ?? {})) {
        if (value !== null && value !== undefined) this.#usage[key] = value;
      }
    }
    return true;
  }

  answer(): Answer {
    return { usage: anthropicUsage(this.#usage), model: this.#model };
  }
}

export const anthropic: Protocol = {
  answer(data) {
    const fields = fieldsOf(data);
    return {
      usage: anthropicUsage(fieldsOf(fields?.["usage"])),
      model: textOf(fields?.["model"]),
    };
  },
  chunks: () => new AnthropicChunks(),
};

/** Versions 3 and 4 of the AI SDK's models have objects where version 2 has numbers; embeddings have `tokens`. */
function aiSdkUsage(usage: Fields | undefined): Spent | undefined {
  if (usage === undefined) return undefined;
  const { inputTokens, outputTokens, tokens } = usage;
  const input = fieldsOf(inputTokens);
  const output = fieldsOf(outputTokens);
  return {
    input: countOf(input === undefined ? (inputTokens ?? tokens) : input["total"]),
    output: countOf(output === undefined ? outputTokens : output["total"]),
    cacheRead: countOf(input?.["cacheRead"] ?? usage["cachedInputTokens"]),
    cacheWrite: countOf(input?.["cacheWrite"]),
    reasoning: countOf(output?.["reasoning"] ?? usage["reasoningTokens"]),
  };
}

class AiSdkChunks implements ChunkReader {
  #answer: Answer = {};

  read(chunk: unknown): boolean {
    const part = fieldsOf(chunk);
    switch (part?.["type"]) {
      case "stream-start":
        return false;
      case "response-metadata":
        this.#answer = { ...this.#answer, model: textOf(part["modelId"]) };
        break;
      case "finish":
        this.#answer = { ...this.#answer, usage: aiSdkUsage(fieldsOf(part["usage"])) };
        break;
      case "error":
        this.#answer = { ...this.#answer, error: part["error"] ?? "_OTHER" };
        break;
      default:
    }
    return true;
  }

  answer(): Answer {
    return this.#answer;
  }
}

export const aiSdk: Protocol = {
  answer(data) {
    const fields = fieldsOf(data);
    return {
      usage: aiSdkUsage(fieldsOf(fields?.["usage"])),
      model: textOf(fieldsOf(fields?.["response"])?.["modelId"]),
    };
  },
  chunks: () => new AiSdkChunks(),
};
