const other = "_OTHER";

/**
 * `error.type` of what a client failed with: the code (ECONNREFUSED) or the name. Aborts and timeouts go by their name,
 * because each client has another code for them. By shape: an application may abort with any reason.
 */
export function errorTypeOf(error: unknown): string {
  try {
    return typeof error === "object" && error !== null ? nameOf(error) : other;
  } catch {
    return other;
  }
}

function nameOf(error: { name?: unknown; code?: unknown; cause?: unknown }): string {
  const { name, code, cause } = error;
  // node:http wraps the reason of a signal.
  if (name === "AbortError" && isTimeout(cause)) return "TimeoutError";
  if (name === "AbortError" || name === "TimeoutError") return name;
  return textOf(code) ?? textOf(name) ?? other;
}

const isTimeout = (cause: unknown) =>
  typeof cause === "object" && cause !== null && "name" in cause && cause.name === "TimeoutError";

const textOf = (value: unknown) => (typeof value === "string" && value !== "" ? value : undefined);
