/** How names with characters beyond the classic ones travel: the schemes of prometheus/common's EscapeName. */
export const escapingSchemes = ["allow-utf-8", "underscores", "dots", "values"] as const;
export type EscapingScheme = (typeof escapingSchemes)[number];

const classicMetricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/u;
const classicLabelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/u;

export const isClassicMetricName = (name: string) => classicMetricName.test(name);
export const isClassicLabelName = (name: string) => classicLabelName.test(name);

/** Any valid UTF-8 text that is not empty is a name; here texts are, unless they carry half a pair. */
export const isUtf8Name = (name: string) => name !== "" && name.isWellFormed();

/** The name as the scheme writes it; `label`: a colon is no valid character. */
export function escapeName(name: string, scheme: EscapingScheme, label = false): string {
  if (name === "" || scheme === "allow-utf-8") return name;
  const classic = label ? isClassicLabelName(name) : isClassicMetricName(name);
  // The dots scheme doubles underscores, so it changes classic names too.
  if (classic && scheme !== "dots") return name;
  let escaped = scheme === "values" ? "U__" : "";
  let first = true;
  for (const character of name) {
    escaped += escapeCharacter(character, scheme, isClassicCharacter(character, first, label));
    first = false;
  }
  return escaped;
}

/**
 * The name as a page carries it. A scheme only concerns names that classic readers cannot take: `dots` would
 * double the underscores of all others, too, which no client library does (prometheus/common, EscapeMetricFamily).
 */
export function wireName(name: string, scheme: EscapingScheme, label = false): string {
  const classic = label ? isClassicLabelName(name) : isClassicMetricName(name);
  return classic ? name : escapeName(name, scheme, label);
}

function isClassicCharacter(character: string, first: boolean, label: boolean): boolean {
  if (/^[a-zA-Z_]$/u.test(character)) return true;
  return character === ":" ? !label : !first && /^[0-9]$/u.test(character);
}

function escapeCharacter(character: string, scheme: EscapingScheme, classic: boolean): string {
  if (scheme === "underscores") return classic ? character : "_";
  if (character === "_") return "__";
  if (scheme === "dots") return character === "." ? "_dot_" : classic ? character : "__";
  if (classic) return character;
  return character.isWellFormed() ? `_${character.codePointAt(0)!.toString(16)}_` : "_FFFD_";
}
