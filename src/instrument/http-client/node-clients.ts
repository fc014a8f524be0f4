import type { ClientRequest, IncomingMessage } from "node:http";
import type { Problems } from "../problems.ts";
import { guarded, listen } from "./channels.ts";
import { errorTypeOf } from "./error-type.ts";
import { type Marked, type Open, OpenRequests } from "./open-requests.ts";
import type { ServerSeries } from "./series.ts";
import type { Servers } from "./servers.ts";
import { unmeasured } from "./unmeasured.ts";

/** Members that Node has had for long and that its types leave out. */
type Request = ClientRequest &
  Marked & {
    readonly res: IncomingMessage | null;
    readonly socketPath: string | undefined;
    readonly agent: { [unmeasured]?: true } | undefined;
  };
interface Created {
  readonly request: Request;
}
interface Failed extends Created {
  readonly error: Error;
}

/**
 * Requests of node:http and node:https. The channel `http.client.response.finish` says that the *head* of a response has
 * come, and nothing is published at its end, nor where an upgrade takes the connection over, nor of `abort()` before
 * there was one: so a `close` listener a request, which comes last of all and always, except where no connection could
 * be opened (then only `http.client.request.error`). `http.client.request.start` comes with the *end* of a
 * request's body and not at all of one that never got a connection.
 */
export class NodeClients implements Disposable {
  readonly #servers: Servers;
  readonly #open = new OpenRequests();
  readonly #onClose: (this: Request) => void;
  readonly #stopBeginning: () => void;
  readonly #stopEnding: () => void;

  constructor(servers: Servers, problems: Problems) {
    this.#servers = servers;
    const close = guarded<Request>(problems, (request) => this.#close(request));
    // One function for all requests, which come as `this`.
    this.#onClose = function onClose() {
      close(this);
    };
    this.#stopBeginning = listen("http.client.request.created", problems, (message: Created) => {
      this.#begin(message.request);
    });
    this.#stopEnding = listen("http.client.request.error", problems, (message: Failed) => {
      this.#fail(message.request, message.error);
    });
  }

  /** Requests that are under way are still measured to their end. */
  [Symbol.dispose](): void {
    this.#stopBeginning();
    this.#open.whenNone(this.#stopEnding);
  }

  #begin(request: Request): void {
    if (request.agent?.[unmeasured]) return;
    this.#open.begin(request);
    request.on("close", this.#onClose);
  }

  /** An error behind the whole response, of the connection that is left, changes nothing. */
  #fail(request: Request, error: unknown): void {
    const open = this.#open.take(request);
    if (open === undefined) return;
    if (request.res?.complete) this.#finish(request, open, request.res);
    else this.#failed(request, open, error);
  }

  /** Without an error so far: the application ended it, or the server in the middle of the body. */
  #close(request: Request): void {
    const open = this.#open.take(request);
    if (open === undefined) return;
    const { res } = request;
    if (res?.complete) this.#finish(request, open, res);
    else this.#failed(request, open, res?.errored ?? undefined);
  }

  #finish(request: Request, open: Open, response: IncomingMessage): void {
    const series = this.#serverOf(request).of(request.method);
    series.finished(open.seconds, response.statusCode ?? 0);
  }

  /** Node says ECONNRESET of `abort()`, and nothing of a response that the application destroys. */
  #failed(request: Request, open: Open, error: unknown): void {
    const isAbort = request.aborted || error === undefined;
    const series = this.#serverOf(request).of(request.method);
    const errorType = isAbort ? "AbortError" : errorTypeOf(error);
    series.failed(open.seconds, request.res?.statusCode, errorType);
  }

  /**
   * The port stands nowhere but in the header `host`, which node:http writes itself. An application's own (a reverse
   * proxy hands on its client's) says nothing of the server; then the connection is asked, while there is one.
   */
  #serverOf(request: Request): ServerSeries {
    const { host, protocol, socketPath, socket } = request;
    const authority = request.getHeader("host");
    if (typeof authority === "string" && !socketPath) {
      const origin = this.#servers.origin(`${protocol}//${authority}`);
      if (origin?.address === host && (origin.port === socket?.remotePort || isByNode(request))) {
        return this.#servers.ofOrigin(origin);
      }
    }
    const scheme = protocol === "https:" ? "https" : "http";
    if (socketPath) return this.#servers.of({ scheme, address: socketPath, port: undefined });
    return this.#servers.of({ scheme, address: host.toLowerCase(), port: socket?.remotePort });
  }
}

/** Node spells it so; half a microsecond, so asked where the connection goes elsewhere: there is none, or a tunnel. */
const isByNode = (request: Request) => request.getRawHeaderNames().includes("Host");
