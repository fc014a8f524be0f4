import { expect, test } from "@jest/globals";
import type { Context, Payload } from "../../../src/component.ts";
import { Branch, type Target } from "../../../src/engine/branch.ts";
import { TelemetryError } from "../../../src/errors.ts";
import { silentLogger } from "../../../src/log.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { logsPayload } from "../../support/payloads.ts";
import { testBudget } from "../../support/settings.ts";

test("what a branch keeps for a sender that has its answer is bound by no deadline", async () => {
  const clock = new FakeClock();
  const contexts: Context[] = [];
  const target: Target = {
    assurance: "held",
    ready: () => undefined,
    lastSuccessMs: () => 0,
    // As an exporter without a queue: who comes after its deadline is refused, each time.
    consume: (_payload: Payload, context: Context) => {
      contexts.push(context);
      if ((context.deadlineMs ?? Infinity) > clock.monotonicMs()) return Promise.resolve();
      return Promise.reject(new TelemetryError("TIMEOUT", "too late", { retryable: true }));
    },
  };
  const name = { from: "r", to: "e", pipeline: "logs", signal: "logs" } as const;
  const deps = { clock, log: silentLogger, budget: testBudget(), drop() {} };
  const branch = new Branch(name, "e", target, deps);
  branch.keep(logsPayload(["a"]), { receivedMs: 0, deadlineMs: clock.monotonicMs() + 50 });
  await clock.advance(60_000);
  expect(contexts).toEqual([{ receivedMs: 0, deadlineMs: undefined }]);
  expect(branch.counts()).toMatchObject({ heldItems: 0, items: 1 });
});
