import { messageOf, type Problems } from "../problems.ts";
import { runtimeFor } from "../runtime.ts";
import { MeasuredCall } from "./call.ts";
import { standardPrices } from "./cost.ts";
import { llmMetrics } from "./metrics.ts";
import type { LlmCall, LlmCallOptions, LlmUsage } from "./types.ts";

const unmeasured: LlmCall = { chunk() {}, retry() {}, end() {}, fail() {} };

/** Measures a call that no helper knows: from here until `end` or `fail`. */
export function llmCall(call: LlmCallOptions): LlmCall {
  const runtime = runtimeFor("llmCall()");
  if (runtime === undefined) return unmeasured;
  try {
    const { operation, provider, model, queryType, stream } = call;
    const source = {
      metrics: llmMetrics(runtime),
      queryType: undefined,
      queryTypes: undefined,
      prices: standardPrices,
    };
    const measured = new MeasuredCall(
      source,
      {
        operation: textOr(operation, "_OTHER"),
        provider: textOr(provider, "_OTHER"),
        model: textOr(model, undefined),
      },
      textOr(queryType, undefined),
    );
    return new GuardedCall(measured, stream !== false, runtime.problems);
  } catch (error) {
    runtime.problems.report("llm_failed", `llmCall(): ${messageOf(error)}`);
    return unmeasured;
  }
}

const textOr = <T>(value: unknown, fallback: T) => (typeof value === "string" ? value : fallback);

/** What an application passes may have getters that throw. */
class GuardedCall implements LlmCall {
  readonly #call: MeasuredCall;
  readonly #isStream: boolean;
  readonly #problems: Problems;

  constructor(call: MeasuredCall, isStream: boolean, problems: Problems) {
    this.#call = call;
    this.#isStream = isStream;
    this.#problems = problems;
  }

  chunk(): void {
    if (this.#isStream) this.#call.chunk();
  }

  retry(errorType: string): void {
    this.#call.retry(errorType);
  }

  end(usage?: LlmUsage, responseModel?: string): void {
    this.#guard(() => this.#call.end(usage, textOr(responseModel, undefined)));
  }

  fail(error: unknown, usage?: LlmUsage): void {
    this.#guard(() => this.#call.fail(error, usage));
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#problems.report("llm_failed", `llmCall(): ${messageOf(error)}`);
    }
  }
}
