/** The keys of a gRPC client (configgrpc.ClientConfig). */
import {
  accepted,
  durationWithDefault,
  int,
  optionalSection,
  refused,
  section,
  z,
} from "../fields.ts";
import { clientAuth, clientHeaders } from "./client-headers.ts";
import { parseGrpcEndpoint } from "./grpc-endpoint.ts";
import { clientTls } from "./tls.ts";

const keepalive = section({
  time: durationWithDefault("10s").describe("Ping after this long without a sign of life."),
  timeout: durationWithDefault("10s").describe("Give the connection up without an answer."),
  permit_without_stream: z
    .boolean()
    .default(false)
    .describe("Ping also while no request is under way."),
});

const quoted = (value: unknown) => JSON.stringify(value);

export const grpcClientKeys = {
  endpoint: z
    .string()
    .default("")
    .describe("`host:port` of the backend; also `https://`, `dns:///`, `unix://`."),
  compression: z
    .enum(["gzip", "snappy", "zstd", "none", ""], {
      error: (issue) => `unsupported compression type ${quoted(issue.input)}`,
    })
    .default("gzip")
    .describe("Compression of requests: gzip, snappy, zstd or none."),
  tls: clientTls.prefault({}).describe("TLS to the backend; on unless `insecure`."),
  keepalive: optionalSection("default", keepalive).describe(
    "Pings that find dead connections; off unless named.",
  ),
  read_buffer_size: accepted(int(), "Node sizes socket buffers itself"),
  write_buffer_size: accepted(int(), "Node sizes socket buffers itself"),
  wait_for_ready: z
    .boolean()
    .default(false)
    .describe("Wait for a connection until `timeout` instead of failing at once."),
  headers: clientHeaders().describe(
    "Metadata sent with every request: a map, or a list of name and value.",
  ),
  user_agent: z.string().default("").describe("Replaces the service's own user-agent."),
  balancer_name: z
    .enum(["round_robin", "pick_first"], {
      error: (issue) => `invalid balancer_name: ${String(issue.input)}`,
    })
    .default("round_robin")
    .describe("Use all addresses of the endpoint in turn, or the first that works."),
  authority: z
    .string()
    .default("")
    .describe("Replaces the `:authority` header and the name that the certificate must carry."),
  auth: clientAuth().describe("Extension that adds credentials."),
  middlewares: refused("extensions that intercept clients do not exist in this version"),
};

const schema = section(grpcClientKeys);
export type GrpcClientConfig = z.output<typeof schema>;

/** What is wrong with the endpoint in the Collector's words, or undefined. */
export function endpointProblem(endpoint: string): string | undefined {
  const parsed = parseGrpcEndpoint(endpoint);
  return typeof parsed === "string" ? parsed : undefined;
}
