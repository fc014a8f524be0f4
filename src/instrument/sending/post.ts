/** One OTLP/HTTP request on a connection that is kept. */
import type * as http from "node:http";
import type { Clock } from "../../clock.ts";
import { unmeasured } from "../http-client/unmeasured.ts";

export interface Target {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** For messages: credentials may stand before the host. */
export const nameOf = ({ url }: Target): string => url.origin + url.pathname;

export interface Answer {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  readonly body: Uint8Array;
}

/** An answer is a few bytes; of a longer one the rest is not read. */
const maxAnswerBytes = 64 * 1024;

type Http = typeof http;

export class Poster {
  readonly #target: Target;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #connections: { readonly http: Http; readonly agent: http.Agent } | undefined;

  constructor(target: Target, timeoutMs: number, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects where no whole answer came in time. */
  async post(body: Uint8Array, isGzip: boolean): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#connections ??= connectionsFor(this.#target);
    const { http: module, agent } = this.#connections;
    const options = { agent, method: "POST", headers: this.#headers(body, isGzip) };
    const request = module.request(this.#target.url, options);
    const timer = this.#clock.after(this.#timeoutMs, () => {
      request.destroy(new Error(`no answer within ${this.#timeoutMs} ms`));
    });
    inBackground(request);
    request.on("error", (error) => reject(explained(error)));
    request.on("response", (response) => {
      this.#read(response, resolve, reject);
    });
    request.end(body);
    try {
      return await promise;
    } finally {
      timer.cancel();
    }
  }

  close(): void {
    this.#connections?.agent.destroy();
  }

  #headers(body: Uint8Array, isGzip: boolean): http.OutgoingHttpHeaders {
    return {
      ...this.#target.headers,
      "content-type": "application/x-protobuf",
      "content-length": body.length,
      ...(isGzip ? { "content-encoding": "gzip" } : {}),
    };
  }

  #read(
    response: http.IncomingMessage,
    resolve: (answer: Answer) => void,
    reject: (error: Error) => void,
  ): void {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = () => {
      resolve({
        status: response.statusCode ?? 0,
        retryAfterMs: retryAfterMs(response.headers["retry-after"], this.#clock.now()),
        body: Buffer.concat(chunks),
      });
    };
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length < maxAnswerBytes) return;
      finish();
      response.destroy();
    });
    response.on("error", reject);
    response.on("end", finish);
  }
}

/** Loaded with the first request: the application's start does not wait for it, and only what is needed. */
function connectionsFor({ url }: Target): { http: Http; agent: http.Agent } {
  const name = url.protocol === "https:" ? "node:https" : "node:http";
  const module = process.getBuiltinModule(name) as Http;
  const agent = new module.Agent({ keepAlive: true, maxSockets: 1 });
  return { http: module, agent: Object.assign(agent, { [unmeasured]: true }) };
}

/** What llhttp says of a server that speaks HTTP/2 only is of little help. */
function explained(error: NodeJS.ErrnoException): Error {
  if (error.code !== "HPE_INVALID_CONSTANT") return error;
  return new Error("the answer is no HTTP/1.1 (4317 is the port of gRPC, 4318 that of HTTP)");
}

/** A request that hangs does not keep the application's process alive. */
function inBackground(request: http.ClientRequest): void {
  request.on("socket", (socket) => {
    socket.unref();
  });
}

/** Seconds or an HTTP date (RFC 9110 section 10.2.3); undefined: neither. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/u.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}
