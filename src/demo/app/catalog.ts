/** The repositories behind a cache, which is full from the start, as if it had been kept. */
import type { Clock } from "../../clock.ts";
import { type Adder, instrumentCache, type Meter } from "../../instrument/index.ts";
import type { Knobs } from "../knobs.ts";
import { Random } from "../random.ts";
import { IndexQueue } from "./index-queue.ts";
import { type CacheCounts, Lru } from "./lru.ts";
import { type Repo, repoOf } from "./repos.ts";
import type { Work } from "./work.ts";

const cacheEntries = 500;
const collapsedEntries = 5;
/** At the usual rate about 60 % of the lookups hit. */
const leastLifeMs = 20_000;
const cacheLimitBytes = 4 * 1024 * 1024;
const queueCapacity = 100;

interface CatalogOptions {
  readonly seed: number;
  readonly clock: Clock;
  readonly meter: Meter;
  readonly work: Work;
}

export class Catalog {
  readonly #work: Work;
  readonly #queue: IndexQueue;
  readonly #cache: Lru<number, Repo>;
  readonly #jobs: Readonly<Record<"queued" | "refused", Adder>>;

  constructor({ seed, clock, meter, work }: CatalogOptions) {
    this.#work = work;
    const jobs = meter.counter("repomind.index.jobs", {
      unit: "{job}",
      description: "Repositories that were to be indexed.",
      attributes: { result: ["queued", "refused"] },
    });
    this.#jobs = {
      queued: jobs.bind({ result: "queued" }),
      refused: jobs.bind({ result: "refused" }),
    };
    this.#queue = new IndexQueue(queueCapacity, () => work.index());
    const random = new Random(seed, "cache");
    this.#cache = new Lru<number, Repo>({
      capacity: cacheEntries,
      now: () => clock.monotonicMs(),
      // Spread, so that they do not end together.
      lifeMs: () => leastLifeMs * (1 + 2 * random.next()),
    });
    // In place: it stays an Lru.
    instrumentCache(this.#cache, {
      name: "repos",
      limitBytes: cacheLimitBytes,
      sizeOf: (repo) => 100 + (repo as Repo).readme.length,
    });
    for (let id = cacheEntries - 1; id >= 0; id--) this.#cache.set(id, repoOf(id)!);
  }

  setKnobs({ cacheCollapse, queueStall }: Knobs): void {
    this.#cache.resize(cacheCollapse ? collapsedEntries : cacheEntries);
    this.#queue.stall(queueStall);
  }

  /** What had to be loaded is indexed afresh. Undefined: no such repository. */
  async find(id: number, fault: string | undefined): Promise<Repo | undefined> {
    const cached = this.#cache.get(id);
    await this.#work.run(cached === undefined ? "load" : "hit", fault);
    if (cached !== undefined) return cached;
    const repo = repoOf(id);
    if (repo === undefined) return undefined;
    this.#cache.set(id, repo);
    const isQueued = this.#queue.add(id);
    this.#jobs[isQueued ? "queued" : "refused"].add(1);
    return repo;
  }

  forget(id: number): void {
    this.#cache.delete(id);
  }

  get cacheCounts(): CacheCounts {
    return this.#cache.counts;
  }
}
