/** Which exposition format a scraper gets for its Accept header. */
import { type EscapingScheme, escapingSchemes } from "./escape.ts";

export interface Format {
  readonly kind: "text" | "openmetrics";
  readonly version: "0.0.4" | "1.0.0" | "0.0.1";
  readonly escaping: EscapingScheme;
}

export const defaultFormat: Format = { kind: "text", version: "0.0.4", escaping: "underscores" };

const mediaTypes = { text: "text/plain", openmetrics: "application/openmetrics-text" } as const;

/** The Content-Type of a format; Prometheus 3 fails a scrape without an exact one. */
export function contentTypeOf(format: Format): string {
  return `${mediaTypes[format.kind]}; version=${format.version}; charset=utf-8; escaping=${format.escaping}`;
}

export interface NegotiationOptions {
  /** Whether OpenMetrics is offered beside the text format. */
  readonly openMetrics: boolean;
  /** For clients that name no scheme. */
  readonly defaultEscaping?: EscapingScheme;
}

/**
 * The first clause, by preference of the client, that can be served; else text 0.0.4. As in prometheus/common, a
 * scheme counts for the clauses behind it, too: who understands it in one format does so in another.
 */
export function negotiate(accept: string | undefined, options: NegotiationOptions): Format {
  let escaping = options.defaultEscaping ?? defaultFormat.escaping;
  for (const clause of parseAccept(accept ?? "")) {
    escaping = schemeOf(clause) ?? escaping;
    const format = serve(clause, options.openMetrics);
    if (format !== undefined) return { ...format, escaping };
  }
  return { ...defaultFormat, escaping };
}

function serve(clause: Clause, openMetrics: boolean): Omit<Format, "escaping"> | undefined {
  const version = clause.parameters.get("version");
  if (clause.type === mediaTypes.text) {
    if (version === undefined || version === "0.0.4") return { kind: "text", version: "0.0.4" };
    return version === "1.0.0" ? { kind: "text", version } : undefined;
  }
  if (clause.type !== mediaTypes.openmetrics || !openMetrics) return undefined;
  if (version === "1.0.0") return { kind: "openmetrics", version };
  return version === undefined || version === "0.0.1"
    ? { kind: "openmetrics", version: "0.0.1" }
    : undefined;
}

function schemeOf(clause: Clause): EscapingScheme | undefined {
  return escapingSchemes.find((scheme) => scheme === clause.parameters.get("escaping"));
}

interface Clause {
  readonly type: string;
  readonly quality: number;
  readonly parameters: ReadonlyMap<string, string>;
}

/** Clauses of an Accept header (RFC 9110 12.5.1), the most wanted first; those with q=0 are left out. */
function parseAccept(header: string): Clause[] {
  const clauses = header.split(",").map(parseClause);
  return clauses.filter(({ quality }) => quality > 0).toSorted((a, b) => b.quality - a.quality);
}

function parseClause(text: string): Clause {
  const [type, ...rest] = text.split(";");
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const [name, value] = parameter.split("=", 2);
    const unquoted = (value ?? "").trim().replace(/^"(.*)"$/u, "$1");
    if (unquoted !== "") parameters.set(name!.trim().toLowerCase(), unquoted);
  }
  const quality = Number(parameters.get("q") ?? 1);
  return {
    type: type!.trim().toLowerCase(),
    quality: Number.isNaN(quality) ? 0 : quality,
    parameters,
  };
}

/** Whether the client takes gzip (Accept-Encoding, RFC 9110 12.5.3). */
export function acceptsGzip(header: string | undefined): boolean {
  const qualities = new Map(
    parseAccept((header ?? "").toLowerCase()).map(({ type, quality }) => [type, quality]),
  );
  const refused = /(?:^|,)\s*gzip\s*;\s*q=0(?:\.0*)?\s*(?:,|$)/iu.test(header ?? "");
  return qualities.has("gzip") || (qualities.has("*") && !refused);
}
