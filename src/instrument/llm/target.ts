import type { Problems } from "../problems.ts";
import type { Runtime } from "../runtime.ts";
import type { CallSource } from "./call.ts";
import { pricesOf } from "./cost.ts";
import { guard } from "./guard.ts";
import { llmMetrics } from "./metrics.ts";
import type { LlmOptions } from "./types.ts";

interface CheckedOptions {
  readonly provider: string | undefined;
  readonly asksForUsage: boolean;
}

/**
 * What an instrumented client or model, and the clients made of it, are measured into: the runtime that was the last to
 * instrument it.
 */
export class Target {
  readonly options: CheckedOptions;
  readonly #given: LlmOptions;
  #runtime: Runtime;
  #source: CallSource;

  constructor(runtime: Runtime, given: LlmOptions) {
    const { provider, streamUsage } = given;
    this.options = {
      provider: typeof provider === "string" ? provider : undefined,
      asksForUsage: streamUsage === "inject",
    };
    this.#given = given;
    this.#runtime = runtime;
    this.#source = sourceOf(runtime, given);
  }

  get source(): CallSource {
    return this.#source;
  }

  /** After a shutdown and another start. */
  moveTo(runtime: Runtime): void {
    if (runtime === this.#runtime) return;
    this.#runtime = runtime;
    this.#source = sourceOf(runtime, this.#given);
  }

  get problems(): Problems {
    return this.#runtime.problems;
  }

  guard<R>(run: () => R): R | undefined {
    return guard(this.problems, run);
  }
}

function sourceOf(runtime: Runtime, { queryType, queryTypes, prices }: LlmOptions): CallSource {
  return {
    metrics: llmMetrics(runtime),
    queryType: typeof queryType === "string" ? queryType : undefined,
    queryTypes: Array.isArray(queryTypes) ? new Set(queryTypes as readonly string[]) : undefined,
    prices: pricesOf(prices, runtime.problems),
  };
}
