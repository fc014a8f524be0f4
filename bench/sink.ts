/** The backend of the benches: counts the items of what it receives, over OTLP/gRPC or OTLP/HTTP. */
import { createServer } from "node:http";
import { gunzip } from "node:zlib";
import { countItems } from "../src/pdata/count.ts";
import type { Signal } from "../src/pdata/payload.ts";
import type { UnaryCall } from "../src/transport.ts";
import { listenGrpc, okReply } from "./grpc-server.ts";

export const grpcPaths: Readonly<Record<Signal, string>> = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
};

export class Sink {
  receivedItems = 0;

  count(signal: Signal, body: Uint8Array): void {
    this.receivedItems += countItems(signal, body);
  }

  async listen(protocol: "grpc" | "http", port: number): Promise<void> {
    await (protocol === "grpc" ? this.#listenGrpc(port) : this.#listenHttp(port));
  }

  async #listenGrpc(port: number): Promise<void> {
    const method = (signal: Signal) => (call: UnaryCall) => {
      this.count(signal, call.body);
      call.releaseBody();
      return Promise.resolve(okReply);
    };
    const methods = Object.entries(grpcPaths).map(
      ([signal, path]) => [path, method(signal as Signal)] as const,
    );
    await listenGrpc(`127.0.0.1:${port}`, new Map(methods));
  }

  #listenHttp(port: number): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = Buffer.concat(chunks);
        const signal = request.url!.slice("/v1/".length) as Signal;
        const answer = (message: Uint8Array) => {
          this.count(signal, message);
          response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
        };
        if (request.headers["content-encoding"] !== "gzip") return answer(body);
        gunzip(body, (error, message) => (error ? response.destroy() : answer(message)));
      });
    });
    return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve()));
  }
}
