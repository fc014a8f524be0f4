/** The HTTP server under test on a free port, and a client that writes bytes as they are. */
import { connect, type Socket } from "node:net";
import type { Budget } from "../../src/component.ts";
import { silentLogger } from "../../src/log.ts";
import { HttpServer } from "../../src/net/http-server.ts";
import type { ServerDeps } from "../../src/net/net-server.ts";
import type { HttpHandler, HttpServerSpec } from "../../src/transport.ts";
import { FakeClock } from "./fake-clock.ts";
import { httpSpec } from "./http-listen.ts";
import { testBudget } from "./settings.ts";

export interface HttpServerOptions {
  readonly spec?: Partial<HttpServerSpec>;
  readonly deps?: Partial<ServerDeps>;
  /** Of the path `/`; the default answers with the body. */
  readonly handler?: HttpHandler;
  /** A socket's path instead of a port. */
  readonly path?: string;
}

export interface RunningHttpServer {
  readonly server: HttpServer;
  readonly spec: HttpServerSpec;
  readonly clock: FakeClock;
  readonly budget: Budget;
  /** `host:port` or the path. */
  readonly address: string;
  readonly port: number;
  connect(): Promise<RawClient>;
  close(): Promise<void>;
}

export const echo: HttpHandler = async (exchange) => {
  try {
    exchange.respond(200, { "content-type": "text/plain" }, await exchange.body());
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    const status = code === "TOO_LARGE" ? 413 : code === "BUDGET_FULL" ? 503 : 400;
    exchange.respond(status, { "content-type": "text/plain" }, message);
  }
};

export const allCodings = [
  "",
  "gzip",
  "zstd",
  "zlib",
  "snappy",
  "deflate",
  "lz4",
  "x-snappy-framed",
];

export async function startHttpServer(options: HttpServerOptions = {}): Promise<RunningHttpServer> {
  const clock = new FakeClock();
  const budget = options.deps?.budget ?? testBudget();
  const spec: HttpServerSpec = {
    ...httpSpec("127.0.0.1:0", new Map([["/", options.handler ?? echo]])),
    compressionAlgorithms: allCodings,
    ...options.spec,
  };
  const server = new HttpServer(spec, { clock, log: silentLogger, ...options.deps, budget });
  server.addRoutes(spec);
  const { path } = options;
  const address = await server.bind(path === undefined ? { host: "127.0.0.1", port: 0 } : { path });
  const port = Number(address.split(":")[1]);
  return {
    server,
    spec,
    clock,
    budget,
    address,
    port,
    connect: () => RawClient.open(path === undefined ? { port } : { path }),
    close: () => server.close(AbortSignal.abort()),
  };
}

export interface RawResponse {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly bytes: Buffer;
}

export class RawClient {
  readonly socket: Socket;
  /** Resolves when the connection is over; a reset is no error. */
  readonly closed: Promise<void>;
  #chunks: Buffer[] = [];
  #hasEnded = false;
  #wake: (() => void) | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.#chunks.push(chunk);
      this.#wake?.();
    });
    socket.on("error", () => {});
    socket.on("end", () => this.#finish());
    this.closed = new Promise((resolve) => {
      socket.on("close", () => {
        this.#finish();
        resolve();
      });
    });
  }

  static open(target: { port: number } | { path: string }): Promise<RawClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", ...target }, () => {
        socket.off("error", reject);
        resolve(new RawClient(socket));
      });
      socket.once("error", reject);
    });
  }

  send(...parts: (string | Uint8Array)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }

  /** A POST with a body and its length. */
  post(
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
    path = "/",
  ): this {
    const length = Buffer.byteLength(body);
    return this.send(head("POST", path, { "content-length": String(length), ...headers }), body);
  }

  /** The next response; undefined: the connection ended without one. */
  async response(): Promise<RawResponse | undefined> {
    for (;;) {
      const received = this.#received;
      const parsed = parseResponse(received);
      if (parsed !== undefined) {
        this.#chunks = [received.subarray(parsed.length)];
        return parsed.response;
      }
      if (this.#hasEnded) return undefined;
      await this.#more();
    }
  }

  async status(): Promise<number | undefined> {
    return (await this.response())?.status;
  }

  /** Waits until the received text contains something. */
  async received(text: string): Promise<string> {
    while (!this.#received.includes(text)) {
      if (this.#hasEnded) throw new Error(`ended with: ${this.#received.toString()}`);
      await this.#more();
    }
    return this.#received.toString();
  }

  /** What is left of the received text when the connection is over. */
  async rest(): Promise<string> {
    await this.closed;
    return this.#received.toString();
  }

  get #received(): Buffer {
    const all = Buffer.concat(this.#chunks);
    this.#chunks = [all];
    return all;
  }

  destroy(): void {
    this.socket.destroy();
  }

  #finish(): void {
    this.#hasEnded = true;
    this.#wake?.();
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

/** A request's head. */
export function head(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const lines = Object.entries({ host: "test", ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return [`${method} ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

/** One chunk of a chunked body; empty: the last. */
export const chunk = (data: string | Uint8Array) =>
  Buffer.concat([
    Buffer.from(`${Buffer.byteLength(data).toString(16)}\r\n`),
    Buffer.from(data as string),
    Buffer.from("\r\n"),
  ]);

function parseResponse(bytes: Buffer): { response: RawResponse; length: number } | undefined {
  const headEnd = bytes.indexOf("\r\n\r\n");
  if (headEnd < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, headEnd).split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const start = headEnd + 4;
  const end = start + Number(headers["content-length"] ?? 0);
  if (bytes.length < end) return undefined;
  const response = {
    status: Number(first.split(" ")[1]),
    headers,
    body: bytes.toString("utf8", start, end),
    bytes: bytes.subarray(start, end),
  };
  return { response, length: end };
}
