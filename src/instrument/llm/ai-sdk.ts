/** Models of Vercel's AI SDK (versions 2, 3 and 4 of its interface), known by their shape. */
import { type Attempt, currentAttempt, watchAttempts } from "./ai-sdk-attempts.ts";
import { observeReadable } from "./ai-sdk-stream.ts";
import { MeasuredCall } from "./call.ts";
import { type Operation, providerOfSdkName } from "./conventions.ts";
import { ObservedCall } from "./observed-call.ts";
import { replaceMethod } from "./replace-method.ts";
import type { Target } from "./target.ts";
import { aiSdk } from "./usage.ts";

const methods: readonly (readonly [string, Operation])[] = [
  ["doGenerate", "chat"],
  ["doStream", "chat"],
  ["doEmbed", "embeddings"],
];

/** False: it is no such model. */
export function instrumentModel(model: object, target: Target): boolean {
  const found = methods.filter(([name, operation]) =>
    replaceMethod(
      model,
      name,
      (original) =>
        function (this: unknown, ...args: unknown[]): unknown {
          const run = () => original.apply(this, args);
          const begun = target.guard(() => begin(model, target, operation));
          return begun === undefined ? run() : observe(begun, run);
        },
    ),
  );
  if (found.length > 0) watchAttempts();
  return found.length > 0;
}

interface Begun {
  readonly call: ObservedCall;
  readonly attempt: Attempt | undefined;
}

function begin(model: object, target: Target, operation: Operation): Begun {
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
  return { call: new ObservedCall(measured, aiSdk, target.problems), attempt };
}

function observe({ call, attempt }: Begun, run: () => unknown): unknown {
  const onError = (error: unknown): never => {
    call.failed(error);
    attempt?.failed(error);
    throw error;
  };
  try {
    const result = run() as PromiseLike<unknown> | undefined;
    return typeof result?.then === "function"
      ? result.then((answer) => observeAnswer(answer, call), onError)
      : observeAnswer(result, call);
  } catch (error) {
    return onError(error);
  }
}

/** The same answer with a stream in the place of its own; a copy only where it cannot be changed. */
function observeAnswer(answer: unknown, call: ObservedCall): unknown {
  const stream = (answer as { stream?: ReadableStream } | null | undefined)?.stream;
  if (typeof stream?.getReader !== "function") {
    call.answered(answer);
    return answer;
  }
  const observed = call.guard(() => observeReadable(stream, call));
  if (observed === undefined) return answer;
  const isSet = Reflect.set(answer as object, "stream", observed);
  return isSet ? answer : { ...(answer as object), stream: observed };
}
