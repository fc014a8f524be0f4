/** What the demo says. */
import type { Comparison } from "./compare.ts";
import { type Knobs, knobs, knobsText, namedKnobs } from "./knobs.ts";
import type { OutsideReport } from "./outside.ts";

export interface Places {
  readonly scrapeUrl: string;
  readonly otlpUrl: string;
  readonly appUrl: string;
  readonly llmUrl: string;
  readonly isOwnService: boolean;
  readonly seed: number;
  readonly knobs: Knobs;
  /** For `rmt demo set`, where it is not the usual one. */
  readonly port: number | undefined;
}

const queries = [
  ["requests/s", "sum by (http_route) (rate(http_server_request_duration_seconds_count[1m]))"],
  ["P95 latency, s", "repomind_api_request_latency_p95_seconds"],
  [
    "errors",
    'sum by (error_type) (rate(http_server_request_duration_seconds_count{error_type!=""}[1m]))',
  ],
  ["cache", "sum by (cache_result) (rate(repomind_cache_requests_total[1m]))"],
  ["LLM, USD an hour", "sum by (gen_ai_request_model) (rate(repomind_llm_cost_total[1m])) * 3600"],
  ["queue, share used", "repomind_queue_size / repomind_queue_capacity"],
] as const;

export function placesText(places: Places): string {
  const set = places.port === undefined ? "" : ` --port ${places.port}`;
  return [
    `RepoMind runs (seed ${places.seed}). Ctrl-C ends it.`,
    "",
    `  metrics  ${places.scrapeUrl}`,
    `  app      ${places.appUrl}/repos`,
    `  LLM      ${places.llmUrl}, fake: /v1/chat/completions (OpenAI), /v1/messages (Anthropic)`,
    `  service  ${places.otlpUrl}, ${places.isOwnService ? "started by the demo" : "was there before"}`,
    "",
    "For Prometheus, scraping the metrics:",
    ...queries.map(([title, query]) => `  ${title.padEnd(18)} ${query}`),
    "",
    `Knobs: ${knobsText(namedKnobs(places.knobs))}`,
    ...Object.values(knobs).map(
      ({ example, effect }) => `  rmt demo set ${example.padEnd(15)}${set}  ${effect}`,
    ),
    "",
  ].join("\n");
}

const columns = ["time", "req/s", "4xx", "5xx", "aborted", "asks", "LLM"] as const;

export const progressHeader = (): string => columns.map((title) => title.padStart(10)).join("");

export interface Progress {
  readonly report: OutsideReport;
  /** Since the traffic began. */
  readonly elapsedMs: number;
}

/** One row: what came since the one before. */
export function progressRow(now: Progress, before: Progress): string {
  const since = (read: (report: OutsideReport) => number) => read(now.report) - read(before.report);
  const periodSeconds = (now.elapsedMs - before.elapsedMs) / 1000;
  const values = [
    `${Math.round(now.elapsedMs / 1000)} s`,
    (since(({ sent }) => sent) / periodSeconds).toFixed(1),
    since(({ answered }) => withKey(answered, / 4\d\d$/u)),
    since(({ answered }) => withKey(answered, / 5\d\d$/u)),
    since(({ aborted }) => withKey(aborted, /./u)),
    since(({ answered }) => withKey(answered, /^POST \/ask /u)),
    since(({ models }) => models.reduce((sum, { attempts }) => sum + attempts, 0)),
  ];
  return values.map((value) => String(value).padStart(10)).join("");
}

const withKey = (counts: Readonly<Record<string, number>>, pattern: RegExp): number =>
  Object.entries(counts).reduce((sum, [key, count]) => sum + (pattern.test(key) ? count : 0), 0);

/** Ten differences tell as much as a hundred. */
const maxShown = 10;

export function comparisonText(comparisons: readonly Comparison[]): string {
  const lines = comparisons.flatMap(({ subject, differences }) => {
    const shown = differences.slice(0, maxShown).map((difference) => `             ${difference}`);
    const rest = differences.length - shown.length;
    if (rest > 0) shown.push(`             and ${rest} more`);
    return [`  ${differences.length === 0 ? "same     " : "DIFFERENT"}  ${subject}`, ...shown];
  });
  return ["Sent by the demo and arrived at the service:", ...lines].join("\n");
}
