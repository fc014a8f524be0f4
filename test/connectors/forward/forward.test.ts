import { expect, test } from "@jest/globals";
import { factory } from "../../../connectors/forward/factory.ts";
import type { Edge, Payload, Stage } from "../../../src/component.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { logsPayload } from "../../support/payloads.ts";
import { testBudget, testSettings } from "../../support/settings.ts";

const context = { receivedMs: 0 };
const never = new AbortController().signal;
const payload = logsPayload(["a", "b"]);
const busy = new TelemetryError("QUEUE_FULL", "sending queue is full", { retryable: true });
const wrong = new TelemetryError("BACKEND_REJECTED", "no", {});

/** An edge that answers with these errors in turn, and then takes everything. */
class ScriptedEdge implements Edge {
  readonly assurance = "held";
  readonly taken: Payload[] = [];
  calls = 0;
  unready: TelemetryError | undefined;
  readonly #answers: (TelemetryError | undefined)[];

  constructor(...answers: (TelemetryError | undefined)[]) {
    this.#answers = answers;
  }
  ready() {
    return this.unready;
  }
  consume(each: Payload) {
    this.calls++;
    const error = this.#answers.shift();
    if (error !== undefined) return Promise.reject(error);
    this.taken.push(each);
    return Promise.resolve();
  }
}

function forward(...edges: Edge[]) {
  const clock = new FakeClock();
  const settings = testSettings({ id: "forward", clock, budget: testBudget() });
  const next = new Map(edges.map((edge, i) => [`logs/${i}`, edge]));
  const stage: Stage = factory.create({ config: {}, from: "logs", to: "logs", next, settings });
  return { stage, clock, settings };
}

test("every pipeline gets the same payload", async () => {
  const edges = [new ScriptedEdge(), new ScriptedEdge()];
  const { stage } = forward(...edges);
  await stage.consume(payload, context);
  expect(edges.map(({ taken }) => taken)).toEqual([[payload], [payload]]);
});

test("what the only pipeline refuses is refused", async () => {
  const { stage, settings } = forward(new ScriptedEdge(busy));
  await expect(stage.consume(payload, context)).rejects.toBe(busy);
  expect(settings.budget.usedBytes).toBe(0);
});

test("where one pipeline is not ready, nothing is handed over", async () => {
  const edges = [new ScriptedEdge(), new ScriptedEdge()];
  edges[1]!.unready = busy;
  const { stage } = forward(...edges);
  expect(stage.ready?.(payload, context)).toBe(busy);
  await expect(stage.consume(payload, context)).rejects.toBe(busy);
  expect(edges[0]!.calls).toBe(0);
});

test("what all refuse is refused, retryably if one of them would take it later", async () => {
  const { stage } = forward(new ScriptedEdge(wrong), new ScriptedEdge(busy));
  await expect(stage.consume(payload, context)).rejects.toBe(busy);
});

test("what one refuses after another took it is handed to that one again, and only to it", async () => {
  const edges = [new ScriptedEdge(), new ScriptedEdge(busy, busy)];
  const { stage, clock, settings } = forward(...edges);
  await stage.consume(payload, context);
  expect(settings.budget.usedBytes).toBe(payload.heldBytes);
  expect(stage.ready?.(payload, context)).toMatchObject({ code: "NOT_READY", retryable: true });
  await clock.advance(100);
  expect(edges[1]!.taken).toEqual([]);
  await clock.advance(200);
  expect(edges.map(({ taken }) => taken)).toEqual([[payload], [payload]]);
  expect(settings.budget.usedBytes).toBe(0);
  expect(stage.ready?.(payload, context)).toBeUndefined();
  expect(settings.dropped.size).toBe(0);
});

test.each([
  ["at once", new ScriptedEdge(wrong)],
  ["later", new ScriptedEdge(busy, wrong)],
])("what one refuses for good %s is dropped and counted there", async (_, edge) => {
  const { stage, clock, settings } = forward(new ScriptedEdge(), edge);
  await stage.consume(payload, context);
  await clock.advance(100);
  expect(settings.dropped).toEqual(new Map([["rejected", 2]]));
  expect(settings.budget.usedBytes).toBe(0);
});

test("shutdown delivers what is held", async () => {
  const edge = new ScriptedEdge(busy);
  const { stage, clock } = forward(new ScriptedEdge(), edge);
  await stage.consume(payload, context);
  const stopped = stage.shutdown?.(never);
  await clock.advance(100);
  await stopped;
  expect(edge.taken).toEqual([payload]);
});

test("what is held when the time is up is dropped and counted", async () => {
  const { stage, settings } = forward(new ScriptedEdge(), new ScriptedEdge(busy));
  await stage.consume(payload, context);
  await stage.shutdown?.(AbortSignal.abort());
  await stage.shutdown?.(AbortSignal.abort());
  expect(settings.dropped).toEqual(new Map([["shutdown", 2]]));
});

test("it connects pipelines of the same signal", () => {
  expect(factory.pairs.map(({ from, to }) => `${from} ${to}`)).toEqual([
    "traces traces",
    "metrics metrics",
    "logs logs",
  ]);
});
