/** Waits between attempts: exponential with jitter (configretry). */
import type { DeliveryConfig } from "../config/fragments/delivery.ts";

type RetryConfig = DeliveryConfig["retry_on_failure"];

export class BackOff {
  readonly #config: RetryConfig;
  readonly #random: () => number;
  #intervalMs: number;

  /** `random`: evenly distributed in [0, 1). */
  constructor(config: RetryConfig, random: () => number) {
    this.#config = config;
    this.#random = random;
    this.#intervalMs = config.initial_interval;
  }

  /** The next wait: the interval give or take randomization_factor. */
  nextMs(): number {
    const { randomization_factor, multiplier, max_interval } = this.#config;
    const spreadMs = this.#intervalMs * randomization_factor;
    const waitMs = this.#intervalMs - spreadMs + this.#random() * 2 * spreadMs;
    this.#intervalMs = Math.min(this.#intervalMs * multiplier, max_interval);
    return waitMs;
  }
}
