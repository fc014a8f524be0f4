/** What both APIs answer alike. */
import type { TelemetryError } from "../../src/errors.ts";
import type { HttpExchange } from "../../src/transport.ts";

export type Headers = Readonly<Record<string, string>>;

/** A complete answer, before it is sent. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
}

export const textAnswer = (status: number, text: string, headers: Headers = {}): Answer => ({
  status,
  headers: { "content-type": "text/plain; charset=utf-8", ...headers },
  body: text === "" ? "" : `${text}\n`,
});

export const send = (exchange: HttpExchange, { status, headers, body }: Answer): void =>
  exchange.respond(status, headers, body);

/** Whole seconds, at least one. */
export const retryAfter = (ms: number): Headers => ({
  "retry-after": String(Math.max(1, Math.ceil(ms / 1000))),
});

/** How long a sender shall wait where nobody says it. */
const usualRetryMs = 1000;

interface Refusal {
  readonly status: number;
  readonly headers: Headers;
}

/** The status for what a body or the pipeline cannot be taken for; the client still has the data. */
export function refusalOf({ code, retryable, retryAfterMs }: TelemetryError): Refusal {
  if (retryable) return { status: 503, headers: retryAfter(retryAfterMs ?? usualRetryMs) };
  if (code === "TOO_LARGE") return { status: 413, headers: {} };
  if (code === "MALFORMED_DATA") return { status: 400, headers: {} };
  return { status: code === "TIMEOUT" ? 408 : 500, headers: {} };
}

export const mediaTypeOf = (exchange: HttpExchange): string =>
  (exchange.headers.get("content-type")?.[0] ?? "").split(";", 1)[0]!.trim().toLowerCase();

/** The coding that the server does not take; undefined: it takes the request's. */
export function unknownCoding(
  exchange: HttpExchange,
  accepted: readonly string[],
): string | undefined {
  const text = (exchange.headers.get("content-encoding")?.[0] ?? "").trim().toLowerCase();
  const coding = text === "identity" ? "" : text;
  return accepted.includes(coding) ? undefined : coding;
}
