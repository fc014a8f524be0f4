import type { Problems } from "../problems.ts";
import { runtimeFor } from "../runtime.ts";
import { policiesOf, utilizationName } from "./policies.ts";

/** What an application says of one policy; the functions need no `this`. */
export interface RateLimit {
  allowed: () => void;
  limited: () => void;
  queued: () => void;
  /** How much of the limit is used up; between two collections the largest share counts. */
  usage: (used: number, limit?: number) => void;
}

/** Counts what a rate limit decides. Policies have names of few values, never callers; beyond 20 they are "_OTHER". */
export function rateLimit(policy: string, limit?: number): RateLimit {
  const runtime = runtimeFor("rateLimit()");
  if (runtime === undefined) return withoutEffect;
  const { meter, problems } = runtime;
  const series = policiesOf(meter).of(policy);
  return {
    allowed: () => series.allowed.add(1),
    limited: () => series.limited.add(1),
    queued: () => series.queued.add(1),
    usage(used, ownLimit = limit) {
      const utilization = utilizationOf(used, ownLimit, problems);
      if (utilization !== undefined) series.used(utilization);
    },
  };
}

const withoutEffect: RateLimit = {
  allowed() {},
  limited() {},
  queued() {},
  usage() {},
};

function utilizationOf(used: unknown, limit: unknown, problems: Problems): number | undefined {
  const areNumbers = typeof used === "number" && typeof limit === "number";
  if (areNumbers && used >= 0 && used < Infinity && limit > 0) return used / limit;
  const message = `${utilizationName}: ${shown(used)} of ${shown(limit)} is not recorded`;
  problems.report("invalid_value", message, utilizationName);
  return undefined;
}

const shown = (value: unknown) =>
  value === undefined || typeof value === "number" ? String(value) : `a ${typeof value}`;
