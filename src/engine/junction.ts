/**
 * The edge that a component sees as its `next`: one or several branches behind one face. Owned by the engine
 * and re-targeted by a reload while the component keeps it.
 *
 * Fan-out (docs/architecture.md, Responsibility): all branches are asked first and handed over in one tick;
 * no branch ever takes a request twice because of another.
 */
import type { Budget, Context, Edge, Payload, Signal } from "../component.ts";
import { asTelemetryError, TelemetryError } from "../errors.ts";
import { budgetFull } from "../net/reservation.ts";
import type { Branch } from "./branch.ts";

/** Told of every request that a receiver hands over. */
export interface IntakeObserver {
  accepted(payload: Payload, context: Context): void;
  refused(payload: Payload, context: Context): void;
}

const done: Promise<void> = Promise.resolve();

export class Junction<S extends Signal = Signal> implements Edge<S> {
  branches: readonly Branch[] = [];
  readonly #budget: Budget;
  readonly #observer: IntakeObserver | undefined;
  #resumed: Promise<void> | undefined;
  #resume: ((error?: TelemetryError) => void) | undefined;

  constructor(budget: Budget, observer?: IntakeObserver) {
    this.#budget = budget;
    this.#observer = observer;
  }

  get assurance(): "held" | "kept" {
    return this.branches.every((branch) => branch.target.assurance === "kept") ? "kept" : "held";
  }

  /** Makes callers wait until `resume`: while a reload replaces what stands behind. */
  pause(): void {
    if (this.#resumed !== undefined) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Nobody may be waiting when it is refused.
    promise.catch(() => {});
    this.#resumed = promise;
    this.#resume = (error) => (error === undefined ? resolve() : reject(error));
  }

  resume(): void {
    this.#end();
  }

  /** The component that sends into it stops and waits for its requests: whoever waits here is refused. */
  refuseWaiting(): void {
    this.#end(
      new TelemetryError("SHUTTING_DOWN", "the pipeline is being replaced", { retryable: true }),
    );
  }

  #end(error?: TelemetryError): void {
    const resume = this.#resume;
    this.#resumed = undefined;
    this.#resume = undefined;
    resume?.(error);
  }

  /** Refused only if a healthy branch is not ready, or none is. While paused, what comes waits. */
  ready(payload: Payload<S>, context: Context): TelemetryError | undefined {
    if (this.#resumed !== undefined) return undefined;
    const { takers, refusal } = askAll(this.branches, payload, context);
    return takers.length > 0 && refusal === undefined ? undefined : (refusal ?? nothingConnected());
  }

  consume(payload: Payload<S>, context: Context): Promise<void> {
    if (payload.itemCount === 0) return done;
    const handedOver =
      this.#resumed === undefined
        ? this.#handOver(payload, context)
        : this.#waitAndHandOver(payload, context);
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

  /** Who waits is in the budget, and when it is full there is no waiting: a pause must not fill the memory. */
  async #waitAndHandOver(payload: Payload<S>, context: Context): Promise<void> {
    if (!this.#budget.tryReserve(payload.heldBytes)) throw budgetFull();
    try {
      while (this.#resumed !== undefined) await this.#resumed;
    } finally {
      this.#budget.release(payload.heldBytes);
    }
    return this.#handOver(payload, context);
  }

  #handOver(payload: Payload<S>, context: Context): Promise<void> {
    const branches = this.branches;
    // One branch needs no vote: what it refuses, the caller still has.
    const taken =
      branches.length === 1
        ? branches[0]!.consume(payload, context)
        : this.#fanOut(branches, payload, context);
    return taken.catch((error: unknown) => {
      // A reload is replacing what stands behind: its successor takes what it gave back.
      if (this.#resumed === undefined || asTelemetryError(error).code !== "SHUTTING_DOWN")
        throw error;
      return this.#waitAndHandOver(payload, context);
    });
  }

  #fanOut(branches: readonly Branch[], payload: Payload<S>, context: Context): Promise<void> {
    const vote = askAll(branches, payload, context);
    if (vote.refusal !== undefined) return Promise.reject(vote.refusal);
    if (vote.takers.length === 0) return Promise.reject(nothingConnected());
    const results = vote.takers.map((branch) => branch.consume(payload, context));
    return Promise.allSettled(results).then((outcomes) =>
      settleFanOut(vote, outcomes, payload, context),
    );
  }
}

interface Vote {
  readonly takers: readonly Branch[];
  /** Not ready, and no longer waited for. */
  readonly stalled: readonly Branch[];
  /** Will never take it: no reason to keep it from the others. */
  readonly rejecting: readonly Branch[];
  /** Why nothing may be handed over: a healthy branch is not ready, or no branch is. */
  readonly refusal: TelemetryError | undefined;
}

/** Asks every branch, also after a refusal: each keeps its own time of being unready. */
function askAll(branches: readonly Branch[], payload: Payload, context: Context): Vote {
  const takers: Branch[] = [];
  const stalled: Branch[] = [];
  const rejecting: Branch[] = [];
  let healthyRefusal: TelemetryError | undefined;
  let stalledRefusal: TelemetryError | undefined;
  let rejection: TelemetryError | undefined;
  for (const branch of branches) {
    const error = branch.ready(payload, context);
    if (error === undefined) takers.push(branch);
    else if (!error.retryable) {
      rejecting.push(branch);
      rejection ??= error;
    } else if (branch.stalled) {
      stalled.push(branch);
      stalledRefusal ??= error;
    } else healthyRefusal ??= error;
  }
  const nobody = takers.length === 0 ? (stalledRefusal ?? rejection) : undefined;
  return { takers, stalled, rejecting, refusal: healthyRefusal ?? nobody };
}

const nothingConnected = () =>
  new TelemetryError("NOT_READY", "no exporter is connected", { retryable: true });

/** After the hand-over: what a branch refused although a sibling has it stays with the branch. */
function settleFanOut(
  { takers, stalled, rejecting }: Vote,
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
  for (const branch of rejecting) branch.drop("rejected", payload.itemCount);
}
