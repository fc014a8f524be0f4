import type { AddressInfo } from "node:net";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
} from "@grpc/grpc-js";

/** What a foreign gRPC server answers; `code` 0 sends the body. */
export interface GrpcAnswer {
  readonly code?: number;
  readonly message?: string;
  readonly body?: Uint8Array;
  readonly trailers?: Readonly<Record<string, string | Buffer>>;
}

export interface SeenCall {
  readonly path: string;
  readonly metadata: Metadata;
  readonly body: Buffer;
  readonly deadline: Date | number;
}

export interface GrpcBackend {
  readonly port: number;
  readonly calls: SeenCall[];
  close(): Promise<void>;
}

const same = (bytes: Buffer) => bytes;
const signals = ["trace", "metrics", "logs"];
const serviceOf = (signal: string) =>
  `opentelemetry.proto.collector.${signal}.v1.${signal[0]!.toUpperCase()}${signal.slice(1)}Service`;

interface BackendOptions {
  readonly credentials?: ServerCredentials;
  readonly address?: string;
  readonly maxMessageBytes?: number;
}

/** A `@grpc/grpc-js` server with the three OTLP services over raw buffers. */
export async function startGrpcBackend(
  answer: (call: SeenCall) => GrpcAnswer | Promise<GrpcAnswer>,
  options: BackendOptions = {},
): Promise<GrpcBackend> {
  const server = new Server({
    "grpc.max_receive_message_length": options.maxMessageBytes ?? -1,
  });
  const calls: SeenCall[] = [];
  for (const signal of signals) {
    const path = `/${serviceOf(signal)}/Export`;
    const method = {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    };
    const handler = async (
      call: ServerUnaryCall<Buffer, Buffer>,
      callback: sendUnaryData<Buffer>,
    ) => {
      const seen = {
        path,
        metadata: call.metadata,
        body: call.request,
        deadline: call.getDeadline(),
      };
      calls.push(seen);
      const { code = 0, message = "", body, trailers = {} } = await answer(seen);
      const metadata = new Metadata();
      for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
      if (code === 0) callback(null, Buffer.from(body ?? new Uint8Array(0)), metadata);
      else callback({ code, details: message, metadata });
    };
    server.addService(
      { Export: method },
      {
        Export: (call: ServerUnaryCall<Buffer, Buffer>, done: sendUnaryData<Buffer>) =>
          void handler(call, done),
      },
    );
  }
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(
      options.address ?? "127.0.0.1:0",
      options.credentials ?? ServerCredentials.createInsecure(),
      (error, bound) => (error ? reject(error) : resolve(bound)),
    );
  });
  return {
    port,
    calls,
    close: () => {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

/** The port of a listening server. */
export function portOf(server: { address(): AddressInfo | string | null }): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP server");
  return address.port;
}
