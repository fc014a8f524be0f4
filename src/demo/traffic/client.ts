/** The users' side of HTTP: sends, and knows for certain what became of a request. */
import { Agent, request as open } from "node:http";
import type { Clock, Timer } from "../../clock.ts";
import { type Fault, faultHeader } from "../faults.ts";

export interface Sent {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** As the app's metrics call it; undefined: no such route. */
  readonly route: string | undefined;
  readonly body?: unknown;
  readonly fault?: Fault | undefined;
  /** The client goes away so long after the request was written, unless the response was there before. */
  readonly abortAfterMs?: number | undefined;
}

export type Result =
  | { readonly kind: "answered"; readonly status: number; readonly bytes: number }
  | { readonly kind: "aborted" }
  | { readonly kind: "failed"; readonly reason: string };

/** More than the slowest answer of the language model with its retries. */
const timeoutMs = 180_000;

export class Client {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #port: number;
  readonly #clock: Clock;

  constructor(port: number, clock: Clock) {
    this.#port = port;
    this.#clock = clock;
  }

  /** Never rejects. */
  send({ method, path, body, fault, abortAfterMs }: Sent): Promise<Result> {
    const text = body === undefined ? "" : JSON.stringify(body);
    return new Promise((resolve) => {
      const request = open({
        agent: this.#agent,
        host: "127.0.0.1",
        port: this.#port,
        method,
        path,
        headers: {
          ...(text === "" ? {} : { "content-type": "application/json" }),
          "content-length": Buffer.byteLength(text),
          ...(fault === undefined ? {} : { [faultHeader]: fault }),
        },
      });
      const deadline = this.#clock.after(timeoutMs, () => request.destroy(new Error("timeout")));
      let isAborted = false;
      let abort: Timer | undefined;
      const settle = (result: Result) => {
        deadline.cancel();
        abort?.cancel();
        resolve(isAborted && result.kind === "failed" ? { kind: "aborted" } : result);
      };
      const fail = (error: Error) => settle({ kind: "failed", reason: error.message });
      if (abortAfterMs !== undefined) {
        // Only then has the app certainly something to count.
        request.once("finish", () => {
          abort = this.#clock.after(abortAfterMs, () => {
            isAborted = true;
            request.destroy();
          });
        });
      }
      request.on("error", fail);
      request.on("response", (response) => {
        let bytes = 0;
        response.on("data", (chunk: Buffer) => (bytes += chunk.length));
        response.on("error", fail);
        response.on("end", () => settle({ kind: "answered", status: response.statusCode!, bytes }));
      });
      request.end(text);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
