/** What is measured of a processor that is a pure function. */
import { expect, test } from "@jest/globals";
import { systemClock } from "../../../src/clock.ts";
import type { Payload } from "../../../src/component.ts";
import type { Junction } from "../../../src/engine/junction.ts";
import { TransformTarget } from "../../../src/engine/targets.ts";
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
