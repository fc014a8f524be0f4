import type { Problems } from "../problems.ts";
import { runtimeFor } from "../runtime.ts";
import { MeasuredCall } from "./call.ts";
import { standardPrices } from "./cost.ts";
import { guard } from "./guard.ts";
import { llmMetrics } from "./metrics.ts";
import type { LlmCall, LlmCallOptions } from "./types.ts";

const unmeasured: LlmCall = { chunk() {}, retry() {}, end() {}, fail() {} };

/** Measures a call that no helper knows: from here until `end` or `fail`. */
export function llmCall(call: LlmCallOptions): LlmCall {
  const runtime = runtimeFor("llmCall()");
  if (runtime === undefined) return unmeasured;
  const begun = guard(runtime.problems, () => {
    const { operation, provider, model, queryType, stream } = call;
    const source = {
      metrics: llmMetrics(runtime),
      queryType: undefined,
      queryTypes: undefined,
      prices: standardPrices,
    };
    const names = {
      operation: textOr(operation, "_OTHER"),
      provider: textOr(provider, "_OTHER"),
      model: textOr(model, undefined),
    };
    const measured = new MeasuredCall(source, names, textOr(queryType, undefined));
    return guarded(measured, stream !== false, runtime.problems);
  });
  return begun ?? unmeasured;
}

const textOr = <T>(value: unknown, fallback: T) => (typeof value === "string" ? value : fallback);

/** What an application passes may have getters that throw. */
function guarded(call: MeasuredCall, isStream: boolean, problems: Problems): LlmCall {
  return {
    chunk: () => {
      if (isStream) call.chunk();
    },
    retry: (errorType) => guard(problems, () => call.retry(errorType)),
    end: (usage, responseModel) =>
      guard(problems, () => call.end(usage, textOr(responseModel, undefined))),
    fail: (error, usage) => guard(problems, () => call.fail(error, usage)),
  };
}
