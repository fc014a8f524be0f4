/** What users ask for: the mix of requests. */
import type { AskBody, QueryType, Rating } from "../app/questions.ts";
import { repoCount } from "../app/repos.ts";
import { Random, Zipf } from "../random.ts";
import type { Sent } from "./client.ts";

const zipfExponent = 1.1;
const notFoundShare = 0.02;
const abortedShare = 0.01;
const meanAbortMs = 60;
const feedbackShare = 0.3;
const pleasedShare = 0.8;

type Kind = "list" | "repo" | "search" | "ask";
const kinds = [
  { value: "list", share: 40 },
  { value: "repo", share: 20 },
  { value: "search", share: 25 },
  { value: "ask", share: 15 },
] as const;
const types = [
  { value: "explain", share: 40 },
  { value: "locate", share: 30 },
  { value: "summarize", share: 20 },
  { value: "review", share: 10 },
] as const;

export class Mix {
  readonly #random: Random;
  readonly #zipf = new Zipf(repoCount, zipfExponent);

  constructor(seed: number) {
    this.#random = new Random(seed, "mix");
  }

  next(): Sent {
    const random = this.#random;
    const request = random.chance(notFoundShare) ? this.#notFound() : this.#found();
    const isAborted = random.chance(abortedShare);
    return isAborted ? { ...request, abortAfterMs: random.exponential(meanAbortMs) } : request;
  }

  /** After an answer; undefined: the user says nothing. */
  feedbackOn(asked: Sent): Sent | undefined {
    if (!this.#random.chance(feedbackShare)) return undefined;
    const { type, repo: id } = asked.body as AskBody;
    return feedbackOn(type, this.#random.chance(pleasedShare) ? "up" : "down", id);
  }

  #found(): Sent {
    const random = this.#random;
    const kind: Kind = random.weighted(kinds);
    if (kind === "list") return list(random.integer(50));
    const id = this.#zipf.draw(random);
    if (kind === "search") return search(id);
    return kind === "repo" ? repo(id) : ask(random.weighted(types), id);
  }

  #notFound(): Sent {
    return this.#random.pick([noSuchRepo, noSuchRoute]);
  }
}

const get = (path: string, route: string | undefined): Sent => ({ method: "GET", path, route });

export const list = (page: number): Sent => get(`/repos?page=${page}`, "/repos");
export const repo = (id: number): Sent => get(`/repos/${id}`, "/repos/:id");
export const search = (id: number): Sent =>
  get(`/search?q=${words[id % words.length]}+${id}`, "/search");
export const noSuchRepo = repo(repoCount);
export const noSuchRoute = get("/favicon.ico", undefined);

export const ask = (type: QueryType, repoId: number): Sent => ({
  method: "POST",
  path: "/ask",
  route: "/ask",
  body: { type, repo: repoId, question: questions[type] },
});

export const feedbackOn = (type: QueryType, rating: Rating, repoId: number): Sent => ({
  method: "POST",
  path: "/feedback",
  route: "/feedback",
  body: { type, rating, repo: repoId },
});

const words = ["parser", "store", "router", "charts", "auth", "queue", "north", "tiny"] as const;
const questions: Readonly<Record<QueryType, string>> = {
  explain: "How does a request find its handler?",
  locate: "Where is the cache filled?",
  summarize: "What does this repository do?",
  review: "Which errors are not handled?",
};
