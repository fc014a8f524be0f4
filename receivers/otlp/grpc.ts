/** OTLP/gRPC: opentelemetry.proto.collector.<signal>.v1.<Signal>Service/Export. */
import type { Edge, ReceiverNext, Signal } from "../../src/component.ts";
import { asTelemetryError, type RpcStatus } from "../../src/errors.ts";
import { grpcCode } from "../../src/net/grpc-code.ts";
import { statusOf } from "../../src/net/rpc-status.ts";
import type {
  Authenticate,
  GrpcServerSpec,
  UnaryCall,
  UnaryHandler,
  UnaryReply,
} from "../../src/transport.ts";
import type { GrpcConfig } from "./config.ts";
import { edgeOf, exportRequest } from "./export-request.ts";

const methods: Readonly<Record<Signal, string>> = {
  traces: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
  metrics: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
  logs: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
};

const mebibyte = 2 ** 20;
/** The OTLP specification's recommendation; the Collector's 4 MiB refuses real batches for good. */
const defaultMaxMessageBytes = 64 * mebibyte;

/** grpc-go's, but for connections that nobody uses: they end after an hour, and clients open new ones. */
const defaultKeepalive = {
  server_parameters: {
    max_connection_idle: 3_600_000,
    max_connection_age: 0,
    max_connection_age_grace: 0,
    time: 7_200_000,
    timeout: 20_000,
  },
  enforcement_policy: { min_time: 300_000, permit_without_stream: false },
};

/** A server for the signals that some pipeline takes; the other methods are UNIMPLEMENTED. */
export function grpcServerSpec(
  config: GrpcConfig,
  next: ReceiverNext,
  authenticate: Authenticate | undefined,
): GrpcServerSpec {
  const { server_parameters: server, enforcement_policy: policy } =
    config.keepalive ?? defaultKeepalive;
  const maxMib = config.max_recv_msg_size_mib ?? 0;
  return {
    kind: "grpc",
    endpoint: config.endpoint,
    transport: config.transport,
    tls: config.tls,
    maxMessageBytes: maxMib > 0 ? maxMib * mebibyte : defaultMaxMessageBytes,
    maxConcurrentStreams: config.max_concurrent_streams,
    keepalive: {
      maxConnectionIdleMs: server.max_connection_idle,
      maxConnectionAgeMs: server.max_connection_age,
      maxConnectionAgeGraceMs: server.max_connection_age_grace,
      timeMs: server.time,
      timeoutMs: server.timeout,
      minTimeMs: policy.min_time,
      permitWithoutStream: policy.permit_without_stream,
    },
    authenticate,
    methods: new Map(
      (Object.keys(methods) as Signal[]).flatMap((signal) => {
        const edge = edgeOf(next, signal);
        return edge === undefined
          ? []
          : [[methods[signal], exportHandler(edge, signal, config.include_metadata)] as const];
      }),
    ),
  };
}

const empty = new Uint8Array(0);
const success: UnaryReply = { status: { code: 0, message: "" }, body: empty };

function exportHandler(edge: Edge, signal: Signal, includeMetadata: boolean): UnaryHandler {
  return async (call: UnaryCall) => {
    const context = {
      transport: "grpc",
      receivedMs: call.receivedMs,
      deadlineMs: call.deadlineMs,
      metadata: includeMetadata ? call.metadata : undefined,
    };
    let taken: Promise<void>;
    try {
      taken = exportRequest(edge, signal, call.body, context, () => call.releaseBody());
    } catch (error) {
      return { status: unmarshalStatus(error), body: empty };
    }
    try {
      await taken;
      return success;
    } catch (error) {
      return { status: statusOf(asTelemetryError(error)), body: empty };
    }
  };
}

/** grpc-go answers INTERNAL to what it cannot unmarshal, where OTLP/HTTP answers 400. */
function unmarshalStatus(error: unknown): RpcStatus {
  const cause = asTelemetryError(error);
  if (cause.code !== "MALFORMED_DATA") return statusOf(cause);
  return {
    code: grpcCode.INTERNAL,
    message: `grpc: error unmarshalling request: ${cause.message}`,
  };
}
