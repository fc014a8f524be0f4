import { BoundedNames } from "../metrics/bounded-names.ts";
import type { Problems } from "../problems.ts";
import { oncePerRuntime, type Runtime } from "../runtime.ts";
import type { Counter, Instrument, Meter } from "../types.ts";
import { type CallKey, operationDuration, timeToFirstChunk, tokenUsage } from "./conventions.ts";
import { CallSeries, type SeriesNames } from "./series.ts";

const maxModels = 50;
const maxProviders = 20;
const maxOperations = 20;
const maxQueryTypes = 20;
/** What is longer is a text, not a name: models and query types may come from whoever asks the application. */
const maxNameLength = 256;
/** Applications choose models and query types; beyond so many combinations their series are looked up each time. */
const maxBound = 1000;

const modelKeys = ["gen_ai.provider.name", "gen_ai.request.model", "repomind.query.type"] as const;
export type ModelKey = (typeof modelKeys)[number];

class ShortNames extends BoundedNames {
  override admit(name: string): string {
    return name.length > maxNameLength ? "_OTHER" : super.admit(name);
  }
}

/** The instruments for calls of language models, and the names that are admitted as their attributes. */
export class LlmMetrics {
  readonly problems: Problems;
  readonly queryTypes = new ShortNames(maxQueryTypes);
  readonly #models = new ShortNames(maxModels);
  readonly #providers = new ShortNames(maxProviders);
  readonly #operations = new ShortNames(maxOperations);
  readonly #bound = new Map<string, CallSeries>();
  readonly duration: Instrument<CallKey>;
  readonly firstChunk: Instrument<CallKey>;
  readonly tokenUsage: Instrument<CallKey | "gen_ai.token.type">;
  readonly tokens: Counter<ModelKey | "token.kind">;
  readonly retries: Counter<ModelKey | "error.type">;
  readonly cost: Counter<ModelKey>;
  readonly usageMissing: Counter<ModelKey>;
  readonly unpriced: Counter<ModelKey>;

  constructor({ meter, problems }: Runtime) {
    this.problems = problems;
    this.duration = meter.histogram(operationDuration.name, operationDuration.options);
    this.firstChunk = meter.histogram(timeToFirstChunk.name, timeToFirstChunk.options);
    this.tokenUsage = meter.histogram(tokenUsage.name, tokenUsage.options);
    this.tokens = meter.counter("repomind.llm.tokens", {
      unit: "{token}",
      description: "Tokens that are part of the input (cached, cache_write) or output (reasoning).",
      attributes: [...modelKeys, "token.kind"],
    });
    this.retries = meter.counter("repomind.llm.retries", {
      unit: "{retry}",
      description: "Requests that were sent again, by what the one before had failed of.",
      attributes: [...modelKeys, "error.type"],
    });
    this.cost = callCounter(meter, "repomind.llm.cost", "{USD}", "Cost of calls at list prices.");
    this.usageMissing = callCounter(
      meter,
      "repomind.llm.usage.missing",
      "{call}",
      "Calls whose tokens are not known, so that tokens and cost lack them.",
    );
    this.unpriced = callCounter(
      meter,
      "repomind.llm.unpriced",
      "{call}",
      "Calls of models that have no price, so that the cost lacks them.",
    );
  }

  /** The query type is admitted already: some are declared, some bounded. */
  seriesOf(names: SeriesNames): CallSeries {
    const operation = this.#operations.admit(names.operation);
    const provider = this.#providers.admit(names.provider);
    // No name and an empty one are the same.
    const model = names.model ? this.#models.admit(names.model) : undefined;
    const queryType = names.queryType || undefined;
    const key = `${operation}\n${provider}\n${model ?? ""}\n${queryType ?? ""}`;
    return this.#bound.get(key) ?? this.#bind(key, { operation, provider, model, queryType });
  }

  #bind(key: string, names: SeriesNames): CallSeries {
    const series = new CallSeries(this, names);
    if (this.#bound.size < maxBound) this.#bound.set(key, series);
    return series;
  }
}

const callCounter = (meter: Meter, name: string, unit: string, description: string) =>
  meter.counter(name, { unit, description, attributes: modelKeys });

export const llmMetrics = oncePerRuntime((runtime) => new LlmMetrics(runtime));
