/** The app's client of the language models: streams, tries again, and is measured by llmCall. */
import { type Clock, sleep } from "../../clock.ts";
import { type LlmCall, type LlmUsage, llmCall } from "../../instrument/index.ts";
import { faultHeader } from "../faults.ts";
import type { Provider } from "./providers.ts";
import { eventsOf } from "./sse.ts";

const maxRetries = 2;
const firstBackoffMs = 100;
/** Of one attempt; longer than the slowest answer by the largest latency factor that is of use. */
const timeoutMs = 60_000;

export interface Question {
  readonly provider: Provider;
  readonly model: string;
  readonly queryType: string;
  readonly prompt: string;
  /** Handed on to the fake language model. */
  readonly fault: string | undefined;
}

/** An answer that is no success; its status is its error type. */
export class LlmError extends Error {
  readonly status: number;
  constructor(status: number, text: string) {
    super(`the language model answered ${status}: ${text}`);
    this.status = status;
  }
}

export class LlmClient {
  readonly #baseUrl: string;
  readonly #clock: Clock;

  constructor(baseUrl: string, clock: Clock) {
    this.#baseUrl = baseUrl;
    this.#clock = clock;
  }

  /** Hands over the text piece by piece; rejects when the attempts are used up. */
  async ask(question: Question, onText: (text: string) => void): Promise<void> {
    const { provider, model, queryType } = question;
    const call = llmCall({
      operation: "chat",
      provider: provider.name,
      model,
      queryType,
      stream: true,
    });
    try {
      const response = await this.#open(question, call);
      const { usage, answeredBy } = await read(response, provider, (text) => {
        call.chunk();
        onText(text);
      });
      call.end(usage, answeredBy);
    } catch (error) {
      call.fail(error);
      throw error;
    }
  }

  /** A response that streams; refused attempts are repeated after the time that the provider asks for. */
  async #open(question: Question, call: LlmCall): Promise<Response> {
    for (let retries = 0; ; retries++) {
      const response = await this.#attempt(question, retries);
      if (response.ok) return response;
      const error = new LlmError(response.status, await response.text());
      if (retries === maxRetries || !isTransient(error)) throw error;
      call.retry(String(error.status));
      await sleep(this.#clock, waitMs(response, retries));
    }
  }

  #attempt({ provider, model, prompt, fault }: Question, retries: number): Promise<Response> {
    const isPassedOn = fault !== undefined && !(fault === "llm_rate_limit" && retries > 0);
    return fetch(this.#baseUrl + provider.path, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...provider.headers,
        ...(isPassedOn ? { [faultHeader]: fault } : {}),
      },
      body: JSON.stringify(provider.body(model, prompt)),
      signal: AbortSignal.timeout(timeoutMs),
    });
  }
}

const isTransient = ({ status }: LlmError) => status === 429 || status >= 500;

function waitMs(response: Response, retries: number): number {
  const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
  return seconds >= 0 ? seconds * 1000 : firstBackoffMs * 2 ** retries;
}

async function read(
  response: Response,
  provider: Provider,
  onText: (text: string) => void,
): Promise<{ usage: LlmUsage; answeredBy: string | undefined }> {
  let usage: LlmUsage = {};
  let answeredBy: string | undefined;
  for await (const event of eventsOf(response.body!)) {
    const piece = provider.read(event);
    if (piece.text !== undefined) onText(piece.text);
    usage = { ...usage, ...piece.usage };
    answeredBy = piece.model ?? answeredBy;
  }
  return { usage, answeredBy };
}
