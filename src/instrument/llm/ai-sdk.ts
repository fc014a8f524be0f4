/** Models of Vercel's AI SDK (versions 2, 3 and 4 of its interface), known by their shape. */
import { intercept, replaceMethods, type Wrappers } from "../replace-methods.ts";
import { type Attempt, currentAttempt, watchAttempts } from "./ai-sdk-attempts.ts";
import { observeReadable } from "./ai-sdk-stream.ts";
import { MeasuredCall } from "./call.ts";
import { type Operation, providerOfSdkName } from "./conventions.ts";
import { ObservedCall } from "./observed-call.ts";
import type { Target } from "./target.ts";
import { aiSdk } from "./usage.ts";

/** By the method that tells them: models of images, speech and transcription have doGenerate, too. */
const kinds: readonly (readonly [tell: string, Operation])[] = [
  ["doStream", "chat"],
  ["doEmbed", "embeddings"],
];

/** False: it is no such model. */
export function instrumentModel(model: object, target: Target): boolean {
  const kind = kinds.find(([tell]) => typeof Reflect.get(model, tell) === "function");
  if (kind === undefined) return false;
  const [, operation] = kind;
  const wrap: Wrappers[string] = (original) =>
    intercept((receiver, args) => {
      const run = () => Reflect.apply(original, receiver, args);
      const begun = target.guard(() => begin(model, target, operation, args[0]));
      return begun === undefined ? run() : observe(begun, run);
    });
  replaceMethods(model, { doGenerate: wrap, doStream: wrap, doEmbed: wrap });
  watchAttempts();
  return true;
}

interface Begun {
  readonly call: ObservedCall;
  readonly attempt: Attempt | undefined;
  /** By which the application aborts the call. */
  readonly signal: AbortSignal | undefined;
}

function begin(model: object, target: Target, operation: Operation, options: unknown): Begun {
  const { provider, modelId } = model as { provider?: unknown; modelId?: unknown };
  const sdkName = typeof provider === "string" ? providerOfSdkName(provider) : "_OTHER";
  const measured = new MeasuredCall(target.source, {
    operation,
    provider: target.options.provider ?? sdkName,
    model: typeof modelId === "string" ? modelId : undefined,
  });
  const attempt = currentAttempt();
  const failure = attempt?.takeFailure();
  if (failure !== undefined) measured.retry(failure);
  const signal = (options as { abortSignal?: AbortSignal } | null | undefined)?.abortSignal;
  return { call: new ObservedCall(measured, aiSdk, target.problems), attempt, signal };
}

function observe({ call, attempt, signal }: Begun, run: () => unknown): unknown {
  const onError = (error: unknown): never => {
    call.failed(error);
    attempt?.failed(error);
    throw error;
  };
  try {
    const result = run() as PromiseLike<unknown> | undefined;
    return typeof result?.then === "function"
      ? result.then((answer) => observeAnswer(answer, call, signal), onError)
      : observeAnswer(result, call, signal);
  } catch (error) {
    return onError(error);
  }
}

/** The same answer with a stream in the place of its own; a copy only where it cannot be changed. */
function observeAnswer(
  answer: unknown,
  call: ObservedCall,
  signal: AbortSignal | undefined,
): unknown {
  const stream = (answer as { stream?: ReadableStream } | null | undefined)?.stream;
  if (typeof stream?.getReader !== "function") {
    call.answered(answer);
    return answer;
  }
  const observed = call.guard(() => observeReadable(stream, call, signal));
  if (observed === undefined) return answer;
  const isSet = Reflect.set(answer as object, "stream", observed);
  return isSet ? answer : { ...(answer as object), stream: observed };
}
