/** The text of whatever was thrown, for messages of the form "cannot …: cause". */
export function causeText(error: unknown): string {
  // Not `instanceof Error`: errors of node's own modules may stem from another realm.
  const hasMessage = typeof error === "object" && error !== null && "message" in error;
  return hasMessage && typeof error.message === "string" && error.message !== ""
    ? error.message
    : String(error);
}
