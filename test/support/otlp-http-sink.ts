/** An OTLP/HTTP service as its clients see it: keeps what it takes, and answers as told. */
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { createServer as createTlsServer, type ServerOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { type Point, pointsOf } from "./instrument-points.ts";

export interface Taken {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** A status with headers, or no answer at all. */
export type SinkReply =
  | { readonly status: number; readonly headers?: Record<string, string> }
  | "hang";

export class OtlpHttpSink {
  readonly taken: Taken[] = [];
  requests = 0;
  connections = 0;
  reply: () => SinkReply = () => ({ status: 200 });
  readonly #server: Server;
  readonly #waiting = new Set<() => void>();

  readonly #scheme: string;

  private constructor(server: Server, scheme: string) {
    this.#server = server;
    this.#scheme = scheme;
  }

  static async start(tls?: ServerOptions): Promise<OtlpHttpSink> {
    const server = tls === undefined ? createServer() : createTlsServer(tls);
    const sink = new OtlpHttpSink(server, tls === undefined ? "http" : "https");
    server.on("connection", () => {
      sink.connections++;
    });
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const reply = sink.reply();
        const raw = Buffer.concat(chunks);
        const body = request.headers["content-encoding"] === "gzip" ? gunzipSync(raw) : raw;
        if (reply !== "hang" && reply.status === 200) {
          sink.taken.push({ path: request.url!, headers: request.headers, body });
        }
        if (reply !== "hang") response.writeHead(reply.status, reply.headers).end();
        sink.requests++;
        for (const wake of sink.#waiting) wake();
        sink.#waiting.clear();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return sink;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  points(): Point[] {
    return this.taken.flatMap(({ body }) => pointsOf(body));
  }

  /** Values of a metric's points, in the order of arrival. */
  values(metric: string): (number | undefined)[] {
    return this.points()
      .filter((point) => point.metric === metric)
      .map(({ value }) => value);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
