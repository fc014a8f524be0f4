/** Any row of reloads, failing ones too, while backends come and go: every accepted item arrives once everywhere. */
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { notNow, World } from "./recording-world.ts";

interface Shape {
  readonly receiver: number;
  readonly processors: readonly string[];
  readonly queued: number;
  readonly direct: number;
  readonly queueSize: number;
  readonly hasThird: boolean;
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  receiver: fc.integer({ min: 1, max: 2 }),
  processors: fc.subarray(["batch", "pass", "pure"]),
  queued: fc.integer({ min: 1, max: 3 }),
  direct: fc.integer({ min: 1, max: 3 }),
  queueSize: fc.constantFrom(2, 1000),
  hasThird: fc.boolean(),
});

/** Both exporters get everything: in one pipeline, or in one each. */
function yamlOf(shape: Shape, isSplit: boolean): string {
  const processors = `[${shape.processors.join(", ")}]`;
  const third = shape.hasThird ? ", direct/third" : "";
  const pipelines = isSplit
    ? `logs: { receivers: [in], processors: ${processors}, exporters: [queued${third}] },
    logs/2: { receivers: [in], exporters: [direct] }`
    : `logs: { receivers: [in], processors: ${processors}, exporters: [queued, direct${third}] }`;
  return `
receivers: { in: { v: ${shape.receiver} } }
processors: { batch: { timeout: ${shape.queued}00ms, send_batch_size: 3, send_batch_max_size: 4 }, pass: { v: ${shape.direct} }, pure: }
exporters:
  queued:
    v: ${shape.queued}
    sending_queue: { queue_size: ${shape.queueSize}, num_consumers: 2 }
    retry_on_failure: { initial_interval: 50ms, max_interval: 100ms }
  direct: { v: ${shape.direct} }
  direct/third:
service: { pipelines: { ${pipelines} } }
`;
}

const steps = fc.array(
  fc.oneof(
    {
      arbitrary: fc.record({ do: fc.constant("send" as const), n: fc.integer({ min: 1, max: 5 }) }),
      weight: 4,
    },
    {
      arbitrary: fc.record({
        do: fc.constant("reload" as const),
        shape: shapes,
        fails: fc.constantFrom("", "", "receiver in", "exporter queued", "exporter direct"),
        isAwaited: fc.boolean(),
      }),
      weight: 3,
    },
    {
      arbitrary: fc.record({
        do: fc.constant("backend" as const),
        id: fc.constantFrom("queued", "direct"),
        isWell: fc.boolean(),
      }),
      weight: 2,
    },
    {
      arbitrary: fc.record({
        do: fc.constant("wait" as const),
        ms: fc.integer({ min: 0, max: 300 }),
      }),
      weight: 2,
    },
  ),
  { minLength: 1, maxLength: 25 },
);

test("reloads lose nothing, double nothing, and leave one instance of each component", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, fc.boolean(), steps, async (first, isSplit, script) => {
      const world = new World();
      const accepted: string[] = [];
      let sent = 0;
      const open: Promise<void>[] = [];
      const reloads: Promise<void>[] = [];
      await world.start(yamlOf(first, isSplit));
      for (const step of script) {
        if (step.do === "wait") await world.clock.advance(step.ms);
        else if (step.do === "backend")
          world.backend(step.id).error = step.isWell ? undefined : notNow();
        else if (step.do === "send") {
          const names = Array.from({ length: step.n }, () => `n${sent++}`);
          // A receiver that is being replaced does not listen: refused, and nobody has it.
          const taken = () => void accepted.push(...names);
          open.push(world.send("in", ...names).then(taken, () => {}));
        } else {
          world.failStart.clear();
          world.failStart.add(step.fails);
          const reload = world.reload(yamlOf(step.shape, isSplit)).catch(() => {});
          reloads.push(reload);
          // Whatever it waits for comes within its time.
          if (step.isAwaited) await world.clock.advance(200);
        }
        await world.clock.advance(0);
      }
      for (const id of ["queued", "direct"]) world.backend(id).error = undefined;
      world.failStart.clear();
      await world.clock.advance(20_000);
      await Promise.all([...open, ...reloads]);
      const stopped = world.service.stop();
      await world.clock.advance(20_000);
      expect(await stopped).toEqual({ lostItems: 0 });
      for (const id of ["queued", "direct"])
        expect(world.backend(id).taken.toSorted()).toEqual(accepted.toSorted());
      expect(world.budget.usedBytes).toBe(0);
      expect([...world.alive.values()].every((count) => count === 0)).toBe(true);
      expect(world.clock.pending).toBe(0);
    }),
    { numRuns: 150 },
  );
}, 120_000);
