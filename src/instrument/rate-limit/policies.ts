/** The metrics of rate limits and their series, shared by all who say something of a policy. */
import { BoundedNames } from "../metrics/bounded-names.ts";
import type { Adder, Counter, Meter, Observe } from "../types.ts";

const maxPolicies = 20;
export const utilizationName = "repomind.rate_limit.utilization";

type Key = "rate_limit.policy" | "rate_limit.result";

/** What is known of one policy. */
class Policy {
  readonly allowed: Adder;
  readonly limited: Adder;
  readonly queued: Adder;
  readonly #attributes: { readonly "rate_limit.policy": string };
  #largest = Number.NaN;

  constructor(name: string, requests: Counter<Key>) {
    this.#attributes = { "rate_limit.policy": name };
    const bind = (result: string) =>
      requests.bind({ "rate_limit.policy": name, "rate_limit.result": result });
    this.allowed = bind("allowed");
    this.limited = bind("limited");
    this.queued = bind("queued");
  }

  /** The share of the limit that is used up; of several callers and moments the largest is kept. */
  used(utilization: number): void {
    if (!(utilization <= this.#largest)) this.#largest = utilization;
  }

  /** Says the largest since it was asked last, if there was one. */
  say(observe: Observe<"rate_limit.policy">): void {
    if (Number.isNaN(this.#largest)) return;
    observe(this.#largest, this.#attributes);
    this.#largest = Number.NaN;
  }
}

export class Policies {
  readonly #requests: Counter<Key>;
  readonly #names = new BoundedNames(maxPolicies);
  readonly #policies = new Map<string, Policy>();

  constructor(meter: Meter) {
    this.#requests = meter.counter("repomind.rate_limit.requests", {
      unit: "{request}",
      description: "Requests that a rate limit decided on, by its decision.",
      attributes: {
        "rate_limit.policy": "any",
        "rate_limit.result": ["allowed", "limited", "queued"],
      },
    });
    const options = {
      unit: "1",
      description: "The largest used share of a rate limit since the last collection.",
      attributes: ["rate_limit.policy"],
    } as const;
    meter.observe(utilizationName, "gauge", options, (observe) => {
      for (const policy of this.#policies.values()) policy.say(observe);
    });
  }

  of(given: string): Policy {
    const name = this.#names.admit(given);
    const known = this.#policies.get(name);
    if (known !== undefined) return known;
    const policy = new Policy(name, this.#requests);
    this.#policies.set(name, policy);
    return policy;
  }
}

const byMeter = new WeakMap<Meter, Policies>();

/** One for all: what the application says and what its headers say may be of the same policy. */
export function policiesOf(meter: Meter): Policies {
  const known = byMeter.get(meter);
  if (known !== undefined) return known;
  const policies = new Policies(meter);
  byMeter.set(meter, policies);
  return policies;
}
