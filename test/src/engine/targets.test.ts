/** What is measured of a processor, be it a pure function or a stage. */
import { expect, test } from "@jest/globals";
import { systemClock } from "../../../src/clock.ts";
import type { Payload, Stage } from "../../../src/component.ts";
import type { Junction } from "../../../src/engine/junction.ts";
import { MeasuredStage, StageOutput, TransformTarget } from "../../../src/engine/targets.ts";
import { logsPayload } from "../../support/payloads.ts";

/** A transform that takes 5 ms, before a neighbour that takes a minute. */
async function measured(transform: (payload: Payload) => Payload | undefined) {
  let nowMs = 0;
  const seen = { incoming: 0, outgoing: 0, seconds: [] as number[], passed: 0 };
  const next = {
    consume: (payload: Payload) => {
      seen.passed += payload.itemCount;
      nowMs += 60_000;
      return Promise.resolve();
    },
  } as unknown as Junction;
  const slowly = (payload: Payload) => {
    nowMs += 5;
    return transform(payload);
  };
  const target = new TransformTarget(slowly, next, {
    incoming: { add: (n) => void (seen.incoming += n) },
    outgoing: { add: (n) => void (seen.outgoing += n) },
    duration: { record: (value) => void seen.seconds.push(value) },
    clock: { ...systemClock, monotonicMs: () => nowMs },
  });
  await target.consume(logsPayload(["a", "b"]), { receivedMs: 0 });
  return seen;
}

test("items in and out, and the seconds of the processor itself", async () => {
  expect(await measured((payload) => payload)).toEqual({
    incoming: 2,
    outgoing: 2,
    seconds: [0.005],
    passed: 2,
  });
});

test("what it drops went in and not out", async () => {
  expect(await measured(() => undefined)).toEqual({
    incoming: 2,
    outgoing: 0,
    seconds: [0.005],
    passed: 0,
  });
});

/** A stage that takes 5 ms before and 2 ms after it sends on, before a neighbour that takes a minute. */
async function measuredStage(sends: boolean) {
  let nowMs = 0;
  const seen = { incoming: 0, outgoing: 0, seconds: [] as number[] };
  const next = {
    consume: () => {
      nowMs += 60_000;
      return Promise.resolve();
    },
  } as unknown as Junction;
  const measures = {
    incoming: { add: (n: number) => void (seen.incoming += n) },
    outgoing: { add: (n: number) => void (seen.outgoing += n) },
    duration: { record: (value: number) => void seen.seconds.push(value) },
    clock: { ...systemClock, monotonicMs: () => nowMs },
  };
  const output = new StageOutput(next, measures);
  const stage: Stage = {
    consume: (payload, context) => {
      nowMs += 5;
      const sent = sends ? output.consume(payload, context) : Promise.resolve();
      nowMs += 2;
      return sent;
    },
  };
  const target = new MeasuredStage(stage, next, output, measures);
  // What it sends on by itself is no part of a request's time.
  await output.consume(logsPayload(["earlier"]), { receivedMs: 0 });
  await target.consume(logsPayload(["a", "b"]), { receivedMs: 0 });
  return seen;
}

test("a stage that sends on within the call", async () => {
  expect(await measuredStage(true)).toEqual({ incoming: 2, outgoing: 3, seconds: [0.007] });
});

test("a stage that keeps what it gets", async () => {
  expect(await measuredStage(false)).toEqual({ incoming: 2, outgoing: 1, seconds: [0.007] });
});
