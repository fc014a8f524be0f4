/**
 * Whatever the branches of a fan-out answer: refused means that no branch has it, accepted means that every branch
 * got it once, still keeps it, or has counted it as dropped.
 */
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import type { Context, Payload } from "../../../src/component.ts";
import { Branch, type BranchDeps, type Target } from "../../../src/engine/branch.ts";
import { Junction } from "../../../src/engine/junction.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { silentLogger } from "../../../src/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { testBudget } from "../../support/settings.ts";

const context: Context = { receivedMs: 0 };
const errors = {
  full: new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true }),
  memory: new TelemetryError("MEMORY_LIMITED", "data refused", { retryable: true }),
  never: new TelemetryError("BACKEND_REJECTED", "no", { retryable: false }),
  defect: new Error("a defect"),
};

interface Mood {
  readonly ready: "yes" | "full" | "memory" | "never";
  readonly consume: "yes" | "full" | "memory" | "never" | "defect" | "throws";
  /** Answers only some time later. */
  readonly delayMs: number;
}

const moods: fc.Arbitrary<Mood> = fc.record({
  ready: fc.constantFrom("yes", "yes", "yes", "full", "memory", "never"),
  consume: fc.constantFrom("yes", "yes", "yes", "full", "memory", "never", "defect", "throws"),
  delayMs: fc.constantFrom(0, 0, 0, 50, 7000),
});

class MoodyTarget implements Target {
  readonly assurance = "held";
  readonly taken: string[] = [];
  mood: Mood = { ready: "yes", consume: "yes", delayMs: 0 };
  successMs = 0;
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  lastSuccessMs(): number {
    return this.successMs;
  }

  ready(): TelemetryError | undefined {
    return this.mood.ready === "yes" ? undefined : errors[this.mood.ready];
  }

  consume(payload: Payload): Promise<void> {
    const { consume, delayMs } = this.mood;
    if (consume === "throws") throw errors.defect;
    const answer = () => {
      if (consume !== "yes") return Promise.reject(errors[consume]);
      this.taken.push(...bodiesOf(payload));
      this.successMs = this.#clock.monotonicMs();
      return Promise.resolve();
    };
    if (delayMs === 0) return answer();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#clock.after(delayMs, () => resolve(answer()));
    return promise;
  }
}

class World {
  readonly clock = new FakeClock();
  readonly budget = testBudget();
  readonly targets: MoodyTarget[];
  readonly branches: Branch[];
  readonly junction: Junction;
  readonly accepted = new Set<string>();
  readonly refused = new Set<string>();
  readonly #open: Promise<void>[] = [];

  constructor(count: number) {
    const deps: BranchDeps = {
      clock: this.clock,
      log: silentLogger,
      budget: this.budget,
      drop() {},
    };
    this.targets = Array.from({ length: count }, () => new MoodyTarget(this.clock));
    this.branches = this.targets.map((target, i) => {
      const name = { from: "r", to: `e${i}`, pipeline: "logs", signal: "logs" } as const;
      return new Branch(name, `exporter:e${i}`, target, deps);
    });
    this.junction = new Junction(this.budget);
    this.junction.branches = this.branches;
  }

  send(name: string): void {
    const sent = this.junction.consume(logsPayload([name]), context).then(
      () => void this.accepted.add(name),
      (error: unknown) => {
        if (!(error instanceof TelemetryError)) throw error;
        this.refused.add(name);
      },
    );
    this.#open.push(sent);
  }

  async answered(): Promise<void> {
    await this.clock.advance(7000);
    await Promise.all(this.#open);
  }
}

const scripts = fc.record({
  branches: fc.integer({ min: 2, max: 3 }),
  steps: fc.array(
    fc.oneof(
      { arbitrary: fc.record({ do: fc.constant("send" as const) }), weight: 3 },
      {
        arbitrary: fc.record({
          do: fc.constant("mood" as const),
          branch: fc.integer({ min: 0, max: 2 }),
          mood: moods,
        }),
        weight: 2,
      },
      {
        arbitrary: fc.record({
          do: fc.constant("wait" as const),
          ms: fc.constantFrom(0, 30, 150, 3000, 6000),
        }),
        weight: 2,
      },
    ),
    { minLength: 1, maxLength: 40 },
  ),
  end: fc.constantFrom("well" as const, "late" as const),
});

test("no branch gets a request twice, nothing accepted is lost, refused means that nobody has it", async () => {
  await fc.assert(
    fc.asyncProperty(scripts, async ({ branches: count, steps, end }) => {
      const world = new World(count);
      const { targets, branches, clock } = world;
      let sent = 0;
      for (const step of steps) {
        if (step.do === "send") world.send(`n${sent++}`);
        else if (step.do === "wait") await clock.advance(step.ms);
        else if (step.branch < count) targets[step.branch]!.mood = step.mood;
        const held = branches.reduce((sum, branch) => sum + branch.counts().heldBytes, 0);
        // What is on its way to a target once more is the target's to book; here it books nothing.
        expect(world.budget.usedBytes).toBeLessThanOrEqual(held);
      }
      await world.answered();
      if (end === "well") {
        for (const target of targets) target.mood = { ready: "yes", consume: "yes", delayMs: 0 };
        await clock.advance(60_000);
      } else {
        const flushed = branches.map((branch) => branch.flush(AbortSignal.abort()));
        await clock.advance(60_000);
        await Promise.all(flushed);
      }
      expect(world.accepted.size + world.refused.size).toBe(sent);
      for (const [i, target] of targets.entries()) {
        const { items, heldItems, heldBytes, dropped } = branches[i]!.counts();
        expect(new Set(target.taken).size).toBe(target.taken.length);
        expect(target.taken.filter((name) => world.refused.has(name))).toEqual([]);
        const lost = [...dropped.values()].reduce((sum, n) => sum + n, 0);
        expect(items).toBe(target.taken.length);
        expect(target.taken.length + lost).toBe(world.accepted.size);
        expect({ heldItems, heldBytes }).toEqual({ heldItems: 0, heldBytes: 0 });
      }
      expect(world.budget.usedBytes).toBe(0);
    }),
    { numRuns: 400 },
  );
}, 60_000);
