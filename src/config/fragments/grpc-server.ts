/** The keys of a gRPC server (configgrpc.ServerConfig). */
import {
  accepted,
  durationWithDefault,
  int,
  optionalSection,
  refused,
  section,
  uint,
  z,
} from "../fields.ts";
import { checkServerEndpoint } from "./server-endpoint.ts";
import { serverTls } from "./tls.ts";

const serverParameters = section({
  max_connection_idle: durationWithDefault("0s").describe(
    "Close a connection without calls after this; 0: never.",
  ),
  max_connection_age: durationWithDefault("0s").describe(
    "Ask clients to reconnect after this (GOAWAY), so that they spread over servers; 0: never.",
  ),
  max_connection_age_grace: durationWithDefault("0s").describe(
    "How long running calls may take after that; 0: for ever.",
  ),
  time: durationWithDefault("2h").describe("Ping a silent client after this."),
  timeout: durationWithDefault("20s").describe(
    "Close the connection when a ping is not answered within this.",
  ),
});

const enforcementPolicy = section({
  min_time: durationWithDefault("5m").describe("Clients that ping more often are disconnected."),
  permit_without_stream: z.boolean().default(false).describe("Allow pings without running calls."),
});

export const keepaliveServer = section({
  server_parameters: serverParameters.prefault({}).describe("Age and liveness of connections."),
  enforcement_policy: enforcementPolicy.prefault({}).describe("What clients may do."),
});

export const serverAuth = section({
  authenticator: z.string().describe("Extension that checks credentials."),
  request_params: accepted(z.array(z.string()), "credentials are read from headers only"),
});

const transports = ["tcp", "tcp4", "tcp6", "unix"] as const;

/** All keys but `endpoint`, whose default is the component's. */
export const grpcServerKeys = {
  transport: z.enum(transports).default("tcp").describe("tcp, or unix with a path as endpoint."),
  tls: optionalSection("none", serverTls).describe("TLS; absent: clear text."),
  max_recv_msg_size_mib: int()
    .optional()
    .describe("Largest message after decompression; absent or 0: 64 (the Collector: 4)."),
  max_concurrent_streams: uint().default(0).describe("Calls at a time on one connection; 0: 256."),
  read_buffer_size: accepted(int(), "Node sizes socket buffers itself"),
  write_buffer_size: accepted(int(), "Node sizes socket buffers itself"),
  keepalive: optionalSection("default", keepaliveServer).describe("Connection age and pings."),
  auth: optionalSection("none", serverAuth).describe("Who may call."),
  include_metadata: z
    .boolean()
    .default(false)
    .describe("Keep the client's metadata beside the data, for batch and exporters."),
  middlewares: refused("server middlewares do not exist in this version"),
};

export const grpcServer = (endpoint: string) =>
  section({
    endpoint: z.string().default(endpoint).describe("Where to listen, host:port."),
    ...grpcServerKeys,
  }).superRefine(checkServerEndpoint);
