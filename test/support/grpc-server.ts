/** A gRPC server of ours with a handler of the test, and clients that speak to it. */
import {
  type ClientHttp2Session,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { type Clock, systemClock } from "../../src/clock.ts";
import type { Budget } from "../../src/component.ts";
import { type Logger, silentLogger } from "../../src/log.ts";
import { Listeners } from "../../src/net/listeners.ts";
import type { GrpcServerSpec, Listener, UnaryCall, UnaryReply } from "../../src/transport.ts";
import { testBudget } from "./settings.ts";

export const path = "/test.Service/Method";
const empty = new Uint8Array(0);
export const success: UnaryReply = { status: { code: 0, message: "" }, body: empty };
const mebibyte = 2 ** 20;

export const keepalive: GrpcServerSpec["keepalive"] = {
  maxConnectionIdleMs: 0,
  maxConnectionAgeMs: 0,
  maxConnectionAgeGraceMs: 0,
  timeMs: 7_200_000,
  timeoutMs: 20_000,
  minTimeMs: 300_000,
  permitWithoutStream: false,
};

interface ServerOptions {
  readonly spec?: Partial<GrpcServerSpec>;
  readonly handler?: (call: UnaryCall) => Promise<UnaryReply>;
  readonly budgetBytes?: number;
  readonly clock?: Clock;
  readonly log?: Logger;
}

export interface TestServer {
  readonly listener: Listener;
  readonly port: number;
  readonly budget: Budget;
  /** Bodies that reached the handler. */
  readonly bodies: Buffer[];
  close(abort?: AbortSignal): Promise<void>;
}

export async function startGrpcServer(options: ServerOptions = {}): Promise<TestServer> {
  const budget = testBudget(options.budgetBytes);
  const { clock = systemClock, log = silentLogger } = options;
  const bodies: Buffer[] = [];
  const listeners = new Listeners({ clock, log, budget });
  const id = { kind: "receiver", type: "test", text: "test" } as const;
  const listener = await listeners.listen(id, {
    kind: "grpc",
    endpoint: "127.0.0.1:0",
    transport: "tcp",
    maxMessageBytes: 64 * mebibyte,
    maxConcurrentStreams: 0,
    keepalive,
    methods: new Map([
      [
        path,
        (call) => {
          bodies.push(Buffer.from(call.body));
          return options.handler?.(call) ?? Promise.resolve(success);
        },
      ],
    ]),
    ...options.spec,
  });
  return {
    listener,
    port: Number(listener.addresses[0]?.split(":").at(-1)),
    budget,
    bodies,
    close: (abort = AbortSignal.abort()) => listener.close(abort),
  };
}

/** Resolves once the condition holds; events of the kernel have no promise of their own. */
export async function eventually(condition: () => boolean, withinMs = 10_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${withinMs} ms: ${String(condition)}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A message behind its prefix. */
export function framed(message: Uint8Array | string, flag = 0): Buffer {
  const body = Buffer.from(message as string);
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

export interface H2Answer {
  readonly headers: IncomingHttpHeaders;
  /** Of the headers or the trailers. */
  readonly code: number | undefined;
  readonly message: string | undefined;
  readonly body: Buffer;
  readonly resetCode: number;
}

/** A connection of node:http2: any headers, any bytes. */
export class H2Client {
  readonly session: ClientHttp2Session;

  constructor(port: number) {
    this.session = connect(`http://127.0.0.1:${port}`);
    this.session.on("error", () => {});
  }

  /** Sends chunks as one call; `end` false leaves it half-sent. */
  call(
    chunks: readonly Uint8Array[],
    headers: OutgoingHttpHeaders = {},
    end = true,
  ): Promise<H2Answer> {
    const stream = this.session.request(
      {
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      },
      { endStream: false },
    );
    for (const chunk of chunks) stream.write(chunk);
    if (end) stream.end();
    return new Promise((resolve) => {
      let first: IncomingHttpHeaders = {};
      let trailers: IncomingHttpHeaders = {};
      const body: Buffer[] = [];
      stream.on("response", (h) => (first = h));
      stream.on("trailers", (h) => (trailers = h));
      stream.on("data", (chunk: Buffer) => body.push(chunk));
      stream.on("error", () => {});
      stream.on("close", () => {
        const all = { ...first, ...trailers };
        const status = all["grpc-status"] as string | undefined;
        resolve({
          headers: all,
          code: status === undefined ? undefined : Number(status),
          message: all["grpc-message"] as string | undefined,
          body: Buffer.concat(body),
          resetCode: stream.rstCode,
        });
      });
    });
  }

  close(): void {
    this.session.destroy();
  }
}

const same = (bytes: Buffer) => bytes;

/** The foreign client. */
export function grpcJsClient(address: string, options: Record<string, unknown> = {}): Client {
  return new Client(address, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
    // Each client its own connection.
    "grpc.use_local_subchannel_pool": 1,
    ...options,
  });
}

export interface GrpcJsAnswer {
  readonly error: ServiceError | null;
  readonly body: Buffer | undefined;
}

export function grpcJsCall(
  client: Client,
  body: Uint8Array,
  {
    method = path,
    metadata = new Metadata(),
    deadline = Date.now() + 30_000,
    started,
  }: {
    method?: string;
    metadata?: Metadata;
    deadline?: number;
    /** Gets the way to cancel. */
    started?: (cancel: () => void) => void;
  } = {},
): Promise<GrpcJsAnswer> {
  return new Promise((resolve) => {
    const call = client.makeUnaryRequest<Buffer, Buffer>(
      method,
      same,
      same,
      Buffer.from(body),
      metadata,
      { deadline },
      (error, value) => resolve({ error, body: value }),
    );
    started?.(() => call.cancel());
  });
}
