/** Searches, whose results stand in a cache on another machine: a lookup takes its time, and cacheMeter is told. */
import type { Clock } from "../../clock.ts";
import { cacheMeter } from "../../instrument/index.ts";
import { type CacheCounts, Lru } from "./lru.ts";
import { pageOf, repoCount } from "./repos.ts";
import type { Work } from "./work.ts";

const cacheEntries = 200;
const cacheLimitBytes = 256 * 1024;
const lifeMs = 60_000;

export class Search {
  readonly #clock: Clock;
  readonly #work: Work;
  readonly #meter = cacheMeter({ name: "searches", limitBytes: cacheLimitBytes });
  readonly #results: Lru<string, readonly string[]>;
  #bytes = 0;

  constructor(clock: Clock, work: Work) {
    this.#clock = clock;
    this.#work = work;
    this.#results = new Lru<string, readonly string[]>({
      capacity: cacheEntries,
      now: () => clock.monotonicMs(),
      lifeMs: () => lifeMs,
      onRemoved: (found, reason) => {
        this.#bytes -= bytesOf(found);
        this.#meter.evict(1, reason);
      },
    });
  }

  /** Names of repositories. */
  async find(words: string, fault: string | undefined): Promise<readonly string[]> {
    const startMs = this.#clock.monotonicMs();
    await this.#work.run("lookup", fault);
    const cached = this.#results.get(words);
    if (cached !== undefined) {
      this.#meter.hit(this.#secondsSince(startMs));
      return cached;
    }
    this.#meter.miss(this.#secondsSince(startMs));
    await this.#work.run("search");
    const found = resultsOf(words);
    this.#store(words, found);
    this.#meter.load(this.#secondsSince(startMs));
    return found;
  }

  get cacheCounts(): CacheCounts {
    return this.#results.counts;
  }

  #store(words: string, found: readonly string[]): void {
    // Somebody else may have asked the same meanwhile.
    if (this.#results.has(words)) return;
    this.#bytes += bytesOf(found);
    this.#results.set(words, found);
    this.#meter.usage(this.#bytes, this.#results.size);
  }

  #secondsSince(startMs: number): number {
    return (this.#clock.monotonicMs() - startMs) / 1000;
  }
}

const bytesOf = (names: readonly string[]) => names.join().length;

/** Any names will do, the same ones for the same words. */
function resultsOf(words: string): string[] {
  let page = 0;
  for (const character of words) page = (page * 31 + character.charCodeAt(0)) % repoCount;
  return pageOf(page);
}
