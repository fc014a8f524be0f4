/** The text of whatever was thrown; foreign modules throw all sorts of things. */
export function causeText(thrown: unknown): string {
  const isObject = typeof thrown === "object" && thrown !== null;
  return isObject && "message" in thrown ? String(thrown.message) : String(thrown);
}
