/** The headers of gRPC over HTTP/2 (grpc/doc/PROTOCOL-HTTP2.md), server side. */
import type { RpcStatus } from "../errors.ts";
import { grpcCode } from "./grpc-code.ts";
import type { RequestHeaders } from "./http2/request-headers.ts";

export type Headers = Record<string, string | number>;

const contentType = "application/grpc";

/** Begins every answer. */
export const okHeaders: Headers = { ":status": 200, "content-type": contentType };
export const okTrailers: Headers = { "grpc-status": "0" };

/** The trailers of a status; with okHeaders, an answer without a message. */
export function statusHeaders({ code, message, details }: RpcStatus): Headers {
  return {
    "grpc-status": String(code),
    ...(message === "" ? {} : { "grpc-message": encodeMessage(message) }),
    ...(details === undefined
      ? {}
      : { "grpc-status-details-bin": Buffer.from(details).toString("base64") }),
  };
}

/** Longest message in a trailer; clients bound their header lists at 8 KB and more. */
const maxMessageLength = 2048;

/** Percent-encoding of grpc-message: everything but printable ASCII, and `%`. */
function encodeMessage(message: string): string {
  const bytes = Buffer.from(message.slice(0, maxMessageLength), "utf8");
  let text = "";
  for (const byte of bytes) {
    const isPlain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    text += isPlain
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return text;
}

/** The answer to what is no gRPC request, in grpc-go's words; undefined: it is one. */
export function notGrpc(headers: RequestHeaders): Headers | undefined {
  const type = headers["content-type"] ?? "";
  if (!/^application\/grpc(?:$|[+;])/u.test(type)) {
    return refusal(
      415,
      grpcCode.INVALID_ARGUMENT,
      `invalid gRPC request content-type ${JSON.stringify(type)}`,
    );
  }
  const method = headers[":method"];
  if (method === "POST") return undefined;
  const message = `Received a HEADERS frame with :method ${JSON.stringify(method)} which should be POST`;
  return refusal(405, grpcCode.INTERNAL, message);
}

/** The answer to a path that nobody serves; `served` are the paths of this server. */
export function unknownMethod(path: string, served: Iterable<string>): Headers {
  const slash = path.lastIndexOf("/");
  const service = path.slice(1, slash);
  const isMalformed = !path.startsWith("/") || slash < 1;
  const isServed = [...served].some((other) => other.startsWith(`/${service}/`));
  const message = isMalformed
    ? `malformed method name: ${JSON.stringify(path)}`
    : isServed
      ? `unknown method ${path.slice(slash + 1)} for service ${service}`
      : `unknown service ${service}`;
  return refusal(200, grpcCode.UNIMPLEMENTED, message);
}

/** What `grpc-encoding` may name; lz4 has no agreed framing in gRPC. */
const encodings: ReadonlySet<string> = new Set(["identity", "deflate", "gzip", "snappy", "zstd"]);
const acceptedEncodings = [...encodings].join(",");

/** The answer to an encoding that is not known here, with the ones that are; undefined: it is known. */
export function unknownEncoding(headers: RequestHeaders): Headers | undefined {
  const encoding = headers["grpc-encoding"];
  if (encoding === undefined || encoding === "" || encodings.has(encoding)) return undefined;
  const message = `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(encoding)}`;
  return {
    ...refusal(200, grpcCode.UNIMPLEMENTED, message),
    "grpc-accept-encoding": acceptedEncodings,
  };
}

const refusal = (status: number, code: number, message: string): Headers => ({
  ":status": status,
  "content-type": contentType,
  ...statusHeaders({ code, message }),
});

const timeoutUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** `grpc-timeout`: up to eight digits and a unit; milliseconds. NaN: unreadable. */
export function parseTimeout(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/u.exec(text);
  return match === null ? Number.NaN : Number(match[1]) * timeoutUnitMs[match[2]!]!;
}
