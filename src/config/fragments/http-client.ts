/** The keys of an HTTP client (confighttp.ClientConfig), without `timeout`, which delivery owns. */
import { accepted, duration, durationWithDefault, int, refused, section, z } from "../fields.ts";
import { clientAuth, clientHeaders } from "./client-headers.ts";
import { clientTls } from "./tls.ts";

const compressions = [
  "gzip",
  "zstd",
  "snappy",
  "zlib",
  "deflate",
  "x-snappy-framed",
  "none",
  "",
] as const;

const http1Reason = "requests go over HTTP/1.1, which costs less CPU here";

export const httpClientKeys = {
  proxy_url: z
    .string()
    .default("")
    .describe(
      "Proxy for every request; otherwise HTTP_PROXY, HTTPS_PROXY and NO_PROXY are honoured.",
    ),
  tls: clientTls.prefault({}).describe("TLS for https endpoints."),
  headers: clientHeaders().describe(
    "Headers sent with every request: a map, or a list of name and value.",
  ),
  auth: clientAuth().describe("Extension that adds credentials."),
  compression: z
    .enum(compressions, {
      error: (issue) => `unsupported compression type ${JSON.stringify(issue.input)}`,
    })
    .default("gzip")
    .describe("Compression of requests: gzip, zstd, snappy, zlib, deflate or none."),
  compression_params: section({
    level: int()
      .default(0)
      .describe("Effort; 0: the fastest useful one (gzip, zlib, deflate, zstd: 1)."),
  })
    .prefault({})
    .describe("How hard to compress."),
  max_idle_conns: int().default(100).describe("Idle connections kept; 0: no bound."),
  max_idle_conns_per_host: int()
    .default(0)
    .describe("Idle connections kept to one host; 0: max_idle_conns."),
  max_conns_per_host: int().default(0).describe("Connections to one host; 0: no bound."),
  idle_conn_timeout: durationWithDefault("90s").describe(
    "An idle connection is closed after this; 0: never.",
  ),
  disable_keep_alives: z
    .boolean()
    .default(false)
    .describe("Use a new connection for each request."),
  cookies: section({
    enabled: z.boolean().default(false).describe("Send back the cookies that the backend sets."),
  })
    .prefault({})
    .describe("Cookie handling, for load balancers with sticky sessions."),
  read_buffer_size: accepted(int(), "Node sizes socket buffers itself"),
  write_buffer_size: accepted(int(), "Node sizes socket buffers itself"),
  force_attempt_http2: accepted(z.boolean(), http1Reason),
  http2_read_idle_timeout: accepted(duration(), http1Reason),
  http2_ping_timeout: accepted(duration(), http1Reason),
  middlewares: refused("extensions that intercept clients do not exist in this version"),
};

const schema = section(httpClientKeys);
export type HttpClientConfig = z.output<typeof schema>;

/** What is wrong with the combination of keys in the Collector's words, or undefined. */
export function httpClientProblem(
  config: Pick<HttpClientConfig, "compression" | "compression_params" | "proxy_url">,
): { readonly path: string[]; readonly message: string } | undefined {
  const { level } = config.compression_params;
  if (!levelFits(config.compression, level)) {
    const message = `unsupported parameters {Level:${level}} for compression type "${config.compression}"`;
    return { path: ["compression_params"], message };
  }
  const problem = config.proxy_url === "" ? undefined : proxyProblem(config.proxy_url);
  return problem === undefined ? undefined : { path: ["proxy_url"], message: problem };
}

/** Go's zlib levels: -2 Huffman only, -1 default, 0 to 9; zstd maps any level to its own. */
function levelFits(compression: string, level: number): boolean {
  switch (compression) {
    case "gzip":
    case "zlib":
    case "deflate":
      return level >= -2 && level <= 9;
    case "snappy":
    case "x-snappy-framed":
      return level === 0;
    default:
      return true;
  }
}

/** Why a text is no proxy URL, or undefined. */
export function proxyProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return `parse ${JSON.stringify(text)}: invalid URI for request`;
  const { protocol } = new URL(text);
  if (protocol === "http:" || protocol === "https:") return undefined;
  return `unsupported proxy scheme ${JSON.stringify(protocol.slice(0, -1))}: use http or https`;
}
