/** RepoMind's query interface: questions about a repository, and what people think of the answers. */
import { type Outcome, queryInterface } from "../../instrument/index.ts";
import { readJson } from "../http.ts";
import type { Catalog } from "./catalog.ts";
import { type Exchange, reply } from "./exchange.ts";
import type { LlmClient } from "./llm-client.ts";
import { anthropic, openAi } from "./providers.ts";
import type { Work } from "./work.ts";

export const queryTypes = ["explain", "locate", "summarize", "review"] as const;
export type QueryType = (typeof queryTypes)[number];
export const ratings = ["up", "down"] as const;
export type Rating = (typeof ratings)[number];

const models = {
  explain: { provider: openAi, model: "gpt-5.4" },
  locate: { provider: openAi, model: "gpt-5.4-mini" },
  summarize: { provider: anthropic, model: "claude-haiku-4-5" },
  review: { provider: anthropic, model: "claude-sonnet-4-6" },
} as const;

export interface AskBody {
  readonly type: QueryType;
  readonly repo: number;
  readonly question: string;
}
export interface FeedbackBody {
  readonly type: QueryType;
  readonly rating: Rating;
  readonly repo?: number;
}

export class Questions {
  /** By `type outcome`. */
  readonly counts = new Map<string, number>();
  readonly #catalog: Catalog;
  readonly #llm: LlmClient;
  readonly #work: Work;
  readonly #queries = queryInterface(queryTypes);

  constructor(catalog: Catalog, llm: LlmClient, work: Work) {
    this.#catalog = catalog;
    this.#llm = llm;
    this.#work = work;
  }

  async ask(exchange: Exchange): Promise<void> {
    const body = (await readJson(exchange.request)) as Partial<AskBody> | undefined;
    const type = queryTypes.find((known) => known === body?.type);
    if (type === undefined || typeof body?.question !== "string") {
      const error = `send {"type": ${oneOf(queryTypes)}, "repo": 7, "question": "…"}`;
      return reply(exchange, 400, { error });
    }
    const query = this.#queries.begin(type);
    let outcome: Outcome = "error";
    try {
      outcome = await this.#answer(exchange, body as AskBody);
    } finally {
      query.end(outcome);
      const key = `${type} ${outcome}`;
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    }
  }

  /** Streams the model's text. When the client goes away it is still read to its end, and paid for. */
  async #answer(exchange: Exchange, { type, repo: id, question }: AskBody): Promise<Outcome> {
    const { response, fault } = exchange;
    const repo = await this.#catalog.find(id, fault);
    const prompt = `${type} this: ${question}\n\n${repo?.readme ?? ""}`;
    let pieces = 0;
    const onText = (text: string) => {
      if (pieces++ === 0) response.writeHead(200, { "content-type": "text/plain" });
      response.write(text);
    };
    try {
      await this.#llm.ask({ ...models[type], queryType: type, prompt, fault }, onText);
    } catch (error) {
      if (response.destroyed) return "cancelled";
      if (response.headersSent) response.destroy();
      else reply(exchange, 502, { error: (error as Error).message });
      return "error";
    }
    if (response.destroyed) return "cancelled";
    response.end();
    return pieces === 0 ? "empty" : "answered";
  }

  async feedback(exchange: Exchange): Promise<void> {
    const body = (await readJson(exchange.request)) as Partial<FeedbackBody> | undefined;
    const type = queryTypes.find((known) => known === body?.type);
    const rating = ratings.find((known) => known === body?.rating);
    if (type === undefined || rating === undefined) {
      const error = `send {"type": ${oneOf(queryTypes)}, "rating": ${oneOf(ratings)}}`;
      return reply(exchange, 400, { error });
    }
    await this.#work.run("feedback", exchange.fault);
    this.#queries.feedback(type, rating);
    // What people did not like is read afresh the next time.
    if (rating === "down" && body?.repo !== undefined) this.#catalog.forget(body.repo);
    exchange.response.writeHead(204).end();
  }
}

const oneOf = (values: readonly string[]) => values.map((value) => `"${value}"`).join(" | ");
