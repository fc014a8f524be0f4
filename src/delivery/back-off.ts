/** Waits between attempts: exponential with jitter (configretry, cenkalti/backoff). */
import type { DeliveryConfig } from "../config/fragments/delivery.ts";

type RetryConfig = DeliveryConfig["retry_on_failure"];

export class BackOff {
  readonly #config: RetryConfig;
  readonly #random: () => number;
  #intervalMs: number;

  constructor(config: RetryConfig, random: () => number) {
    this.#config = config;
    this.#random = random;
    this.#intervalMs = config.initial_interval;
  }

  /** The next wait; never shorter than what the server asked for. */
  nextMs(retryAfterMs = 0): number {
    const { randomization_factor, multiplier, max_interval } = this.#config;
    const spread = this.#intervalMs * randomization_factor;
    const waitMs = this.#intervalMs - spread + this.#random() * 2 * spread;
    this.#intervalMs = Math.min(this.#intervalMs * multiplier, max_interval);
    return Math.max(waitMs, retryAfterMs);
  }
}
