/** A server that speaks two providers' APIs and behaves like them: slow, streaming, sometimes failing. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type Clock, sleep } from "../../clock.ts";
import { type Fault, faultHeader } from "../faults.ts";
import { listen, readJson } from "../http.ts";
import type { Knobs } from "../knobs.ts";
import { Random } from "../random.ts";
import { anthropicWire } from "./anthropic-wire.ts";
import { openAiWire } from "./openai-wire.ts";
import type { Answer, ChatRequest, FailureStatus, Wire } from "./wire.ts";

const wires = [openAiWire, anthropicWire];
const duration = { median: 400, p99: 4000 };
/** Where the distribution's tail ends. */
const maxDurationMs = 15_000;
const shareToFirstPiece = 0.3;
const maxPieces = 16;
const outputTokens = { median: 160, p99: 700 };
const rateLimitedShare = 0.02;
const failingShare = 0.01;

/** What it counted of one model. */
export interface ModelCounts {
  readonly provider: string;
  readonly model: string;
  attempts: number;
  answers: number;
  inputTokens: number;
  outputTokens: number;
}

interface FakeLlmOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly knobs: () => Knobs;
}

export class FakeLlm {
  readonly #server: Server;
  readonly #random: Random;
  readonly #clock: Clock;
  readonly #knobs: () => Knobs;
  readonly #counts = new Map<string, ModelCounts>();
  #answerCount = 0;

  constructor({ seed, clock, knobs }: FakeLlmOptions) {
    this.#random = new Random(seed, "llm");
    this.#clock = clock;
    this.#knobs = knobs;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => response.destroy(error as Error));
    });
  }

  /** On a free port; returns the base URL. */
  async start(): Promise<string> {
    return `http://127.0.0.1:${await listen(this.#server, 0)}`;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  get counts(): readonly ModelCounts[] {
    return [...this.#counts.values()];
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const wire = wires.find(({ path }) => path === request.url);
    const fail = (status: FailureStatus, text: string, headers = {}) => {
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify((wire ?? openAiWire).failure(status, text)));
    };
    if (wire === undefined || request.method !== "POST") return fail(404, "no such resource");
    const hasKey = wire.keyHeaders.some((name) => request.headers[name] !== undefined);
    if (!hasKey) return fail(401, "no API key");
    const body = await readJson(request);
    if (!isChatRequest(body)) return fail(400, "model and messages are required");
    const counts = this.#countsOf(wire, body.model);
    counts.attempts++;
    const failure = this.#failure(request.headers[faultHeader] as Fault | undefined);
    if (failure !== undefined) return fail(...failure);
    const answer = this.#answer(body, request.headers[faultHeader] === "empty");
    await this.#send(wire, body, answer, response);
    if (response.destroyed) return;
    counts.answers++;
    counts.inputTokens += answer.usage.input;
    counts.outputTokens += answer.usage.output;
  }

  #failure(fault: Fault | undefined): [FailureStatus, string, object?] | undefined {
    if (this.#knobs().llmOutage) return [503, "the model is overloaded"];
    // Drawn in any case, so that the sequence does not depend on the knobs.
    const draw = this.#random.next();
    const happens = fault ?? accident(draw);
    if (happens === "llm_rate_limit") return [429, "rate limit reached", { "retry-after": "1" }];
    return happens === "llm_error" ? [500, "the server had an error"] : undefined;
  }

  #answer({ model, messages }: ChatRequest, isEmpty: boolean): Answer {
    const input = Math.ceil(JSON.stringify(messages).length / 4);
    const isCached = this.#random.chance(0.3);
    const drawn = Math.ceil(this.#random.logNormal(outputTokens));
    const pieces = isEmpty ? 0 : Math.min(maxPieces, Math.ceil(drawn / 10));
    const thinks = model.startsWith("gpt-5") || model.startsWith("o");
    const output = isEmpty ? 1 : drawn;
    return {
      id: `demo-${++this.#answerCount}`,
      model,
      pieces: Array.from({ length: pieces }, () => this.#random.pick(phrases)),
      usage: {
        input,
        cacheRead: isCached ? Math.floor(input / 2) : 0,
        output,
        reasoning: thinks ? Math.floor(output / 4) : 0,
      },
    };
  }

  async #send(
    wire: Wire,
    request: ChatRequest,
    answer: Answer,
    response: ServerResponse,
  ): Promise<void> {
    const drawn = Math.min(this.#random.logNormal(duration), maxDurationMs);
    const totalMs = drawn * this.#knobs().latency;
    if (request.stream !== true) {
      await this.#wait(totalMs);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(wire.whole(answer)));
      return;
    }
    await this.#wait(totalMs * shareToFirstPiece);
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
    response.write(wire.opening(answer));
    const pauseMs = (totalMs * (1 - shareToFirstPiece)) / (answer.pieces.length + 1);
    for (const text of answer.pieces) {
      response.write(wire.piece(answer, text));
      await this.#wait(pauseMs);
    }
    response.end(wire.closing(answer, request));
  }

  #wait(ms: number): Promise<void> {
    return sleep(this.#clock, ms);
  }

  #countsOf({ provider }: Wire, model: string): ModelCounts {
    const key = `${provider} ${model}`;
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      counts = { provider, model, attempts: 0, answers: 0, inputTokens: 0, outputTokens: 0 };
      this.#counts.set(key, counts);
    }
    return counts;
  }
}

function accident(draw: number): Fault | undefined {
  if (draw < rateLimitedShare) return "llm_rate_limit";
  return draw > 1 - failingShare ? "llm_error" : undefined;
}

function isChatRequest(body: unknown): body is ChatRequest {
  const { model, messages } = (body ?? {}) as Partial<ChatRequest>;
  return typeof model === "string" && Array.isArray(messages);
}

const phrases = [
  "The entry point is src/main.ts. ",
  "It reads the configuration first. ",
  "Each handler returns a promise. ",
  "The cache is looked up by repository. ",
  "Errors are logged and counted. ",
  "The test covers the empty case. ",
  "This function is called once a request. ",
  "The queue is bounded. ",
];
