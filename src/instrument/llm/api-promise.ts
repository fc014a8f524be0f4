import { currentCall, type ObservedCall } from "./observed-call.ts";
import { isClientStream, observeStream } from "./stream.ts";

const thenUnwrapName = "_thenUnwrap";
const responsePropsName = "_responseProps";

/**
 * What a client returns at once: a promise that reads the answer only when it is asked for, by `then` (as data), by
 * `asResponse` (not at all) or, through `_thenUnwrap`, in the shape that a helper of the client makes of it.
 */
interface ApiPromise {
  /** Settles when the headers of the last attempt are there. */
  responsePromise: PromiseLike<unknown>;
  parse(): PromiseLike<unknown>;
  asResponse(): PromiseLike<unknown>;
  [thenUnwrapName](transform: Transform): unknown;
  /** Threads and tool runners of Anthropic read streams by a promise of their own, which they make of this. */
  [responsePropsName]?(): PromiseLike<unknown>;
}
type Transform = (data: unknown, ...rest: unknown[]) => unknown;

const isApiPromise = (value: unknown): value is ApiPromise =>
  isThenable(value) &&
  "responsePromise" in value &&
  isThenable(value.responsePromise) &&
  ["parse", "asResponse", thenUnwrapName].every(
    (name) => typeof Reflect.get(value, name) === "function",
  );

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" &&
  value !== null &&
  "then" in value &&
  typeof value.then === "function";

/** Observes what a method of a client returned, and returns it. */
export function observeResult(result: unknown, call: ObservedCall, isStream: boolean): unknown {
  if (isApiPromise(result)) {
    call.guard(() => new ApiPromiseObserver(result, call, isStream).adopt(result));
    return result;
  }
  if (isThenable(result)) {
    return result.then(
      (data) => observeData(data, call),
      (error: unknown) => {
        call.failed(error);
        throw error;
      },
    );
  }
  return observeData(result, call);
}

function observeData(data: unknown, call: ObservedCall): unknown {
  if (isClientStream(data)) call.guard(() => observeStream(data, call));
  else call.answered(data);
  return data;
}

/** All promises of one request: the one that was returned and those that are made of it. */
class ApiPromiseObserver {
  readonly #call: ObservedCall;
  readonly #isStream: boolean;
  readonly #watched: PromiseLike<unknown>;
  #isParsed = false;
  #isRaw = false;
  #isAnswered = false;

  constructor(promise: ApiPromise, call: ObservedCall, isStream: boolean) {
    this.#call = call;
    this.#isStream = isStream;
    // Takes the place of the request's own promise: so a failure that nobody handles stays one that nobody handles.
    this.#watched = promise.responsePromise.then(
      (response) => {
        this.#onAnswered();
        return response;
      },
      (error: unknown) => {
        call.failed(error);
        throw error;
      },
    );
  }

  /** By assignment, as the clients do it themselves: to define hidden properties takes 3 µs each. */
  adopt(promise: ApiPromise): void {
    const parse = promise.parse.bind(promise);
    const asResponse = promise.asResponse.bind(promise);
    const thenUnwrap = promise[thenUnwrapName].bind(promise);
    promise.responsePromise = this.#watched;
    let parsed: PromiseLike<unknown> | undefined;
    promise.parse = () => (parsed ??= this.#parse(parse));
    promise.asResponse = () => {
      this.#onRaw();
      return asResponse();
    };
    const responseProps = promise[responsePropsName]?.bind(promise);
    if (this.#isStream && responseProps !== undefined) {
      promise[responsePropsName] = () => {
        this.#onRaw();
        return responseProps();
      };
    }
    // What the transform gets, not what it makes: usage is there, whatever the shape.
    promise[thenUnwrapName] = (transform) => {
      const observed: Transform = (data, ...rest) =>
        transform(observeData(data, this.#call), ...rest);
      const next = thenUnwrap(observed);
      if (isApiPromise(next)) this.#call.guard(() => this.adopt(next));
      return next;
    };
  }

  /** A client may send the request once more while the body is read, then in whatever context asked for it. */
  #parse(parse: () => PromiseLike<unknown>): PromiseLike<unknown> {
    this.#isParsed = true;
    return currentCall.run(this.#call, parse).then(
      (data) => observeData(data, this.#call),
      (error: unknown) => {
        this.#call.failed(error);
        throw error;
      },
    );
  }

  /** Somebody else reads the answer. */
  #onRaw(): void {
    this.#isRaw = true;
    if (this.#isAnswered) this.#onAnswered();
  }

  #onAnswered(): void {
    this.#isAnswered = true;
    if (this.#isParsed) return;
    if (this.#isRaw) this.#call.answered(undefined);
    else if (!this.#isStream) this.#call.answeredUnread();
  }
}
