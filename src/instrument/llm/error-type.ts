/** Values of error.type for calls of language models: kinds, because messages may hold parts of a prompt. */
const errorTypes = [
  "rate_limit",
  "quota",
  "overloaded",
  "server_error",
  "timeout",
  "aborted",
  "connection",
  "authentication",
  "permission",
  "not_found",
  "invalid_request",
  "context_length",
  "content_filter",
  "invalid_response",
  "_OTHER",
] as const;
export type ErrorType = (typeof errorTypes)[number];

const known: ReadonlySet<string> = new Set(errorTypes);

/** Codes that say more than the status they come with. */
const byTellingCode: ReadonlyMap<unknown, ErrorType> = new Map<unknown, ErrorType>([
  ["context_length_exceeded", "context_length"],
  ["content_filter", "content_filter"],
  ["content_policy_violation", "content_filter"],
  ["insufficient_quota", "quota"],
  ["billing_error", "quota"],
  ["overloaded_error", "overloaded"],
]);

/** Codes where there is no status: errors within a stream, of the network, of the runtime. */
const byCode: ReadonlyMap<unknown, ErrorType> = new Map<unknown, ErrorType>([
  ["rate_limit_error", "rate_limit"],
  ["rate_limit_exceeded", "rate_limit"],
  ["api_error", "server_error"],
  ["server_error", "server_error"],
  ["timeout_error", "timeout"],
  ["authentication_error", "authentication"],
  ["permission_error", "permission"],
  ["not_found_error", "not_found"],
  ["invalid_request_error", "invalid_request"],
  ["request_too_large", "invalid_request"],
  ["invalid_prompt", "invalid_request"],
  ["ABORT_ERR", "aborted"],
  ["ETIMEDOUT", "timeout"],
  ["UND_ERR_CONNECT_TIMEOUT", "timeout"],
  ["UND_ERR_HEADERS_TIMEOUT", "timeout"],
  ["UND_ERR_BODY_TIMEOUT", "timeout"],
  ["ECONNREFUSED", "connection"],
  ["ECONNRESET", "connection"],
  ["ENOTFOUND", "connection"],
  ["EAI_AGAIN", "connection"],
  ["EPIPE", "connection"],
  ["UND_ERR_SOCKET", "connection"],
]);

/** Names of classes, and the messages of the clients' own errors for bundles that shorten the names. */
const byName: ReadonlyMap<unknown, ErrorType> = new Map<unknown, ErrorType>([
  ["AbortError", "aborted"],
  ["APIUserAbortError", "aborted"],
  ["Request was aborted.", "aborted"],
  ["TimeoutError", "timeout"],
  ["APIConnectionTimeoutError", "timeout"],
  ["Request timed out.", "timeout"],
  ["SyntaxError", "invalid_response"],
  ["AI_JSONParseError", "invalid_response"],
  ["AI_InvalidResponseDataError", "invalid_response"],
  ["AI_EmptyResponseBodyError", "invalid_response"],
  ["AI_LoadAPIKeyError", "authentication"],
]);
const byNameAfterCause: ReadonlyMap<unknown, ErrorType> = new Map<unknown, ErrorType>([
  ["APIConnectionError", "connection"],
  ["Connection error.", "connection"],
  ["fetch failed", "connection"],
  ["terminated", "connection"],
]);

export function errorTypeOfStatus(status: number): ErrorType {
  switch (status) {
    case 401:
      return "authentication";
    case 402:
      return "quota";
    case 403:
      return "permission";
    case 404:
      return "not_found";
    case 408:
      return "timeout";
    case 409:
      return "_OTHER";
    case 429:
      return "rate_limit";
    case 499:
      return "aborted";
    case 503:
    case 529:
      return "overloaded";
    default:
      return status >= 500 ? "server_error" : "invalid_request";
  }
}

/** Of whatever was thrown, or of a text: one of the values, or a status. */
export function errorTypeOf(error: unknown): ErrorType {
  try {
    return classify(error, 0) ?? "_OTHER";
  } catch {
    return "_OTHER";
  }
}

type Fields = { readonly [key: string]: unknown };

const maxCauses = 3;

function classify(error: unknown, depth: number): ErrorType | undefined {
  if (typeof error === "string") return ofText(error);
  if (typeof error !== "object" || error === null) return undefined;
  const fields = error as Fields;
  const codes = codesOf(fields);
  const names = [fields["name"], error.constructor?.name, fields["message"]];
  return (
    first(codes, byTellingCode) ??
    statusOf(fields) ??
    first(codes, byCode) ??
    first(names, byName) ??
    causeOf(fields, depth) ??
    first(names, byNameAfterCause)
  );
}

function ofText(text: string): ErrorType | undefined {
  if (/^[45]\d\d$/u.test(text)) return errorTypeOfStatus(Number(text));
  return known.has(text) ? (text as ErrorType) : undefined;
}

/** The clients keep the body of an error response in `error`, which may hold the error once more. */
function codesOf(fields: Fields): unknown[] {
  const body = fieldsOf(fields["error"]);
  const inner = fieldsOf(body?.["error"]);
  return [fields, body, inner].flatMap((one) => [one?.["code"], one?.["type"]]);
}

function statusOf({ status, statusCode }: Fields): ErrorType | undefined {
  const code = status ?? statusCode;
  return typeof code === "number" && code >= 400 && code < 600
    ? errorTypeOfStatus(code)
    : undefined;
}

function causeOf(fields: Fields, depth: number): ErrorType | undefined {
  const cause = fields["cause"] ?? fields["lastError"];
  return cause === undefined || depth >= maxCauses ? undefined : classify(cause, depth + 1);
}

function first(
  keys: readonly unknown[],
  types: ReadonlyMap<unknown, ErrorType>,
): ErrorType | undefined {
  for (const key of keys) {
    const type = types.get(key);
    if (type !== undefined) return type;
  }
  return undefined;
}

const fieldsOf = (value: unknown): Fields | undefined =>
  typeof value === "object" && value !== null ? (value as Fields) : undefined;
