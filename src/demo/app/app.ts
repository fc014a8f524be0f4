/** A small RepoMind on node:http, measured by the helpers of `repomind-telemetry/instrument`. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Clock } from "../../clock.ts";
import { type Meter, rateLimit, setRoute } from "../../instrument/index.ts";
import { faultHeader } from "../faults.ts";
import { listen, readJson } from "../http.ts";
import { type Knobs, namedKnobs, parseKnobs } from "../knobs.ts";
import { Catalog } from "./catalog.ts";
import { type Exchange, reply } from "./exchange.ts";
import { LlmClient } from "./llm-client.ts";
import type { CacheCounts } from "./lru.ts";
import { Questions } from "./questions.ts";
import { pageOf } from "./repos.ts";
import { matchRoute, type Route } from "./router.ts";
import { Search } from "./search.ts";
import { WindowLimit } from "./window-limit.ts";
import { Work } from "./work.ts";

const requestsPerSecond = 40;
/** Longer than any client waits between two requests: no connection is closed while a request is on its way. */
const keepAliveMs = 120_000;
const knobsPath = "/_demo";

export interface AppOptions {
  readonly seed: number;
  readonly clock: Clock;
  /** For what no helper knows. */
  readonly meter: Meter;
  readonly llmUrl: string;
  readonly knobs: Knobs;
  /** They were turned by POST /_demo. */
  readonly onKnobs: (knobs: Knobs) => void;
}

/** What the app counted beside the helpers. */
export interface AppCounts {
  readonly caches: { readonly repos: CacheCounts; readonly searches: CacheCounts };
  readonly allowed: number;
  readonly limited: number;
  /** By `type outcome`. */
  readonly queries: Readonly<Record<string, number>>;
}

type Handle = (exchange: Exchange) => Promise<void>;

export class App {
  readonly #clock: Clock;
  readonly #work: Work;
  readonly #catalog: Catalog;
  readonly #search: Search;
  readonly #questions: Questions;
  readonly #onKnobs: (knobs: Knobs) => void;
  readonly #limit = new WindowLimit(requestsPerSecond);
  readonly #limitMeter = rateLimit("api", requestsPerSecond);
  readonly #server: Server;
  readonly #routes: readonly Route<Handle>[];
  #knobs: Knobs;
  #open = 0;
  #onIdle: () => void = () => {};

  constructor({ seed, clock, meter, llmUrl, knobs, onKnobs }: AppOptions) {
    this.#clock = clock;
    this.#knobs = knobs;
    this.#onKnobs = onKnobs;
    this.#work = new Work(seed, clock, () => this.#knobs);
    this.#catalog = new Catalog({ seed, clock, meter, work: this.#work });
    this.#catalog.setKnobs(knobs);
    this.#search = new Search(clock, this.#work);
    this.#questions = new Questions(this.#catalog, new LlmClient(llmUrl, clock), this.#work);
    this.#routes = this.#allRoutes();
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.keepAliveTimeout = keepAliveMs;
  }

  /** 0: a free port. Returns the port. */
  start(port: number): Promise<number> {
    return listen(this.#server, port);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  setKnobs(knobs: Knobs): void {
    this.#knobs = knobs;
    this.#catalog.setKnobs(knobs);
  }

  /** Resolves when no request is under way, those included whose client is gone. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      this.#onIdle = resolve;
      if (this.#open === 0) resolve();
    });
  }

  get counts(): AppCounts {
    const { allowed, limited } = this.#limit;
    const queries = Object.fromEntries(this.#questions.counts);
    const caches = { repos: this.#catalog.cacheCounts, searches: this.#search.cacheCounts };
    return { caches, allowed, limited, queries };
  }

  #allRoutes(): Route<Handle>[] {
    const get = (template: string, handle: Handle) => ({ method: "GET", template, handle });
    const post = (template: string, handle: Handle) => ({ method: "POST", template, handle });
    return [
      get("/repos", (exchange) => this.#list(exchange)),
      get("/repos/:id", (exchange) => this.#repo(exchange)),
      get("/search", (exchange) => this.#find(exchange)),
      post("/ask", (exchange) => this.#questions.ask(exchange)),
      post("/feedback", (exchange) => this.#questions.feedback(exchange)),
      get(knobsPath, async (exchange) => reply(exchange, 200, namedKnobs(this.#knobs))),
      post(knobsPath, (exchange) => this.#turnKnobs(exchange)),
    ];
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#open++;
    const url = new URL(request.url ?? "/", "http://app");
    const match = matchRoute(this.#routes, request.method ?? "", url.pathname);
    if (match !== undefined) setRoute(request, match.route.template);
    const fault = request.headers[faultHeader]?.toString();
    const exchange = { request, response, url, id: match?.id, fault };
    try {
      await this.#dispatch(exchange, match?.route);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (response.headersSent) response.destroy();
      else reply(exchange, 500, { error: message });
    }
    this.#open--;
    if (this.#open === 0) this.#onIdle();
  }

  async #dispatch(exchange: Exchange, route: Route<Handle> | undefined): Promise<void> {
    if (route?.template !== knobsPath && !this.#isWithinLimit()) {
      exchange.response.setHeader("retry-after", "1");
      const error = `more than ${requestsPerSecond} requests within a second`;
      return reply(exchange, 429, { error });
    }
    if (route === undefined) return reply(exchange, 404, { error: "no such route" });
    await route.handle(exchange);
  }

  #isWithinLimit(): boolean {
    const isAllowed = this.#limit.take(this.#clock.monotonicMs());
    if (isAllowed) this.#limitMeter.allowed();
    else this.#limitMeter.limited();
    this.#limitMeter.usage(this.#limit.used);
    return isAllowed;
  }

  async #list(exchange: Exchange): Promise<void> {
    await this.#work.run("listing", exchange.fault);
    const page = Number(exchange.url.searchParams.get("page") ?? 0);
    if (Number.isInteger(page) && page >= 0) reply(exchange, 200, pageOf(page));
    else reply(exchange, 400, { error: "page must be a whole number" });
  }

  async #repo(exchange: Exchange): Promise<void> {
    const repo = await this.#catalog.find(Number(exchange.id), exchange.fault);
    if (repo === undefined) reply(exchange, 404, { error: "no such repository" });
    else reply(exchange, 200, repo);
  }

  async #find(exchange: Exchange): Promise<void> {
    const words = exchange.url.searchParams.get("q") ?? "";
    if (words === "") return reply(exchange, 400, { error: "q is missing" });
    reply(exchange, 200, await this.#search.find(words, exchange.fault));
  }

  async #turnKnobs(exchange: Exchange): Promise<void> {
    const parsed = parseKnobs(await readJson(exchange.request));
    if ("problem" in parsed) return reply(exchange, 400, { error: parsed.problem });
    this.setKnobs({ ...this.#knobs, ...parsed.change });
    this.#onKnobs(this.#knobs);
    reply(exchange, 200, namedKnobs(this.#knobs));
  }
}
