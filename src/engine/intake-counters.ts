/** What receivers hand over, by outcome: `otelcol_receiver_accepted_*` and its like, `otelcol_receiver_requests`. */
import type { Payload, Signal } from "../component.ts";
import { itemNames } from "../pdata/payload.ts";
import type { MeterRegistry } from "../self-telemetry/meter.ts";

/**
 * failed is the Collector's outcome for errors of the receiver itself: what a receiver here cannot read it refuses
 * before it hands anything over, so there are none.
 */
const outcomes = { accepted: "success", refused: "refused", failed: "failure" } as const;
type Outcome = keyof typeof outcomes;
type ItemName = "spans" | "metric_points" | "log_records";

interface Counter {
  add(n: number): void;
}

interface Bound {
  readonly items: Counter;
  readonly requests: Counter | undefined;
}

/**
 * Bound counters of a receiver, by outcome, signal and transport. All outcomes exist from the first request on, as in
 * the Collector: a rate of what has never happened is 0.
 */
export class IntakeCounters {
  readonly #meters: MeterRegistry;
  readonly #receiver: string;
  readonly #countsRequests: boolean;
  readonly #bound = new Map<string, Bound>();

  constructor(meters: MeterRegistry, receiver: string, countsRequests: boolean) {
    this.#meters = meters;
    this.#receiver = receiver;
    this.#countsRequests = countsRequests;
  }

  count(outcome: "accepted" | "refused", { signal, itemCount }: Payload, transport = ""): void {
    const key = keyOf(outcome, signal, transport);
    let bound = this.#bound.get(key);
    if (bound === undefined) {
      this.#bind(signal, transport);
      bound = this.#bound.get(key)!;
    }
    bound.items.add(itemCount);
    bound.requests?.add(1);
  }

  #bind(signal: Signal, transport: string): void {
    const meter = this.#meters.meterFor({ receiver: this.#receiver, transport });
    const item = itemNames[signal] as ItemName;
    for (const outcome of Object.keys(outcomes) as Outcome[]) {
      const items = meter.counter(`otelcol_receiver_${outcome}_${item}`);
      const requests = this.#countsRequests
        ? meter.counter("otelcol_receiver_requests", { outcome: outcomes[outcome] })
        : undefined;
      this.#bound.set(keyOf(outcome, signal, transport), { items, requests });
    }
  }
}

const keyOf = (outcome: Outcome, signal: Signal, transport: string) =>
  `${outcome} ${signal} ${transport}`;
