/**
 * What a backend says in the body of an OTLP response. The bytes are foreign: nothing here trusts them.
 *
 *     Export…ServiceResponse { partial_success = 1 { rejected_… = 1 (int64), error_message = 2 } }
 *     the same as JSON: {"partialSuccess": {"rejectedSpans": "3", "errorMessage": "…"}}
 */
import type { PushResult } from "../component.ts";
import { wireFixed32, wireFixed64, wireLength, wireVarint } from "../pdata/wire.ts";
import { type DecodedStatus, decodeStatus } from "./rpc-status.ts";

/** A part of a response that a log line or an error can carry. */
const maxMessageLength = 4096;

/** partial_success of a binary response; {} when there is none or the bytes are no such message. */
export function decodePartialSuccess(body: Uint8Array): PushResult {
  let partial: Uint8Array | undefined;
  const whole = walk(body, (number, value) => {
    if (number === 1 && value instanceof Uint8Array) partial = value;
  });
  if (!whole || partial === undefined) return {};
  let rejected = 0;
  let message = "";
  const readable = walk(partial, (number, value) => {
    if (number === 1 && typeof value === "number") rejected = value;
    if (number === 2 && value instanceof Uint8Array) message = Buffer.from(value).toString("utf8");
  });
  return readable ? partialSuccess(rejected, message) : {};
}

/** partial_success of a JSON response; {} when there is none or the text is no such message. */
export function parsePartialSuccess(body: Uint8Array): PushResult {
  const response = parseJson(body);
  const partial = asRecord(response["partialSuccess"] ?? response["partial_success"]);
  let rejected = 0;
  for (const [key, value] of Object.entries(partial)) {
    if (/^rejected_?(?:Spans|DataPoints|LogRecords|spans|data_points|log_records)$/u.test(key)) {
      rejected = Number(value);
    }
  }
  const message = partial["errorMessage"] ?? partial["error_message"];
  return partialSuccess(rejected, typeof message === "string" ? message : "");
}

/** A google.rpc.Status in foreign bytes; undefined when they are none. */
export function readStatus(bytes: Uint8Array): DecodedStatus | undefined {
  return isWellFormed(bytes, statusPath) ? decodeStatus(bytes) : undefined;
}

/** Field numbers of the messages within each other: Status.details, Any.value, RetryInfo.retry_delay. */
const statusPath = [3, 2, 1];

/** Whether the bytes are a message, and those along the path too: readers of verified bytes would not end. */
function isWellFormed(bytes: Uint8Array, path: readonly number[]): boolean {
  let whole = true;
  const own = walk(bytes, (number, value) => {
    if (number === path[0] && value instanceof Uint8Array) {
      whole &&= isWellFormed(value, path.slice(1));
    }
  });
  return own && whole;
}

/** `message` of a google.rpc.Status in JSON; undefined when the text is none. */
export function parseStatusMessage(body: Uint8Array): string | undefined {
  const message = parseJson(body)["message"];
  return typeof message === "string" ? message.slice(0, maxMessageLength) : undefined;
}

function partialSuccess(rejected: number, message: string): PushResult {
  const rejectedItems = Number.isSafeInteger(rejected) && rejected > 0 ? rejected : 0;
  if (rejectedItems === 0 && message === "") return {};
  return { rejectedItems, message: message.slice(0, maxMessageLength) };
}

function parseJson(body: Uint8Array): Record<string, unknown> {
  try {
    return asRecord(JSON.parse(Buffer.from(body).toString("utf8")));
  } catch {
    return {};
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Visits the fields of a message; false: the bytes are none. */
function walk(
  bytes: Uint8Array,
  visit: (number: number, value: number | Uint8Array) => void,
): boolean {
  let at = 0;
  while (at < bytes.length) {
    const tag = varint(bytes, at);
    // Field numbers have 29 bits.
    if (tag === undefined || tag.value >= 2 ** 32) return false;
    const first = tag.value % 8 === wireFixed64 || tag.value % 8 === wireFixed32;
    const head = first ? { value: 0, end: tag.end } : varint(bytes, tag.end);
    if (head === undefined) return false;
    const end = head.end + bodyLength(tag.value % 8, head.value);
    if (!(end <= bytes.length)) return false;
    const isLength = tag.value % 8 === wireLength;
    visit(Math.floor(tag.value / 8), isLength ? bytes.subarray(head.end, end) : head.value);
    at = end;
  }
  return true;
}

/** Bytes behind the tag (fixed) or behind the varint; NaN for a wire type that does not exist. */
function bodyLength(wireType: number, value: number): number {
  switch (wireType) {
    case wireVarint:
      return 0;
    case wireFixed64:
      return 8;
    case wireLength:
      return value;
    case wireFixed32:
      return 4;
    default:
      return Number.NaN;
  }
}

function varint(bytes: Uint8Array, start: number): { value: number; end: number } | undefined {
  let value = 0;
  let factor = 1;
  for (let at = start; at < bytes.length && at < start + 10; at++) {
    const byte = bytes[at]!;
    value += (byte & 127) * factor;
    if (byte < 128) return { value, end: at + 1 };
    factor *= 128;
  }
  return undefined;
}
