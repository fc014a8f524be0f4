/** The door to the parsers: which format a body has, and its families. */
import { inSlices, loopSlicer } from "../../pdata/json/slices.ts";
import { FamilyAssembler } from "./assembler.ts";
import type { ParsedFamily } from "./family.ts";
import { defaultLimits, type ParseLimits } from "./limits.ts";
import { OpenMetricsParser } from "./openmetrics-parser.ts";
import { delimitedFamilies } from "./protobuf-parser.ts";
import { TextPushParser } from "./text-push-parser.ts";
import { TextScrapeParser } from "./text-scrape-parser.ts";

export type { NativeHistogram, ParsedFamily } from "./family.ts";

/**
 * push: text 0.0.4 by the strict rules of the Pushgateway. scrape: by the rules of Prometheus, which takes more.
 */
export type ExpositionFormat = "text-push" | "text-scrape" | "openmetrics" | "protobuf";

/** The format that a Content-Type names; undefined: none that is known. */
export function formatOf(
  contentType: string | undefined,
  textRules: "push" | "scrape",
): ExpositionFormat | undefined {
  const [type, ...rest] = (contentType ?? "").split(";").map((part) => part.trim().toLowerCase());
  if (type === "text/plain") return `text-${textRules}`;
  if (type === "application/openmetrics-text") return "openmetrics";
  if (type !== "application/vnd.google.protobuf") return undefined;
  const parameters = rest.map((parameter) => parameter.replaceAll(/[\s"]/gu, ""));
  const isDelimited =
    parameters.includes("proto=io.prometheus.client.metricfamily") &&
    parameters.includes("encoding=delimited");
  return isDelimited ? "protobuf" : undefined;
}

/**
 * All families of a body that have samples, in their order. Rejects with TelemetryError MALFORMED_DATA and
 * Prometheus' text; nothing is taken of such a body. Pauses between slices of about 5 ms. What is returned is
 * some times as large as the body; `maxSamples` bounds it.
 */
export function parseFamilies(
  bytes: Uint8Array,
  format: ExpositionFormat,
  limits: ParseLimits = defaultLimits,
): Promise<ParsedFamily[]> {
  return inSlices(stepsOf(bytes, format, limits), loopSlicer);
}

/** As `parseFamilies`, for who cuts the work himself. */
export function* stepsOf(
  bytes: Uint8Array,
  format: ExpositionFormat,
  limits: ParseLimits = defaultLimits,
): Generator<void, ParsedFamily[]> {
  if (format === "protobuf") return yield* delimitedFamilies(bytes, limits);
  const openMetrics = format === "openmetrics";
  const source = new parsers[format](bytes, limits);
  return yield* new FamilyAssembler(source, { openMetrics, limits }).families();
}

const parsers = {
  openmetrics: OpenMetricsParser,
  "text-push": TextPushParser,
  "text-scrape": TextScrapeParser,
} as const;
