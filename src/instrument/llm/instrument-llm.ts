import { messageOf } from "../problems.ts";
import { runtimeFor } from "../runtime.ts";
import { objectOr } from "../settings.ts";
import { instrumentModel } from "./ai-sdk.ts";
import { instrumentClient } from "./clients.ts";
import { Target } from "./target.ts";
import type { LlmOptions } from "./types.ts";

const targets = new WeakMap<object, Target>();

/**
 * Measures what a client of OpenAI or Anthropic, or a model of the AI SDK, is called for: in place, so that the object,
 * what it returns and what it throws stay as they are. Returns the same object; a second time changes nothing.
 */
export function instrumentLlm<T extends object>(clientOrModel: T, options: LlmOptions = {}): T {
  const runtime = runtimeFor("instrumentLlm()");
  if (runtime === undefined) return clientOrModel;
  try {
    const known = targets.get(clientOrModel);
    if (known !== undefined) known.moveTo(runtime);
    else instrument(clientOrModel, new Target(runtime, objectOr(options)));
  } catch (error) {
    const message = `instrumentLlm(): cannot instrument the object: ${messageOf(error)}`;
    runtime.problems.report("llm_not_instrumented", message);
  }
  return clientOrModel;
}

function instrument(object: object, target: Target): void {
  // First, because what is wrapped only in part must not be wrapped again.
  targets.set(object, target);
  if (instrumentModel(object, target)) return;
  if (instrumentClient(object, target, (made) => instrument(made, target))) return;
  targets.delete(object);
  const message =
    "instrumentLlm(): neither a client of OpenAI or Anthropic nor a model; not measured";
  target.problems.report("llm_not_instrumented", message, "shape");
}
