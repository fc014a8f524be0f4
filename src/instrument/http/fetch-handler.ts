import { messageOf } from "../problems.ts";
import { type Runtime, runtimeFor } from "../runtime.ts";
import { observeBody } from "./body-end.ts";
import { findMeasured, Measured, rememberFetched } from "./requests.ts";
import { httpInstruments } from "./series.ts";

type Handler = (request: Request, ...rest: never[]) => Response | Promise<Response>;

interface FetchHandlerOptions {
  /** The template of a request's route (`/repos/:id`), asked when the request comes; never the path itself. */
  readonly route?: (request: Request) => string | undefined;
}

/**
 * Measures a handler that no server of node:http calls. Where an adapter hands on the request of node:http, and that
 * is measured, it is not counted again.
 */
export function fetchHandler<F extends Handler>(handler: F, options: FetchHandlerOptions = {}): F {
  const runtime = runtimeFor("fetchHandler()");
  if (runtime === undefined || typeof handler !== "function") return handler;
  const metrics = new FetchMetrics(runtime, options);
  // A proxy keeps the handler's name and properties.
  return new Proxy(handler, {
    apply: (target, self, given) => metrics.run(given, () => Reflect.apply(target, self, given)),
  });
}

class FetchMetrics {
  readonly #runtime: Runtime;
  readonly #options: FetchHandlerOptions;

  constructor(runtime: Runtime, options: FetchHandlerOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  run(given: unknown[], handle: () => unknown): unknown {
    const exchange = this.#safely(() => this.#begin(given as [Request, ...unknown[]]));
    if (exchange === undefined) return handle();
    const answered = (response: unknown) => {
      this.#safely(() => exchange.answered(response as Response));
      return response;
    };
    const thrown = (error: unknown): never => {
      this.#safely(() => exchange.end(undefined, errorTypeOf(error)));
      throw error;
    };
    let result: unknown;
    try {
      result = handle();
    } catch (error) {
      return thrown(error);
    }
    const isPromise = typeof (result as PromiseLike<unknown> | undefined)?.then === "function";
    return isPromise ? (result as PromiseLike<unknown>).then(answered, thrown) : answered(result);
  }

  #begin(given: [Request, ...unknown[]]): Exchange | undefined {
    const [request] = given;
    const route = this.#routeOf(request);
    const served = nodeRequestOf(given);
    if (served !== undefined) {
      served.route ??= route;
      return undefined;
    }
    const instruments = httpInstruments(this.#runtime.meter);
    const series = instruments.of(request.method, request.url.startsWith("https:"));
    const measured = new Measured(series, performance.now());
    measured.route = route;
    rememberFetched(request, measured);
    return new Exchange(request, measured, this.#runtime);
  }

  #routeOf(request: Request): string | undefined {
    const route: unknown = this.#safely(() => this.#options.route?.(request));
    return typeof route === "string" ? route : undefined;
  }

  #safely<T>(work: () => T): T | undefined {
    return safely(work, this.#runtime);
  }
}

function safely<T>(work: () => T, { problems }: Runtime): T | undefined {
  try {
    return work();
  } catch (error) {
    problems.report("http_failed", `cannot measure a request: ${messageOf(error)}`);
    return undefined;
  }
}

/** Statuses whose responses have no body, whatever the object holds. */
const withoutBody = new Set([101, 204, 205, 304]);

/** One call of the handler: it ends once. */
class Exchange {
  readonly #request: Request;
  readonly #measured: Measured;
  readonly #runtime: Runtime;
  /** Weak: one that nobody reads ends when it is collected. */
  #body: WeakRef<ReadableStream> | undefined;
  #isOpen = true;

  constructor(request: Request, measured: Measured, runtime: Runtime) {
    this.#request = request;
    this.#measured = measured;
    this.#runtime = runtime;
    measured.series.active++;
    request.signal?.addEventListener("abort", this.#onAbort);
  }

  answered(response: Response | undefined): void {
    const status = response?.status;
    // Response.error() has status 0.
    if (typeof status !== "number" || status === 0) return this.end(undefined, "no_response");
    const { body } = response as Response;
    const isBodySent = this.#request.method !== "HEAD" && !withoutBody.has(status);
    // Who reads a locked body is not to be seen.
    if (!isBodySent || body === null || body.locked) return this.end(status);
    this.#body = new WeakRef(body);
    observeBody(body, {
      sent: () => this.end(status),
      cancelled: () => this.end(undefined, "aborted"),
      failed: (error) => this.end(undefined, errorTypeOf(error)),
    });
  }

  /** Without a status: no response, or not to its end. */
  end(status: number | undefined, error?: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
    const { series, startMs, route, errorType } = this.#measured;
    const seconds = (performance.now() - startMs) / 1000;
    const named = route ?? safely(() => this.#measured.frameworkRoute(status), this.#runtime);
    series.end(seconds, named, status, errorType ?? error);
  }

  /** A body that was read to its end is told of soon, and some servers abort the signal of every request in the end. */
  readonly #onAbort = (): void => {
    const { isReadable } = process.getBuiltinModule("node:stream");
    const body = this.#body?.deref();
    if (body === undefined || isReadable(body as never)) this.end(undefined, "aborted");
  };
}

/** Under the names that adapters use: env.incoming (Hono), context.req (whatwg-node), request.runtime.node.req (srvx). */
interface Adapted {
  readonly incoming?: object;
  readonly req?: object;
  readonly runtime?: { readonly node?: { readonly req?: object } };
}

/** The measured request of node:http behind a Request, where there is one. */
function nodeRequestOf([request, context]: readonly unknown[]): Measured | undefined {
  const { incoming, req } = (context ?? {}) as Adapted;
  const { runtime } = request as Adapted;
  return (
    (incoming && findMeasured(incoming)) ??
    (req && findMeasured(req)) ??
    (runtime?.node?.req && findMeasured(runtime.node.req))
  );
}

function errorTypeOf(error: unknown): string {
  const name: unknown = (error as Error | undefined)?.name;
  if (name === "AbortError") return "aborted";
  return typeof name === "string" && name !== "" ? name : "_OTHER";
}
