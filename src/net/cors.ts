/** Cross-origin requests (the Fetch standard's CORS protocol), with the Collector's wildcards. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { CorsSpec } from "../transport.ts";

/** Adds the headers that the origin is due; true: it is a preflight, to be answered with 204. */
export function applyCors(
  cors: CorsSpec,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return false;
  response.setHeader("Vary", "Origin");
  const isPreflight =
    request.method === "OPTIONS" && request.headers["access-control-request-method"] !== undefined;
  const isAllowed = cors.allowedOrigins.some((pattern) => matchesOrigin(pattern, origin));
  if (isAllowed) {
    response.setHeader(
      "Access-Control-Allow-Origin",
      cors.allowedOrigins.includes("*") ? "*" : origin,
    );
    if (!cors.allowedOrigins.includes("*"))
      response.setHeader("Access-Control-Allow-Credentials", "true");
    if (isPreflight) answerHeaders(cors, request, response);
    else if (cors.exposedHeaders.length > 0)
      response.setHeader("Access-Control-Expose-Headers", cors.exposedHeaders.join(", "));
  }
  return isPreflight;
}

function answerHeaders(cors: CorsSpec, request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("Access-Control-Allow-Methods", "POST");
  if (cors.maxAgeSeconds > 0)
    response.setHeader("Access-Control-Max-Age", String(cors.maxAgeSeconds));
  const asked = request.headers["access-control-request-headers"] ?? "";
  const names = asked
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "");
  if (names.length > 0 && names.every((name) => isAllowedHeader(cors, name))) {
    response.setHeader("Access-Control-Allow-Headers", names.join(", "));
  }
}

/** Needed by every OTLP sender in a browser. */
const alwaysAllowed = new Set(["accept", "content-type", "x-requested-with"]);

function isAllowedHeader(cors: CorsSpec, name: string): boolean {
  const lower = name.toLowerCase();
  return (
    alwaysAllowed.has(lower) ||
    cors.allowedHeaders.some((allowed) => allowed === "*" || allowed.toLowerCase() === lower)
  );
}

/** One `*` stands for any text. */
function matchesOrigin(pattern: string, origin: string): boolean {
  const star = pattern.indexOf("*");
  if (star < 0) return pattern.toLowerCase() === origin.toLowerCase();
  const [head, tail] = [
    pattern.slice(0, star).toLowerCase(),
    pattern.slice(star + 1).toLowerCase(),
  ];
  const lower = origin.toLowerCase();
  return (
    lower.length >= head.length + tail.length && lower.startsWith(head) && lower.endsWith(tail)
  );
}
