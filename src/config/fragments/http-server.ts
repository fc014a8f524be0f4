/** The keys of an HTTP server (confighttp.ServerConfig). */
import { durationWithDefault, int, optionalSection, refused, section, z } from "../fields.ts";
import { serverAuth } from "./grpc-server.ts";
import { checkServerEndpoint } from "./server-endpoint.ts";
import { serverTls } from "./tls.ts";

export const cors = section({
  allowed_origins: z
    .array(z.string())
    .default([])
    .describe("Origins that browsers may send from; * matches any part."),
  allowed_headers: z
    .array(z.string())
    .default([])
    .describe("Headers that browsers may send beside the safelisted ones."),
  exposed_headers: z
    .array(z.string())
    .default([])
    .describe("Response headers that scripts may read."),
  max_age: int()
    .default(0)
    .describe("Seconds for which a preflight answer may be kept; 0: the browser's default."),
});

const codings = ["", "gzip", "zstd", "zlib", "snappy", "deflate", "lz4", "x-snappy-framed"];

/** RFC 9110, 5.1 and 5.5; anything else would fail request by request. */
const headerName = /^[\w!#$%&'*+.^`|~-]+$/u;
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/u;

/** Header names may come as a map or as a list of name and value. */
const headerList = z
  .union([
    z.record(z.string(), z.string()),
    z.array(
      section({
        name: z.string().describe("Name of the header."),
        value: z.string().describe("Its value."),
      }),
    ),
  ])
  .transform(
    (value) =>
      new Map(
        Array.isArray(value)
          ? value.map(({ name, value: text }) => [name, text])
          : Object.entries(value),
      ),
  )
  .superRefine((headers, context) => {
    for (const [name, value] of headers) {
      if (headerName.test(name) && headerValue.test(value)) continue;
      context.addIssue({
        code: "custom",
        message: `${JSON.stringify(name)} is no header that can be sent`,
      });
    }
  });

/** Defaults of the timeouts; the otlp receiver's differ from other servers'. */
export interface HttpServerDefaults {
  readonly readHeaderTimeout: string;
  readonly writeTimeout: string;
  readonly idleTimeout: string;
}

const usualDefaults: HttpServerDefaults = {
  readHeaderTimeout: "1m",
  writeTimeout: "30s",
  idleTimeout: "1m",
};

/** All keys but `endpoint`, whose default is the component's. */
export const httpServerKeys = (defaults: HttpServerDefaults = usualDefaults) => ({
  transport: z
    .enum(["tcp", "tcp4", "tcp6", "unix"])
    .default("tcp")
    .describe("tcp, or unix with a path as endpoint."),
  tls: optionalSection("none", serverTls).describe("TLS; absent: clear text."),
  cors: optionalSection("none", cors).describe("Which web pages may send."),
  auth: optionalSection("none", serverAuth).describe("Who may send."),
  max_request_body_size: int()
    .default(0)
    .describe("Largest body in bytes after decompression; 0: 64 MiB (the Collector: 20 MiB)."),
  include_metadata: z
    .boolean()
    .default(false)
    .describe("Keep the client's headers beside the data, for batch and exporters."),
  response_headers: headerList.optional().describe("Headers added to every response."),
  compression_algorithms: z
    .array(z.enum(codings as [string, ...string[]]))
    .default(codings)
    .describe('Accepted codings; "" is none. Bodies in another one are refused.'),
  read_timeout: durationWithDefault("0s").describe("For a whole request; 0: 30s."),
  read_header_timeout: durationWithDefault(defaults.readHeaderTimeout).describe(
    "For a request's headers; 0: 10s.",
  ),
  write_timeout: durationWithDefault(defaults.writeTimeout).describe(
    "A client that takes nothing of a response for this long is cut; 0: 30s.",
  ),
  idle_timeout: durationWithDefault(defaults.idleTimeout).describe(
    "A connection may be silent this long between requests; 0: 120s.",
  ),
  keep_alives_enabled: z
    .boolean()
    .default(true)
    .describe("Keep connections open between requests."),
  middlewares: refused("server middlewares do not exist in this version"),
});

/** A section of its own. Whoever spreads its keys into another section checks the endpoint there too. */
export const httpServer = (endpoint: string, defaults?: HttpServerDefaults) =>
  section({
    endpoint: z.string().default(endpoint).describe("Where to listen, host:port."),
    ...httpServerKeys(defaults),
  }).superRefine(checkServerEndpoint);

export type HttpServerConfig = z.output<ReturnType<typeof httpServer>>;

const defaultMaxBodyBytes = 64 * 2 ** 20;

/** What src/transport.ts asks for, from the parsed keys. */
export function httpServerSpec(config: HttpServerConfig) {
  return {
    kind: "http" as const,
    endpoint: config.endpoint,
    transport: config.transport,
    tls: config.tls,
    maxBodyBytes:
      config.max_request_body_size > 0 ? config.max_request_body_size : defaultMaxBodyBytes,
    compressionAlgorithms: config.compression_algorithms,
    readTimeoutMs: config.read_timeout,
    readHeaderTimeoutMs: config.read_header_timeout,
    writeTimeoutMs: config.write_timeout,
    idleTimeoutMs: config.idle_timeout,
    keepAlivesEnabled: config.keep_alives_enabled,
    responseHeaders: config.response_headers ?? new Map<string, string>(),
    cors: config.cors && {
      allowedOrigins: config.cors.allowed_origins,
      allowedHeaders: config.cors.allowed_headers,
      exposedHeaders: config.cors.exposed_headers,
      maxAgeSeconds: config.cors.max_age,
    },
  };
}
