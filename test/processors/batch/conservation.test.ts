/** items in == items out + held + dropped, and the budget is exact at every step, whatever happens. */
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { BatchStage } from "../../../processors/batch/batch.ts";
import { config } from "../../../processors/batch/config.ts";
import type { Context, HeldPayload, Payload } from "../../../src/component.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { createPayload, signals } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { flattenPayload } from "../../support/otlp-flatten.ts";
import { randomRequest } from "../../support/otlp-random.ts";
import { ScriptedEdge } from "../../support/scripted-edge.ts";
import { testBudget, testSettings } from "../../support/settings.ts";

const retryable = new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });
const permanent = new TelemetryError("BACKEND_REJECTED", "no", { retryable: false });

const steps = fc.array(
  fc.oneof(
    fc.record({
      do: fc.constant("send" as const),
      seed: fc.integer(),
      tenant: fc.integer({ min: 0, max: 2 }),
    }),
    fc.record({ do: fc.constant("advance" as const), ms: fc.integer({ min: 0, max: 3000 }) }),
    fc.record({
      do: fc.constant("answer" as const),
      refusal: fc.constantFrom(undefined, undefined, retryable, permanent),
      isSlow: fc.boolean(),
    }),
    fc.record({ do: fc.constant("settle" as const) }),
  ),
  { minLength: 1, maxLength: 40 },
);

const options = fc.record({
  timeout: fc.constantFrom("0s", "100ms", "1s"),
  send_batch_size: fc.constantFrom(0, 1, 5, 20),
  send_batch_max_size: fc.constantFrom(0, 20, 33),
  metadata_keys: fc.constantFrom([], ["tenant"]),
  metadata_cardinality_limit: fc.constantFrom(0, 2),
});

const ends = fc.record({
  how: fc.constantFrom("surrender" as const, "shutdown" as const),
  /** The shutdown has no time. */
  isLate: fc.boolean(),
  refusal: fc.constantFrom(undefined, retryable, permanent),
});

/** Items with all that is around them; JSON, to compare in any order. */
const itemsOf = (payloads: readonly Payload[]) =>
  payloads.flatMap(flattenPayload).map((item) => JSON.stringify(item));

class World {
  readonly clock = new FakeClock();
  readonly budget = testBudget();
  readonly next = new ScriptedEdge(this.budget);
  readonly settings = testSettings({ clock: this.clock, budget: this.budget });
  readonly stage: BatchStage;
  readonly accepted: Payload[] = [];
  readonly surrendered: HeldPayload[] = [];

  constructor(body: object) {
    this.stage = new BatchStage({
      config: config.parse(body),
      settings: this.settings,
      next: this.next,
    });
  }

  async send(payload: Payload, tenant: number): Promise<void> {
    const context: Context = { receivedMs: 0, metadata: new Map([["tenant", [String(tenant)]]]) };
    await this.stage.consume(payload, context).then(
      () => this.accepted.push(payload),
      (error: unknown) => {
        if (!(error instanceof TelemetryError)) throw error;
      },
    );
  }

  async end({ how, isLate }: { how: string; isLate: boolean }): Promise<void> {
    const abort = new AbortController();
    if (isLate) abort.abort();
    const ended =
      how === "surrender"
        ? this.stage.surrender().then((given) => this.surrendered.push(...given))
        : this.stage.shutdown(abort.signal);
    for (let i = 0; i < 5; i++) {
      while (this.next.waiting > 0) {
        this.next.answer();
        await this.clock.advance(0);
      }
      await this.clock.advance(6000);
    }
    abort.abort();
    await this.clock.advance(0);
    await ended;
  }

  get dropped(): number {
    return [...this.settings.dropped.values()].reduce((sum, items) => sum + items, 0);
  }
}

const count = (payloads: readonly Payload[]) =>
  payloads.reduce((sum, { itemCount }) => sum + itemCount, 0);

test("nothing is lost, doubled or booked wrongly", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...signals),
      options.filter(
        (o) => o.send_batch_max_size === 0 || o.send_batch_max_size >= o.send_batch_size,
      ),
      steps,
      ends,
      async (signal, body, script, end) => {
        const world = new World(body);
        const { next, clock, stage } = world;
        for (const step of script) {
          if (step.do === "send") {
            const bytes = randomRequest(signal, step.seed, { order: "shuffled", unknown: true });
            const items = verify(signal, bytes);
            if (items > 0) await world.send(createPayload(signal, [bytes], [items]), step.tenant);
          } else if (step.do === "advance") await clock.advance(step.ms);
          else if (step.do === "settle") next.answer();
          else Object.assign(next, { refusal: step.refusal, isSlow: step.isSlow });
          await clock.advance(0);
          // What is on its way is still the stage's, and booked once: by the next component.
          expect(world.budget.usedBytes).toBe(stage.held().bytes);
          const out = count(next.payloads) + stage.held().items + world.dropped;
          expect(out).toBe(count(world.accepted));
        }
        Object.assign(next, { refusal: end.refusal, isSlow: false });
        await world.end(end);
        const out = [...next.payloads, ...world.surrendered.map(({ payload }) => payload)];
        expect(count(out) + world.dropped).toBe(count(world.accepted));
        expect(stage.held()).toEqual({ items: 0, bytes: 0 });
        expect(world.budget.usedBytes).toBe(0);
        expect(clock.pending).toBe(0);
        if (world.dropped > 0) return;
        const sent = itemsOf(out);
        const taken = itemsOf(world.accepted);
        // Without tenants there is one order for all.
        const isOrdered = body.metadata_keys.length === 0;
        expect(isOrdered ? sent : sent.toSorted()).toEqual(isOrdered ? taken : taken.toSorted());
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);
