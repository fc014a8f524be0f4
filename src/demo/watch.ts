/** Looks at the service's page until everything has data, and says so. */
import { missingOn } from "./expected.ts";
import type { Page } from "./page.ts";
import type { DemoService } from "./service.ts";

/** Everything should be there much earlier; the percentiles later. */
const lateMs = 10_000;
const latePercentilesMs = 20_000;

export class Watch {
  readonly #service: DemoService;
  readonly #read: () => Promise<Page>;
  readonly #say: (text: string) => void;
  #hasMetrics = false;
  #isLateSaid = false;

  constructor(service: DemoService, read: () => Promise<Page>, say: (text: string) => void) {
    this.#service = service;
    this.#read = read;
    this.#say = say;
  }

  /** True: there is nothing more to wait for. */
  async look(elapsedMs: number): Promise<boolean> {
    const { hasShippedPipelines } = this.#service;
    const { metrics, percentiles, problem } = await this.#missing();
    const after = `after ${(elapsedMs / 1000).toFixed(1)} s`;
    if (metrics.length === 0 && !this.#hasMetrics) {
      this.#hasMetrics = true;
      this.#say(`Every metric has data ${after}.`);
    }
    if (metrics.length === 0 && percentiles.length === 0) {
      if (hasShippedPipelines) this.#say(`The percentiles too ${after}.`);
      return true;
    }
    const isLate = elapsedMs > (this.#hasMetrics ? latePercentilesMs : lateMs);
    if (isLate && !this.#isLateSaid) {
      this.#isLateSaid = true;
      const names = [...metrics, ...percentiles].map((name) => `\n  ${name}`).join("");
      const absent = problem === undefined ? names : ` ${problem}`;
      this.#say(`Still missing ${after}, at ${this.#service.scrapeUrl}:${absent}${this.#hint}`);
    }
    return false;
  }

  async #missing() {
    try {
      const page = await this.#read();
      return { ...missingOn(page, this.#service.hasShippedPipelines), problem: undefined };
    } catch (error) {
      return { metrics: [""], percentiles: [], problem: causeOf(error) };
    }
  }

  get #hint(): string {
    return this.#service.own === undefined
      ? "\nIf the service shows its metrics elsewhere, name the page with --scrape URL."
      : "";
  }
}

export function causeOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}
