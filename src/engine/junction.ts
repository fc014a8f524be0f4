/**
 * The edge that a component sees as its `next`: one or several branches behind one face. Owned by the engine
 * and re-targeted by a reload while the component keeps it.
 *
 * Fan-out (docs/architecture.md, Responsibility): all branches are asked first and handed over in one tick;
 * no branch ever sees a request twice because of another.
 */
import type { Context, Edge, Payload, Signal } from "../component.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import type { Branch } from "./branch.ts";

/** Told of every request that a receiver hands over. */
export interface IntakeObserver {
  accepted(payload: Payload, context: Context): void;
  refused(payload: Payload, context: Context): void;
}

const done: Promise<void> = Promise.resolve();

export class Junction<S extends Signal = Signal> implements Edge<S> {
  branches: readonly Branch[] = [];
  readonly #observer: IntakeObserver | undefined;
  #resumed: Promise<void> | undefined;
  #resume: (() => void) | undefined;

  constructor(observer?: IntakeObserver) {
    this.#observer = observer;
  }

  get assurance(): "held" | "kept" {
    return this.branches.every((branch) => branch.target.assurance === "kept") ? "kept" : "held";
  }

  /** Makes callers wait until `resume`: while a reload replaces what stands behind. */
  pause(): void {
    if (this.#resumed !== undefined) return;
    this.#resumed = new Promise((resolve) => {
      this.#resume = resolve;
    });
  }

  resume(): void {
    this.#resume?.();
    this.#resumed = undefined;
    this.#resume = undefined;
  }

  /** Refused only if a healthy branch is not ready, or none is. */
  ready(payload: Payload<S>, context: Context): TelemetryError | undefined {
    const { takers, refusal } = askAll(this.branches, payload, context);
    return takers.length > 0 && refusal === undefined ? undefined : (refusal ?? nothingConnected());
  }

  consume(payload: Payload<S>, context: Context): Promise<void> {
    if (payload.itemCount === 0) return done;
    const handedOver =
      this.#resumed === undefined
        ? this.#handOver(payload, context)
        : this.#resumed.then(() => this.#handOver(payload, context));
    const observer = this.#observer;
    if (observer === undefined) return handedOver;
    return handedOver.then(
      () => observer.accepted(payload, context),
      (error: unknown) => {
        observer.refused(payload, context);
        throw error;
      },
    );
  }

  #handOver(payload: Payload<S>, context: Context): Promise<void> {
    const branches = this.branches;
    // One branch needs no vote: what it refuses, the caller still has.
    if (branches.length === 1) return branches[0]!.consume(payload, context);
    return this.#fanOut(branches, payload, context);
  }

  #fanOut(branches: readonly Branch[], payload: Payload<S>, context: Context): Promise<void> {
    const { takers, stalled, refusal } = askAll(branches, payload, context);
    if (refusal !== undefined) return Promise.reject(refusal);
    if (takers.length === 0) return Promise.reject(nothingConnected());
    const results = takers.map((branch) => branch.consume(payload, context));
    return Promise.allSettled(results).then((outcomes) =>
      settleFanOut(takers, stalled, outcomes, payload, context),
    );
  }
}

interface Vote {
  readonly takers: readonly Branch[];
  /** Not ready, and no longer waited for. */
  readonly stalled: readonly Branch[];
  /** Why nothing may be handed over: a healthy branch is not ready, or no branch is. */
  readonly refusal: TelemetryError | undefined;
}

/** Asks every branch, also after a refusal: each keeps its own time of being unready. */
function askAll(branches: readonly Branch[], payload: Payload, context: Context): Vote {
  const takers: Branch[] = [];
  const stalled: Branch[] = [];
  let healthyRefusal: TelemetryError | undefined;
  let stalledRefusal: TelemetryError | undefined;
  for (const branch of branches) {
    const error = branch.ready(payload, context);
    if (error === undefined) takers.push(branch);
    else if (branch.stalled) {
      stalled.push(branch);
      stalledRefusal ??= error;
    } else healthyRefusal ??= error;
  }
  const refusal = healthyRefusal ?? (takers.length === 0 ? stalledRefusal : undefined);
  return { takers, stalled, refusal };
}

const nothingConnected = () =>
  new TelemetryError("NOT_READY", "no exporter is connected", { retryable: true });

/** After the hand-over: what a branch refused although a sibling has it stays with the branch. */
function settleFanOut(
  takers: readonly Branch[],
  stalled: readonly Branch[],
  outcomes: readonly PromiseSettledResult<void>[],
  payload: Payload,
  context: Context,
): void {
  const errors = outcomes.map((outcome) =>
    outcome.status === "rejected" ? asTelemetryError(outcome.reason) : undefined,
  );
  if (errors.every((error) => error !== undefined)) {
    // Nobody has it: the caller keeps it, and may try again if any branch would let it.
    throw errors.find((error) => error.retryable) ?? errors[0]!;
  }
  for (let i = 0; i < takers.length; i++) {
    const error = errors[i];
    if (error === undefined) continue;
    if (error.retryable) takers[i]!.keep(payload, context);
    else takers[i]!.drop("rejected", payload.itemCount);
  }
  for (const branch of stalled) branch.drop("queue_full", payload.itemCount);
}
