import type { ObservedCall } from "./observed-call.ts";

/** The streams of the clients of OpenAI and Anthropic: everything that reads them begins with `iterator()`. */
export interface ClientStream {
  iterator: (...args: unknown[]) => Iterator;
  readonly controller?: { readonly signal?: { readonly aborted?: boolean } };
}
interface Iterator {
  next(...args: unknown[]): PromiseLike<Result>;
  return?(...args: unknown[]): PromiseLike<Result>;
}
interface Result {
  readonly done?: boolean;
  readonly value?: unknown;
}

export const isClientStream = (value: unknown): value is ClientStream =>
  typeof value === "object" &&
  value !== null &&
  Symbol.asyncIterator in value &&
  "iterator" in value &&
  typeof value.iterator === "function";

const observed = new WeakSet<object>();

/** In place, so that the stream stays what it is; the first iterator tells the call, further ones are refused by the stream. */
export function observeStream(stream: ClientStream, call: ObservedCall): void {
  if (observed.has(stream)) return;
  observed.add(stream);
  const { iterator } = stream;
  let isTaken = false;
  stream.iterator = (...args) => {
    const inner = iterator.apply(stream, args);
    if (isTaken) return inner;
    isTaken = true;
    call.guard(() => observeIterator(inner, stream, call));
    return inner;
  };
}

function observeIterator(iterator: Iterator, stream: ClientStream, call: ObservedCall): void {
  const next = iterator.next.bind(iterator);
  const close = iterator.return?.bind(iterator);
  const onResult = (result: Result): Result | PromiseLike<Result> => {
    if (result.done === true) {
      // An aborted stream ends without an error.
      if (stream.controller?.signal?.aborted === true) call.failed("aborted");
      else call.streamEnded();
      return result;
    }
    return call.chunk(result.value) ? result : iterator.next();
  };
  const onError = (error: unknown): never => {
    call.failed(error);
    throw error;
  };
  iterator.next = (...args) => next(...args).then(onResult, onError);
  if (close === undefined) return;
  // Nothing tells an abort by the application here: clients abort by themselves what is left early.
  iterator.return = (...args) => {
    call.streamEnded();
    return close(...args);
  };
}
