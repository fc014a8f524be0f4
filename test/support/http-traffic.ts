/** A measured server and clients for it: what was sent is compared with what was counted. */
import { Agent, createServer, request as open, type RequestListener, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { HttpServerMetrics } from "../../src/instrument/http/server.ts";
import type { HttpOptions } from "../../src/instrument/types.ts";
import { Bench, type Point } from "./instrument-points.ts";

/** A request, with what is to be counted for it. */
export interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Undefined: no route. */
  readonly route: string | undefined;
  readonly status: number;
  readonly errorType?: string;
}

const inFlight = 16;

export class Traffic implements AsyncDisposable {
  readonly bench: Bench;
  readonly metrics: HttpServerMetrics;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  #server: Server | undefined;
  #port = 0;
  #isEnded = false;
  /** One for each connection, when its listeners were told of its end. */
  readonly #connectionEnds: Promise<void>[] = [];

  /** Measuring begins; frameworks are made after it. */
  constructor(options: HttpOptions = {}, bench = new Bench()) {
    this.bench = bench;
    this.metrics = new HttpServerMetrics(bench.meter, options, bench.problems);
  }

  listen(handler: RequestListener): Promise<void> {
    return this.serve(createServer(handler));
  }

  async serve(server: Server): Promise<void> {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      this.#connectionEnds.push(
        new Promise((resolve) => socket.on("close", () => setImmediate(resolve))),
      );
    });
    if (!server.listening) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    this.#port = (server.address() as AddressInfo).port;
  }

  get server(): Server {
    return this.#server!;
  }

  /** Resolves with the status when the answer was read to its end. */
  send({ method = "GET", path, headers = {}, body }: Omit<Sent, "route" | "status">) {
    return new Promise<number>((resolve, reject) => {
      const options = { port: this.#port, host: "127.0.0.1", agent: this.#agent };
      const request = open({ ...options, method, path, headers }, (response) => {
        response.on("end", () => resolve(response.statusCode!)).resume();
      });
      request.on("error", reject).end(body);
    });
  }

  /** Sends all, some at the same time; returns the statuses in the order of the requests. */
  async sendAll(all: readonly Sent[]): Promise<number[]> {
    const statuses: number[] = [];
    let next = 0;
    const worker = async () => {
      while (next < all.length) {
        const i = next++;
        statuses[i] = await this.send(all[i]!);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
    return statuses;
  }

  /** A connection that is written to by hand. */
  connect(text: string): Socket {
    const socket = connect(this.#port, "127.0.0.1");
    socket.on("error", () => {}).resume();
    socket.write(text);
    return socket;
  }

  /** Ends the server and its connections, and reads what was counted. */
  async end(): Promise<Point[]> {
    this.#agent.destroy();
    this.#isEnded = true;
    if (this.#server?.listening) {
      const closed = new Promise((resolve) => this.#server!.close(resolve));
      this.#server.closeAllConnections();
      await closed;
    }
    await Promise.all(this.#connectionEnds);
    return this.bench.collect();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isEnded) await this.end();
    this.metrics[Symbol.dispose]();
  }
}

export const named = (points: readonly Point[], metric: string): Point[] =>
  points.filter((point) => point.metric === metric);
export const durations = (points: readonly Point[]): Point[] =>
  named(points, "http.server.request.duration");
export const active = (points: readonly Point[]): number =>
  named(points, "http.server.active_requests").reduce((sum, { value }) => sum + (value ?? 0), 0);
export const counted = (points: readonly Point[]): number =>
  points.reduce((sum, { count }) => sum + (count ?? 0), 0);

const byKey = (lines: readonly [string, number][]): Record<string, number> =>
  Object.fromEntries(lines.toSorted(([a], [b]) => (a < b ? -1 : 1)));

const line = (method: unknown, route: unknown, status: unknown, errorType: unknown) =>
  [method, route ?? "(none)", status ?? "(none)", errorType ?? "-"].join(" ");

/** `GET /repos/:id 200 -` and how often: what was counted … */
export function linesOf(points: readonly Point[]): Record<string, number> {
  const lines = durations(points).map(({ attributes: a, count }): [string, number] => [
    line(
      a["http.request.method"],
      a["http.route"],
      a["http.response.status_code"],
      a["error.type"],
    ),
    count!,
  ]);
  return byKey(lines);
}

/** … and what is to be counted. */
export function expectedLines(sent: readonly Sent[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const { method = "GET", route, status, errorType } of sent) {
    const key = line(method, route, status, errorType ?? (status >= 500 ? status : undefined));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return byKey([...counts]);
}

/** So many requests, each kind about as often, in an order that looks random. */
export function mixed(kinds: readonly Sent[], count: number): Sent[] {
  let state = 1;
  const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
  return Array.from({ length: count }, (_, i) => ({
    order: random(),
    kind: kinds[i % kinds.length]!,
  }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ kind }) => kind);
}
