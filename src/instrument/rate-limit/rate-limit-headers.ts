import type { ServerResponse } from "node:http";
import { messageOf, type Problems } from "../problems.ts";
import type { Meter } from "../types.ts";
import { type Policies, policiesOf } from "./policies.ts";
import { type RateLimitReading, readRateLimits } from "./read-rate-limits.ts";

const mention = /\n(?:x-)?ratelimit/iu;

/**
 * Reads rate limits from the responses that servers send. What remains is a caller's own, so that the largest use of
 * all callers is kept. A response without such headers says nothing: it may not be limited at all.
 */
export class RateLimitHeaders {
  readonly #policies: Policies;
  readonly #problems: Problems;

  constructor(meter: Meter, problems: Problems) {
    this.#policies = policiesOf(meter);
    this.#problems = problems;
  }

  /** To be called when a response was sent; never throws. */
  read(response: ServerResponse): void {
    try {
      const head = headOf(response);
      if (typeof head === "string" && mention.test(head)) this.#read(head, response.statusCode);
    } catch (error) {
      this.#problems.report("http_failed", `cannot read rate limits: ${messageOf(error)}`);
    }
  }

  #read(head: string, status: number): void {
    const readings = readRateLimits(head);
    const isRefused = status === 429;
    // Of several policies the one that is used up refused; if none says so, all may have.
    const isAnySpent = readings.some(isSpent);
    for (const reading of readings) {
      const policy = this.#policies.of(reading.policy);
      const isLimited = isRefused && (isSpent(reading) || !isAnySpent);
      (isLimited ? policy.limited : policy.allowed).add(1);
      const utilization = utilizationOf(reading);
      if (utilization !== undefined) policy.used(utilization);
    }
  }
}

/** As it was sent: `getHeader` does not know what was given to `writeHead`, by which Fastify and Hono send. */
const headOf = (response: ServerResponse) =>
  (response as unknown as Readonly<Record<string, unknown>>)["_header"];

const isSpent = ({ remaining }: RateLimitReading) => remaining !== undefined && remaining <= 0;

function utilizationOf({ limit, remaining }: RateLimitReading): number | undefined {
  if (limit === undefined || remaining === undefined || limit <= 0) return undefined;
  return Math.max(0, 1 - remaining / limit);
}
