import type { Problems } from "../problems.ts";
import { listen } from "./channels.ts";
import { errorTypeOf } from "./error-type.ts";
import { type Marked, OpenRequests } from "./open-requests.ts";
import type { MethodSeries } from "./series.ts";
import type { Servers } from "./servers.ts";

/** What undici publishes of a request, by its shape. */
interface UndiciRequest extends Marked {
  readonly method: string;
  readonly origin: string | URL;
  readonly upgrade: string | null;
}
interface Created {
  readonly request: UndiciRequest;
}
interface Headers extends Created {
  readonly response: { readonly statusCode: number };
}
interface Failed extends Created {
  readonly error: unknown;
}

/**
 * Requests of fetch and of the package undici, which publish on the same channels. Each of them ends in `trailers` (the
 * body came whole, read or not) or in one or more `error`; `headers` also comes for each interim response (1xx), so the
 * last one counts. A followed redirect and a retry are requests of their own.
 */
export class UndiciClients implements Disposable {
  readonly #servers: Servers;
  readonly #open = new OpenRequests();
  readonly #stopBeginning: () => void;
  readonly #stopEnding: readonly (() => void)[];

  constructor(servers: Servers, problems: Problems) {
    this.#servers = servers;
    this.#stopBeginning = listen("undici:request:create", problems, ({ request }: Created) => {
      this.#begin(request);
    });
    this.#stopEnding = [
      listen("undici:request:headers", problems, ({ request, response }: Headers) => {
        const open = this.#open.find(request);
        if (open !== undefined) open.status = response.statusCode;
      }),
      listen("undici:request:trailers", problems, ({ request }: Created) => {
        this.#finish(request);
      }),
      listen("undici:request:error", problems, ({ request, error }: Failed) => {
        this.#fail(request, error);
      }),
    ];
  }

  /** Requests that are under way are still measured to their end. */
  [Symbol.dispose](): void {
    this.#stopBeginning();
    this.#open.whenNone(() => {
      for (const stop of this.#stopEnding) stop();
    });
  }

  /** Of an upgrade (WebSocket) or tunnel, undici 6 and 7 publish no end but its close, as an error. */
  #begin(request: UndiciRequest): void {
    if (!request.upgrade && request.method !== "CONNECT") this.#open.begin(request);
  }

  #finish(request: UndiciRequest): void {
    const open = this.#open.take(request);
    if (open?.status === undefined) return;
    this.#seriesOf(request).finished(open.seconds, open.status);
  }

  #fail(request: UndiciRequest, error: unknown): void {
    const open = this.#open.take(request);
    if (open === undefined) return;
    this.#seriesOf(request).failed(open.seconds, open.status, errorTypeOf(error));
  }

  #seriesOf({ origin, method }: UndiciRequest): MethodSeries {
    return this.#servers.ofText(typeof origin === "string" ? origin : origin.origin).of(method);
  }
}
