/** What was sent against what arrived, series by series. */
import type { AppCounts } from "./app/app.ts";
import type { OutsideReport } from "./outside.ts";
import type { Page } from "./page.ts";
import type { Counts } from "./traffic/tally.ts";

/** One subject, and where both sides say different things. */
export interface Comparison {
  readonly subject: string;
  readonly differences: readonly string[];
}

interface Pair {
  readonly what: string;
  readonly sent: number;
  readonly arrived: number;
}

export interface Truth {
  readonly outside: OutsideReport;
  readonly app: AppCounts;
}

const seed = "repomind_api_request_duration_seconds";

export function compare({ outside, app }: Truth, page: Page): Comparison[] {
  const hasSeedLine = page.series(seed).length > 0;
  return [
    comparedRequests(outside, page),
    ...(hasSeedLine ? [compared("requests by endpoint", seedLine(outside, page))] : []),
    compared("requests under way", [
      { what: "active requests", sent: 0, arrived: page.value("http_server_active_requests") },
    ]),
    compared("rate limit", rateLimits(app, page)),
    compared("questions by type and outcome", queries(app, page)),
    compared("feedback", feedback(outside, page)),
    compared("attempts at language models", llmAttempts(outside, page)),
    compared("tokens of language models", llmTokens(outside, page)),
    compared("caches", caches(app, page)),
  ];
}

function compared(name: string, pairs: readonly Pair[]): Comparison {
  const total = pairs.reduce((sum, { sent }) => sum + sent, 0);
  const differences = pairs
    .filter(({ sent, arrived }) => sent !== arrived)
    .map(({ what, sent, arrived }) => `${what}: ${sent} sent, ${arrived} arrived`);
  return { subject: `${name} (${total})`, differences };
}

const duration = "http_server_request_duration_seconds";
const aborted = "aborted";

/** By `GET /repos`, then by status or "aborted". */
type ByRoute = Map<string, Map<string, number>>;

/**
 * Of a request whose client went away, only the app knows whether it had answered before: it stands there as
 * aborted or under a status, but it must stand somewhere.
 */
function comparedRequests(outside: OutsideReport, page: Page): Comparison {
  const sent = sentByRoute(outside);
  const arrived = arrivedByRoute(page);
  const differences = Object.entries(outside.failed).map(
    ([reason, count]) => `${count} neither answered nor aborted: ${reason}`,
  );
  for (const route of new Set([...sent.keys(), ...arrived.keys()])) {
    const ofRoute = [sent.get(route) ?? new Map(), arrived.get(route) ?? new Map()] as const;
    differences.push(...differencesOf(route, ...ofRoute));
  }
  return { subject: `requests by route and status (${outside.sent})`, differences };
}

function differencesOf(
  route: string,
  sent: ReadonlyMap<string, number>,
  arrived: ReadonlyMap<string, number>,
): string[] {
  let unexplained = sent.get(aborted) ?? 0;
  const differences: string[] = [];
  for (const status of new Set([...sent.keys(), ...arrived.keys()])) {
    const [there, here] = [sent.get(status) ?? 0, arrived.get(status) ?? 0];
    if (status === aborted) unexplained -= here;
    else if (here > there && unexplained > 0) unexplained -= here - there;
    else if (here !== there) differences.push(`${route} ${status}: ${there} sent, ${here} arrived`);
  }
  if (unexplained !== 0) {
    differences.push(`${route} aborted: ${sent.get(aborted) ?? 0} sent, ${unexplained} missing`);
  }
  return differences;
}

function sentByRoute({ answered, aborted: gone }: OutsideReport): ByRoute {
  const routes: ByRoute = new Map();
  for (const [key, count] of Object.entries(answered)) {
    const space = key.lastIndexOf(" ");
    add(routes, key.slice(0, space), key.slice(space + 1), count);
  }
  for (const [route, count] of Object.entries(gone)) add(routes, route, aborted, count);
  return routes;
}

function arrivedByRoute(page: Page): ByRoute {
  const routes: ByRoute = new Map();
  for (const { labels, value } of page.series(duration)) {
    const route = labels["http_route"] ?? "-";
    // Knobs are turned by whoever likes.
    if (route === "/_demo") continue;
    const status = labels["http_response_status_code"] ?? labels["error_type"] ?? "";
    add(routes, `${labels["http_request_method"]} ${route}`, status, value);
  }
  return routes;
}

function add(routes: ByRoute, route: string, status: string, count: number): void {
  const ofRoute = routes.get(route) ?? new Map<string, number>();
  routes.set(route, ofRoute);
  ofRoute.set(status, (ofRoute.get(status) ?? 0) + count);
}

/** repomind_api_request_duration_seconds, which the service makes of the above. */
function seedLine(outside: OutsideReport, page: Page): Pair[] {
  return [...sentByRoute(outside)].map(([what, statuses]) => {
    const [method, route] = what.split(" ") as [string, string];
    const labels = { method, endpoint: route === "-" ? "" : route };
    const sent = [...statuses.values()].reduce((sum, count) => sum + count, 0);
    return { what, sent, arrived: page.value(seed, labels) };
  });
}

const rateLimits = ({ allowed, limited }: AppCounts, page: Page): Pair[] =>
  Object.entries({ allowed, limited }).map(([result, sent]) => ({
    what: result,
    sent,
    arrived: page.value("repomind_rate_limit_requests_total", { rate_limit_result: result }),
  }));

const queries = (app: AppCounts, page: Page): Pair[] =>
  byTypeAnd("outcome", app.queries, page, "repomind_query_duration_seconds");

const feedback = (outside: OutsideReport, page: Page): Pair[] =>
  byTypeAnd("rating", outside.feedback, page, "repomind_query_feedback_total");

/** Counts by `explain answered`, or `explain up`. What stands on the page is asked for too: it may be too much. */
function byTypeAnd(label: string, counts: Counts, page: Page, metric: string): Pair[] {
  const onPage = page
    .series(metric)
    .filter(({ value }) => value > 0)
    .map(({ labels }) => `${labels["repomind_query_type"]} ${labels[label]}`);
  return [...new Set([...Object.keys(counts), ...onPage])].map((what) => {
    const [type, other] = what.split(" ") as [string, string];
    const labels = { repomind_query_type: type, [label]: other };
    return { what, sent: counts[what] ?? 0, arrived: page.value(metric, labels) };
  });
}

/** One operation has one attempt and its retries. */
const llmAttempts = ({ models }: OutsideReport, page: Page): Pair[] =>
  models.map(({ provider, model, attempts }) => {
    const labels = { gen_ai_provider_name: provider, gen_ai_request_model: model };
    const operations = page.value("gen_ai_client_operation_duration_seconds", labels);
    const retries = page.value("repomind_llm_retries_total", labels);
    return { what: `${provider} ${model}`, sent: attempts, arrived: operations + retries };
  });

const llmTokens = ({ models }: OutsideReport, page: Page): Pair[] =>
  models.flatMap(({ provider, model, inputTokens, outputTokens }) =>
    Object.entries({ input: inputTokens, output: outputTokens }).map(([type, sent]) => {
      const labels = {
        gen_ai_provider_name: provider,
        gen_ai_request_model: model,
        gen_ai_token_type: type,
      };
      const arrived = page.sum("gen_ai_client_token_usage", labels);
      return { what: `${provider} ${model} ${type}`, sent, arrived };
    }),
  );

function caches(app: AppCounts, page: Page): Pair[] {
  return Object.entries(app.caches).flatMap(([name, counts]) => {
    const labels = { cache_name: name };
    const requests = (result: string) =>
      page.value("repomind_cache_requests_total", { ...labels, cache_result: result });
    const evictions = (reason: string) =>
      page.value("repomind_cache_evictions_total", { ...labels, cache_eviction_reason: reason });
    return [
      { what: `${name}, hits`, sent: counts.hits, arrived: requests("hit") },
      { what: `${name}, misses`, sent: counts.misses, arrived: requests("miss") },
      { what: `${name}, evicted`, sent: counts.evicted, arrived: evictions("capacity") },
      { what: `${name}, expired`, sent: counts.expired, arrived: evictions("ttl") },
      {
        what: `${name}, entries`,
        sent: counts.entries,
        arrived: page.value("repomind_cache_entries", labels),
      },
    ];
  });
}
