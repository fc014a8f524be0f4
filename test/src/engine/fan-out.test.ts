import { beforeEach, describe, expect, test } from "@jest/globals";
import type { Context, Payload } from "../../../src/component.ts";
import { Branch, type BranchDeps, type Target } from "../../../src/engine/branch.ts";
import { Junction } from "../../../src/engine/junction.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { silentLogger } from "../../../src/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { testBudget } from "../../support/settings.ts";

const context: Context = { receivedMs: 0 };
const full = () => new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });
const rejected = () => new TelemetryError("BACKEND_REJECTED", "no", { retryable: false });

/** A target that answers as the test says. */
class ScriptedTarget implements Target {
  readonly assurance = "held";
  readonly taken: string[] = [];
  refusal: TelemetryError | undefined;
  /** Said by consume although ready said yes. */
  surprise: TelemetryError | undefined;
  successMs = 0;

  ready() {
    return this.refusal;
  }
  lastSuccessMs() {
    return this.successMs;
  }
  consume(payload: Payload): Promise<void> {
    const error = this.refusal ?? this.surprise;
    if (error !== undefined) return Promise.reject(error);
    this.taken.push(...bodiesOf(payload));
    return Promise.resolve();
  }
}

let clock: FakeClock;
let budget: ReturnType<typeof testBudget>;
let a: ScriptedTarget;
let b: ScriptedTarget;
let junction: Junction;
let branches: Branch[];

beforeEach(() => {
  clock = new FakeClock();
  budget = testBudget();
  a = new ScriptedTarget();
  b = new ScriptedTarget();
  const deps: BranchDeps = { clock, log: silentLogger, budget, drop() {} };
  branches = [a, b].map(
    (target, i) =>
      new Branch(
        { from: "r", to: `e${i}`, pipeline: "logs", signal: "logs" },
        `e${i}`,
        target,
        deps,
      ),
  );
  junction = new Junction(budget);
  junction.branches = branches;
});

const send = (name: string) => junction.consume(logsPayload([name]), context);

describe("fan-out", () => {
  test("hands every branch the request once", async () => {
    await send("x");
    expect([a.taken, b.taken]).toEqual([["x"], ["x"]]);
    expect(branches.map((branch) => branch.counts().items)).toEqual([1, 1]);
  });

  test("refuses retryably and hands nothing over when one branch is not ready", async () => {
    b.refusal = full();
    await expect(send("x")).rejects.toMatchObject({ code: "QUEUE_FULL", retryable: true });
    expect([a.taken, b.taken]).toEqual([[], []]);
  });

  test("keeps what a branch refuses after its sibling accepted, and retries that branch alone", async () => {
    b.surprise = full();
    await send("x");
    expect(branches[1]!.counts()).toMatchObject({ heldItems: 1, items: 0 });
    expect(budget.usedBytes).toBeGreaterThan(0);
    await expect(send("y")).rejects.toMatchObject({ code: "NOT_READY" });
    b.surprise = undefined;
    await clock.advance(200);
    expect([a.taken, b.taken]).toEqual([["x"], ["x"]]);
    expect(branches[1]!.counts()).toMatchObject({ heldItems: 0, heldBytes: 0, items: 1 });
    expect(budget.usedBytes).toBe(0);
    await send("y");
    expect(b.taken).toEqual(["x", "y"]);
  });

  test("drops and counts what a branch refuses for good after its sibling accepted", async () => {
    b.surprise = rejected();
    await send("x");
    expect(a.taken).toEqual(["x"]);
    expect(branches[1]!.counts().dropped).toEqual(new Map([["rejected", 1]]));
  });

  test("tells the caller when no branch has it", async () => {
    a.surprise = rejected();
    b.surprise = full();
    await expect(send("x")).rejects.toMatchObject({ code: "QUEUE_FULL", retryable: true });
  });

  test("goes on without a branch that stayed full for 5 s, dropping what does not fit", async () => {
    b.refusal = full();
    await expect(send("1")).rejects.toThrow("sending queue is full");
    await clock.advance(4999);
    await expect(send("2")).rejects.toThrow("sending queue is full");
    await clock.advance(1);
    await send("3");
    expect(a.taken).toEqual(["3"]);
    expect(branches[1]!.counts().dropped).toEqual(new Map([["queue_full", 1]]));
    // It takes what fits while stalled.
    b.refusal = undefined;
    await send("4");
    expect([a.taken, b.taken]).toEqual([["3", "4"], ["4"]]);
    // Full again: still stalled until a push succeeds.
    b.refusal = full();
    await send("5");
    b.successMs = clock.monotonicMs() + 1;
    await clock.advance(2);
    await expect(send("6")).rejects.toThrow("sending queue is full");
    expect(branches[1]!.stalled).toBe(false);
  });

  test("refuses when every branch is stalled", async () => {
    a.refusal = full();
    b.refusal = full();
    await expect(send("1")).rejects.toThrow("sending queue is full");
    await clock.advance(5000);
    await expect(send("2")).rejects.toMatchObject({ retryable: true });
    expect(branches.map((branch) => branch.stalled)).toEqual([true, true]);
    expect([a.taken, b.taken]).toEqual([[], []]);
  });

  test("memory pressure never makes a branch stalled", async () => {
    b.refusal = new TelemetryError("MEMORY_LIMITED", "data refused due to high memory usage", {
      retryable: true,
    });
    await expect(send("1")).rejects.toThrow("data refused due to high memory usage");
    await clock.advance(60_000);
    await expect(send("2")).rejects.toThrow("data refused due to high memory usage");
  });

  test("what is kept at the end is handed over, or dropped and counted when the time is up", async () => {
    b.surprise = full();
    await send("x");
    const controller = new AbortController();
    const flushed = branches[1]!.flush(controller.signal);
    await clock.advance(10);
    controller.abort(new Error("time is up"));
    await flushed;
    expect(branches[1]!.counts()).toMatchObject({ heldItems: 0, heldBytes: 0 });
    expect(branches[1]!.counts().dropped).toEqual(new Map([["shutdown", 1]]));
    expect(budget.usedBytes).toBe(0);
  });
});

test("a paused junction makes callers wait, then hands over to what stands there", async () => {
  junction.pause();
  const sent = send("x");
  expect(a.taken).toEqual([]);
  junction.resume();
  await sent;
  expect(a.taken).toEqual(["x"]);
});

test("a single branch is not asked before: its refusal reaches the caller unchanged", async () => {
  junction.branches = [branches[0]!];
  a.refusal = full();
  await expect(send("x")).rejects.toMatchObject({ code: "QUEUE_FULL" });
  expect(branches[0]!.counts()).toMatchObject({ refusedItems: 1, heldItems: 0 });
});

describe("what a branch refuses for good when asked", () => {
  const tooLarge = () =>
    new TelemetryError("TOO_LARGE", "element size too large: 5, queue_size is 2");

  test("goes to its siblings, and is dropped and counted there", async () => {
    b.refusal = tooLarge();
    await send("x");
    expect([a.taken, b.taken]).toEqual([["x"], []]);
    expect(branches[1]!.counts().dropped).toEqual(new Map([["rejected", 1]]));
  });

  test("is refused for good when no sibling can take it, and nothing is dropped", async () => {
    a.refusal = tooLarge();
    b.refusal = tooLarge();
    await expect(send("x")).rejects.toMatchObject({ code: "TOO_LARGE", retryable: false });
    expect(branches.map((branch) => branch.counts().dropped.size)).toEqual([0, 0]);
  });

  test("is refused retryably while a sibling is not ready", async () => {
    a.refusal = full();
    b.refusal = tooLarge();
    await expect(send("x")).rejects.toMatchObject({ code: "QUEUE_FULL", retryable: true });
    expect(branches[1]!.counts().dropped.size).toBe(0);
  });
});

test("what is handed over again is in the budget once", async () => {
  b.surprise = full();
  await send("x");
  const { heldBytes } = branches[1]!.counts();
  expect(budget.usedBytes).toBe(heldBytes);
  let bookedAtCall = -1;
  b.consume = (payload) => {
    bookedAtCall = budget.usedBytes;
    budget.reserve(payload.heldBytes);
    return Promise.resolve();
  };
  b.surprise = undefined;
  await clock.advance(200);
  expect(bookedAtCall).toBe(0);
  expect(budget.usedBytes).toBe(heldBytes);
});

test("a target that throws instead of rejecting is a refusal like any other", async () => {
  b.consume = () => {
    throw new Error("defect");
  };
  await send("x");
  expect(a.taken).toEqual(["x"]);
  expect(branches[1]!.counts().dropped).toEqual(new Map([["rejected", 1]]));
});

test("while paused a junction is ready, and refuses those that wait only when told to", async () => {
  a.refusal = full();
  junction.pause();
  expect(junction.ready(logsPayload(["x"]), context)).toBeUndefined();
  const sent = send("x");
  const outcome = sent.catch((error: unknown) => error);
  expect(budget.usedBytes).toBeGreaterThan(0);
  junction.refuseWaiting();
  expect(await outcome).toMatchObject({ code: "SHUTTING_DOWN", retryable: true });
  expect(budget.usedBytes).toBe(0);
});

describe("what is on its way when a branch's time is up", () => {
  test.each([
    ["is taken", undefined, { items: 1 }, new Map<string, number>()],
    ["is refused", full(), { items: 0 }, new Map([["shutdown", 1]])],
  ])("and %s is counted once", async (_name, late, expected, dropped) => {
    b.surprise = full();
    await send("x");
    let answer: () => void = () => {};
    b.consume = () =>
      new Promise((resolve, reject) => {
        answer = () => (late === undefined ? resolve() : reject(late));
      });
    b.surprise = undefined;
    await clock.advance(200);
    await branches[1]!.flush(AbortSignal.abort());
    expect(branches[1]!.counts().dropped.size).toBe(0);
    answer();
    await clock.advance(0);
    expect(branches[1]!.counts()).toMatchObject({
      ...expected,
      heldItems: 0,
      heldBytes: 0,
      dropped,
    });
    expect(budget.usedBytes).toBe(0);
    expect(clock.pending).toBe(0);
  });
});
