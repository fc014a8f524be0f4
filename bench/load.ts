/**
 * Load generator and counting sink in one child process, so that their CPU is not the measured one's. Takes one
 * JSON argument (LoadOptions). Prints {"ready":true} once the sink listens and the requests are prepared; answers
 * each line on its input, a number of requests, with one LoadResult when they were answered and all their items
 * arrived.
 */
import { createInterface } from "node:readline";
import type { Client } from "./client.ts";
import { GrpcClient } from "./grpc-client.ts";
import { HttpClient } from "./http-client.ts";
import { type PreparedRequest, prepare, renew, signalOf } from "./requests.ts";
import type { ShapeName } from "./shapes.ts";
import { grpcPaths, Sink } from "./sink.ts";

export interface LoadOptions {
  readonly shape: ShapeName;
  /** Items a request. */
  readonly size: number;
  /** Distinct resources. */
  readonly resources: number;
  readonly protocol: "grpc" | "http" | "custom";
  readonly compression: "none" | "gzip";
  readonly target: number;
  readonly sinkPort: number | undefined;
  readonly connections: number;
  /** Calls at once on each connection; over HTTP/1.1 so many connections. */
  readonly inFlight: number;
}

export interface LoadResult {
  readonly ackedItems: number;
  readonly failedRequests: number;
  readonly receivedItems: number;
  /** Until all were answered; until all arrived. */
  readonly ackSeconds: number;
  readonly wallSeconds: number;
  /** Of the load generator and its sink. */
  readonly loadCpuSeconds: number;
}

/** Prepared requests; each belongs to one lane, so none changes while it is on its way. */
const poolSize = 64;
const settleMs = 20_000;

interface Lane {
  /** Connects at the first request. */
  client?: Client;
  readonly requests: readonly PreparedRequest[];
  turn: number;
}

class Load {
  readonly #options: LoadOptions;
  readonly #sink = new Sink();
  readonly #lanes: readonly Lane[];
  #serial = 0;

  constructor(options: LoadOptions) {
    this.#options = options;
    const count = options.connections * options.inFlight;
    const requests = Array.from({ length: Math.max(poolSize, options.resources) }, (_, i) =>
      prepare(options, i),
    );
    this.#lanes = Array.from({ length: count }, (_, lane) => ({
      requests: requests.filter((_request, i) => i % count === lane),
      turn: 0,
    }));
  }

  async listen(): Promise<void> {
    const { protocol, sinkPort } = this.#options;
    if (sinkPort === undefined || protocol === "custom") return;
    await this.#sink.listen(protocol, sinkPort);
  }

  async run(count: number): Promise<LoadResult> {
    const clients = this.#lanes[0]?.client === undefined ? clientsOf(this.#options) : [];
    for (const [i, lane] of this.#lanes.entries()) lane.client ??= clients[i % clients.length]!;
    const cpuBefore = process.cpuUsage();
    const receivedBefore = this.#sink.receivedItems;
    const startMs = performance.now();
    let left = count;
    let ackedItems = 0;
    let failedRequests = 0;
    const drive = async (lane: Lane) => {
      while (left-- > 0) {
        const request = lane.requests[lane.turn++ % lane.requests.length]!;
        renew(request, this.#serial++);
        if (await lane.client!.send(request.bytes)) ackedItems += request.items;
        else failedRequests++;
      }
    };
    await Promise.all(this.#lanes.map(drive));
    const ackSeconds = (performance.now() - startMs) / 1000;
    await this.#settle(receivedBefore + ackedItems);
    const { user, system } = process.cpuUsage(cpuBefore);
    return {
      ackedItems,
      failedRequests,
      receivedItems: this.#sink.receivedItems - receivedBefore,
      ackSeconds,
      wallSeconds: (performance.now() - startMs) / 1000,
      loadCpuSeconds: (user + system) / 1e6,
    };
  }

  async #settle(expectedItems: number): Promise<void> {
    if (this.#options.sinkPort === undefined) return;
    const deadline = performance.now() + settleMs;
    while (this.#sink.receivedItems < expectedItems && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function clientsOf(options: LoadOptions): Client[] {
  const { protocol, target, connections, inFlight } = options;
  if (protocol !== "grpc") {
    return Array.from({ length: connections * inFlight }, () => new HttpClient(target));
  }
  const path = grpcPaths[signalOf(options)];
  const gzip = options.compression === "gzip";
  return Array.from({ length: connections }, () => new GrpcClient(target, path, gzip));
}

async function main(options: LoadOptions): Promise<void> {
  const load = new Load(options);
  await load.listen();
  process.stdout.write('{"ready":true}\n');
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await load.run(Number(line)))}\n`);
  }
  process.exit(0);
}

await main(JSON.parse(process.argv[2]!) as LoadOptions);
