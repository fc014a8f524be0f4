/**
 * Load generator and counting sink in one child process, so that their CPU is not the measured one's.
 * Takes one JSON argument (LoadOptions), prints one JSON line (LoadResult) when all requests were answered and
 * the sink is quiet. Prints {"ready":true} first, once the sink listens.
 */
import { Agent, createServer as createHttpServer, request as httpRequest } from "node:http";
import { type ClientHttp2Session, connect, createServer } from "node:http2";
import { gunzipSync, gzipSync } from "node:zlib";
import { countItems } from "../src/pdata/count.ts";
import type { Signal } from "../src/pdata/payload.ts";
import { type ShapeName, shapes } from "./shapes.ts";

export interface LoadOptions {
  readonly shape: ShapeName;
  /** Items a request. */
  readonly size: number;
  readonly protocol: "grpc" | "http";
  readonly compression: "none" | "gzip";
  readonly target: number;
  readonly sinkPort: number | undefined;
  readonly requests: number;
  readonly connections: number;
  readonly inFlight: number;
}

export interface LoadResult {
  readonly ackedItems: number;
  readonly failedRequests: number;
  readonly receivedItems: number;
  readonly wallSeconds: number;
}

const paths: Readonly<Record<Signal, string>> = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
};
const signalOfPath = new Map(
  Object.entries(paths).map(([signal, path]) => [path, signal as Signal]),
);

/** Distinct requests that are sent round robin; enough that no cache of a request helps. */
const poolSize = 64;

class Sink {
  receivedItems = 0;
  lastMs = performance.now();

  count(signal: Signal, body: Uint8Array): void {
    this.receivedItems += countItems(signal, body);
    this.lastMs = performance.now();
  }
}

function grpcSink(sink: Sink, port: number): Promise<void> {
  const server = createServer({
    settings: { initialWindowSize: 8 << 20, maxConcurrentStreams: 1000 },
    maxSessionMemory: 1000,
  });
  server.on("session", (session) => session.setLocalWindowSize(64 << 20));
  server.on("stream", (stream, headers) => {
    const chunks: Buffer[] = [];
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("end", () => {
      const body = Buffer.concat(chunks);
      const message = body.subarray(5);
      sink.count(
        signalOfPath.get(headers[":path"]!)!,
        body[0] === 1 ? gunzipSync(message) : message,
      );
      stream.respond(
        { ":status": 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.from([0, 0, 0, 0, 0]));
    });
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
}

function httpSink(sink: Sink, port: number): Promise<void> {
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks);
      const signal = request.url!.slice("/v1/".length) as Signal;
      sink.count(signal, request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body);
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
}

function grpcSender(options: LoadOptions, signal: Signal): (body: Buffer) => Promise<boolean> {
  const sessions: ClientHttp2Session[] = Array.from({ length: options.connections }, () =>
    connect(`http://127.0.0.1:${options.target}`),
  );
  const headers = {
    ":method": "POST",
    ":path": paths[signal],
    "content-type": "application/grpc",
    te: "trailers",
    ...(options.compression === "gzip" ? { "grpc-encoding": "gzip" } : {}),
  };
  let turn = 0;
  return (body) =>
    new Promise((resolve) => {
      const stream = sessions[turn++ % sessions.length]!.request(headers);
      let status = "";
      const note = (h: object) => {
        status = (h as Record<string, string>)["grpc-status"] ?? status;
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("error", () => resolve(false));
      stream.on("close", () => resolve(status === "0"));
      stream.resume();
      stream.end(body);
    });
}

function httpSender(options: LoadOptions, signal: Signal): (body: Buffer) => Promise<boolean> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections * options.inFlight });
  const headers = {
    "content-type": "application/x-protobuf",
    ...(options.compression === "gzip" ? { "content-encoding": "gzip" } : {}),
  };
  return (body) =>
    new Promise((resolve) => {
      const request = httpRequest(
        {
          host: "127.0.0.1",
          port: options.target,
          path: `/v1/${signal}`,
          method: "POST",
          agent,
          headers: { ...headers, "content-length": body.length },
        },
        (response) => {
          response.resume();
          response.on("end", () => resolve(response.statusCode === 200));
        },
      );
      request.on("error", () => resolve(false));
      request.end(body);
    });
}

function frame(message: Uint8Array, options: LoadOptions): Buffer {
  const body =
    options.compression === "gzip" ? gzipSync(message, { level: 6 }) : Buffer.from(message);
  if (options.protocol === "http") return body;
  const prefix = Buffer.from([options.compression === "gzip" ? 1 : 0, 0, 0, 0, 0]);
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

async function main(options: LoadOptions): Promise<LoadResult> {
  const { signal, make } = shapes[options.shape];
  const pool = Array.from({ length: poolSize }, (_, i) => frame(make(i, options.size), options));
  const itemsPerRequest = countItems(signal, make(0, options.size));
  const sink = new Sink();
  if (options.sinkPort !== undefined)
    await (options.protocol === "grpc" ? grpcSink : httpSink)(sink, options.sinkPort);
  process.stdout.write('{"ready":true}\n');
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const send = (options.protocol === "grpc" ? grpcSender : httpSender)(options, signal);
  const startMs = performance.now();
  let sent = 0;
  let acked = 0;
  let failed = 0;
  const sender = async () => {
    while (sent < options.requests) {
      const ok = await send(pool[sent++ % poolSize]!);
      if (ok) acked++;
      else failed++;
    }
  };
  await Promise.all(Array.from({ length: options.connections * options.inFlight }, sender));
  const ackedItems = acked * itemsPerRequest;
  const deadline = performance.now() + 20_000;
  while (
    options.sinkPort !== undefined &&
    sink.receivedItems < ackedItems &&
    performance.now() < deadline
  ) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    ackedItems,
    failedRequests: failed,
    receivedItems: sink.receivedItems,
    wallSeconds: (performance.now() - startMs) / 1000,
  };
}

process.stdout.write(
  `${JSON.stringify(await main(JSON.parse(process.argv[2]!) as LoadOptions))}\n`,
);
process.exit(0);
