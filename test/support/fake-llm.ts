/** Servers that speak the wire shapes of OpenAI and Anthropic, with answers as a test wants them. */
import {
  createServer,
  type IncomingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

type Json = Record<string, unknown>;

export interface LlmRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Json;
}

/** Writes the answer to one request. */
export type Reply = (response: ServerResponse, request: LlmRequest) => void;

export class FakeLlm {
  readonly requests: LlmRequest[] = [];
  readonly #server: Server;
  #replies: Reply[] = [];
  #onRequest: (() => void)[] = [];

  private constructor() {
    this.#server = createServer((incoming, response) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
      incoming.on("end", () => {
        const body = JSON.parse(Buffer.concat(chunks).toString() || "{}") as Json;
        const request = { path: incoming.url ?? "", headers: incoming.headers, body };
        this.requests.push(request);
        (this.#replies.shift() ?? answer)(response, request);
        for (const wake of this.#onRequest.splice(0)) wake();
      });
    });
  }

  static async start(): Promise<FakeLlm> {
    const fake = new FakeLlm();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next requests get these; all others the proper answer of their path. */
  replyWith(...replies: Reply[]): void {
    this.#replies.push(...replies);
  }

  async requested(): Promise<void> {
    await new Promise<void>((resolve) => this.#onRequest.push(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export const json =
  (status: number, body: unknown, headers: Record<string, string> = {}): Reply =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  };

/** A failure that a client tries again after a millisecond. */
export const failing = (status: number, error: Json = { message: "no", type: "some_error" }) =>
  json(status, { type: "error", error }, { "retry-after-ms": "1" });

export const hanging: Reply = () => {};
export const refusing: Reply = (response) => response.destroy();

/** Events, then the end the test wants: proper, of the connection, or none. */
export const streaming =
  (events: readonly string[], end: "end" | "destroy" | "hang" = "end"): Reply =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream", "x-request-id": "req_1" });
    const last = end === "end" ? () => response.end() : () => {};
    const write = (index: number): void => {
      if (index === events.length) {
        if (end === "destroy") response.destroy();
        else last();
        return;
      }
      response.write(events[index], () => setImmediate(write, index + 1));
    };
    write(0);
  };

export const answerText = "MARKER-ANSWER";
const tokens = { input: 100, cached: 40, output: 20, reasoning: 5 } as const;

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const named = (value: Json) =>
  `event: ${String(value["type"])}\ndata: ${JSON.stringify(value)}\n\n`;

const completionUsage = {
  prompt_tokens: tokens.input,
  completion_tokens: tokens.output,
  total_tokens: tokens.input + tokens.output,
  prompt_tokens_details: { cached_tokens: tokens.cached },
  completion_tokens_details: { reasoning_tokens: tokens.reasoning },
};
const responseUsage = {
  input_tokens: tokens.input,
  input_tokens_details: { cached_tokens: tokens.cached, cache_write_tokens: 0 },
  output_tokens: tokens.output,
  output_tokens_details: { reasoning_tokens: tokens.reasoning },
  total_tokens: tokens.input + tokens.output,
};
/** 3 fresh, 2 written to the cache, 5 read from it; 4 out. */
export const anthropicUsage = {
  input_tokens: 3,
  cache_creation_input_tokens: 2,
  cache_read_input_tokens: 5,
  output_tokens: 4,
};

export function chatEvents(model: unknown, withUsage: boolean): string[] {
  const chunk = (rest: Json) => ({
    id: "chatcmpl-1",
    object: "chat.completion.chunk",
    created: 1,
    model,
    ...rest,
  });
  const choice = (delta: Json, finish: string | null = null) =>
    data(chunk({ choices: [{ index: 0, delta, finish_reason: finish }] }));
  return [
    choice({ role: "assistant", content: "MARKER-" }),
    choice({ content: "ANSWER" }),
    choice({}, "stop"),
    ...(withUsage ? [data(chunk({ choices: [], usage: completionUsage }))] : []),
    "data: [DONE]\n\n",
  ];
}

function chat({ model, stream, stream_options: options }: Json): Reply {
  const withUsage = (options as Json | undefined)?.["include_usage"] === true;
  if (stream === true) return streaming(chatEvents(model, withUsage));
  return json(200, {
    id: "chatcmpl-1",
    object: "chat.completion",
    created: 1,
    model,
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: `{"text":"${answerText}"}`, refusal: null },
        finish_reason: "stop",
      },
    ],
    usage: completionUsage,
  });
}

export function openAiResponse(model: unknown, rest: Json = {}): Json {
  return {
    id: "resp_1",
    object: "response",
    created_at: 1,
    status: "completed",
    error: null,
    model,
    output: [
      {
        type: "message",
        id: "msg_1",
        role: "assistant",
        status: "completed",
        content: [{ type: "output_text", text: `{"text":"${answerText}"}`, annotations: [] }],
      },
    ],
    usage: responseUsage,
    ...rest,
  };
}

function responseEvents(model: unknown): string[] {
  const part = { type: "output_text", text: "", annotations: [] };
  const at = { output_index: 0, content_index: 0, item_id: "msg_1" };
  return [
    {
      type: "response.created",
      response: openAiResponse(model, { status: "in_progress", output: [], usage: null }),
    },
    {
      type: "response.output_item.added",
      output_index: 0,
      item: { type: "message", id: "msg_1", role: "assistant", status: "in_progress", content: [] },
    },
    { type: "response.content_part.added", ...at, part },
    { type: "response.output_text.delta", ...at, delta: `{"text":"${answerText}"}` },
    { type: "response.completed", response: openAiResponse(model) },
  ].map((event, i) => named({ ...event, sequence_number: i }));
}

const message = (model: unknown, rest: Json = {}): Json => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model,
  content: [{ type: "text", text: `{"text":"${answerText}"}` }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: anthropicUsage,
  ...rest,
});

export function messageEvents(model: unknown): string[] {
  return [
    {
      type: "message_start",
      message: message(model, {
        content: [],
        stop_reason: null,
        usage: { ...anthropicUsage, output_tokens: 1 },
      }),
    },
    { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
    { type: "ping" },
    {
      type: "content_block_delta",
      index: 0,
      delta: { type: "text_delta", text: `{"text":"${answerText}"}` },
    },
    { type: "content_block_stop", index: 0 },
    {
      type: "message_delta",
      delta: { stop_reason: "end_turn", stop_sequence: null },
      usage: {
        input_tokens: null,
        cache_creation_input_tokens: null,
        cache_read_input_tokens: null,
        output_tokens: 4,
      },
    },
    { type: "message_stop" },
  ].map(named);
}

/** As the provider would. */
function answer(out: ServerResponse, request: LlmRequest): void {
  properAnswer(request)(out, request);
}

function properAnswer({ path, body }: LlmRequest): Reply {
  const { model, stream } = body;
  const [name] = path.replace(/^\/v1/u, "").split("?");
  switch (name ?? "") {
    case "/chat/completions":
      return chat(body);
    case "/responses":
      return stream === true ? streaming(responseEvents(model)) : json(200, openAiResponse(model));
    case "/completions":
      return json(200, {
        id: "cmpl-1",
        object: "text_completion",
        created: 1,
        model,
        choices: [{ index: 0, text: answerText, finish_reason: "stop", logprobs: null }],
        usage: completionUsage,
      });
    case "/embeddings":
      return json(200, {
        object: "list",
        model,
        data: [{ object: "embedding", index: 0, embedding: [0.5, 0.25] }],
        usage: { prompt_tokens: 7, total_tokens: 7 },
      });
    case "/messages":
      return stream === true ? streaming(messageEvents(model)) : json(200, message(model));
    default:
      return json(404, { error: { message: "no such path", type: "invalid_request_error" } });
  }
}
