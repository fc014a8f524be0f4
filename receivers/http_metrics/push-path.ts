/**
 * The grouping key in a path, as the Pushgateway reads it (pushgateway, handler/push.go):
 *
 *     /metrics/job[@base64]/<value>{/<label>[@base64]/<value>}
 *
 * The path is decoded before it is split, so that a value with a slash needs base64; an empty one is `=`.
 */
import { quoteText } from "../../src/prometheus/parse/go-text.ts";

export const pushRoutes = ["/metrics/job/*", "/metrics/job@base64/*"] as const;

/** Labels of a group, job first, the others by name. */
export type GroupLabels = ReadonlyMap<string, string>;

export interface PushPath {
  readonly labels: GroupLabels;
  /** Equal for equal labels; one with an empty value is none, as everywhere in Prometheus. */
  readonly key: string;
}

const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/u;
const suffix = "@base64";
const maxLabels = 64;

/** What is wrong with a path: the Pushgateway's texts. */
export function parsePushPath(path: string): PushPath | string {
  const parts = path.slice("/metrics/".length).split("/");
  // Behind the job alone a slash may end the path.
  if (parts.length === 3 && parts[2] === "") parts.pop();
  if (parts.length % 2 !== 0) {
    return `odd number of components in label string ${quoteText(`/${parts.slice(2).join("/")}`)}`;
  }
  if (parts.length / 2 > maxLabels) return `more than ${maxLabels} labels`;
  const labels = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) {
    const found = parsedLabel(parts[i]!, parts[i + 1]!, i === 0);
    if (typeof found === "string") return found;
    // The job in front counts.
    if (i === 0 || found.name !== "job") labels.set(found.name, found.value);
  }
  if (labels.get("job") === "") return "job name is required";
  const named = [...labels].filter(([, value]) => value !== "");
  return { labels, key: JSON.stringify(named.toSorted(([a], [b]) => (a < b ? -1 : 1))) };
}

function parsedLabel(
  text: string,
  value: string,
  isJob: boolean,
): { name: string; value: string } | string {
  const isBase64 = text.endsWith(suffix);
  const name = isBase64 ? text.slice(0, -suffix.length) : text;
  if (!labelName.test(name) || name.startsWith("__"))
    return `improper label name ${quoteText(name)}`;
  if (!isBase64) return { name, value };
  const decoded = decodedBase64(value);
  if (decoded !== undefined) return { name, value: decoded };
  const what = isJob ? "job name" : `label ${name}=${quoteText(value)}`;
  return `invalid base64 encoding for ${what}`;
}

/** Of the URL alphabet, padded or not. */
function decodedBase64(text: string): string | undefined {
  const bare = text.replace(/=+$/u, "");
  if (!/^[\w-]*$/u.test(bare) || bare.length % 4 === 1) return undefined;
  const bytes = Buffer.from(bare, "base64url");
  const decoded = bytes.toString("utf8");
  return Buffer.from(decoded).equals(bytes) ? decoded : undefined;
}
