import { Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { countItems } from "../../src/pdata/count.ts";
import type { Signal } from "../../src/pdata/payload.ts";

const services: Readonly<Record<Signal, string>> = {
  traces: "opentelemetry.proto.collector.trace.v1.TraceService",
  metrics: "opentelemetry.proto.collector.metrics.v1.MetricsService",
  logs: "opentelemetry.proto.collector.logs.v1.LogsService",
};

/** What a scripted backend answers; undefined: success. */
export type Answer = { code: number; message: string } | undefined;

/** An OTLP backend on a gRPC stack that is not ours (grpc-js). */
export class GrpcSink {
  readonly received: { signal: Signal; body: Buffer }[] = [];
  answer: () => Answer = () => undefined;
  /** Items of every accepted export. */
  items = 0;
  /** Set to false where only the count matters: long runs would fill the memory. */
  keepBodies = true;
  port = 0;
  readonly #server = new Server({ "grpc.max_receive_message_length": -1 });

  static async start(port = 0): Promise<GrpcSink> {
    const sink = new GrpcSink();
    for (const signal of ["traces", "metrics", "logs"] as const) sink.#add(signal);
    sink.port = await new Promise((resolve, reject) => {
      sink.#server.bindAsync(
        `127.0.0.1:${port}`,
        ServerCredentials.createInsecure(),
        (error, bound) => (error === null ? resolve(bound) : reject(error)),
      );
    });
    return sink;
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #add(signal: Signal): void {
    const identity = (value: Buffer) => value;
    const definition: ServiceDefinition = {
      Export: {
        path: `/${services[signal]}/Export`,
        requestStream: false,
        responseStream: false,
        requestSerialize: identity,
        requestDeserialize: identity,
        responseSerialize: identity,
        responseDeserialize: identity,
      },
    };
    this.#server.addService(definition, {
      Export: (
        call: { request: Buffer },
        callback: (error: object | null, value?: Buffer) => void,
      ) => {
        const answer = this.answer();
        if (answer !== undefined) return callback({ code: answer.code, details: answer.message });
        this.items += countItems(signal, call.request);
        if (this.keepBodies) this.received.push({ signal, body: call.request });
        callback(null, Buffer.alloc(0));
      },
    });
  }
}
