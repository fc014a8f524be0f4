/** Lines that several kinds of items share. */
import type { KeyValue } from "./otlp-json.ts";
import { typedText } from "./values.ts";

/** An id of zeros only is no id. */
export const idText = (id = ""): string => (/^0*$/.test(id) ? "" : id);

/** A header and a line per attribute; below a header that is itself indented, deeper. */
export function pushAttributes(
  lines: string[],
  header: string,
  attributes: readonly KeyValue[] = [],
): void {
  if (attributes.length === 0) return;
  lines.push(`${header}:`);
  const [before, ...rest] = header.split("->");
  const prefix = rest.length > 0 ? `${before}     ->` : "     ->";
  for (const { key = "", value } of attributes) lines.push(`${prefix} ${key}: ${typedText(value)}`);
}
