/**
 * The promise of src/delivery as a property: for any queue config, any traffic and any backend,
 *
 *     accepted == delivered + held + dropped{reason}     at every quiet moment
 *
 * what the budget counts is what is held, nothing that was delivered is sent again, and nothing arrives twice
 * without a failure in between.
 */
import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import type {
  Context,
  Exporter,
  HeldPayload,
  Payload,
  PushResult,
} from "../../../src/component.ts";
import { createDelivery, type Delivery } from "../../../src/delivery/delivery.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { bodiesOf, logsPayload } from "../../support/payloads.ts";
import { type TestSettings, testSettings } from "../../support/settings.ts";
import { configOf, rejected, tooLarge, unavailable, watch } from "./support.ts";

const numRuns = process.env["NIGHTLY"] === undefined ? 400 : 20_000;

type Answer =
  | { readonly kind: "ok" | "hang" | "lost answer" | "late answer" }
  | { readonly kind: "partial"; readonly rejected: number }
  | { readonly kind: "retryable"; readonly retryAfterMs: number | undefined }
  | { readonly kind: "permanent"; readonly code: number }
  | { readonly kind: "limit"; readonly bytes: number };

const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ kind: fc.constantFrom("ok", "hang", "lost answer", "late answer") }),
  fc.record({ kind: fc.constant("partial"), rejected: fc.integer({ min: -1, max: 5 }) }),
  fc.record({
    kind: fc.constant("retryable"),
    retryAfterMs: fc.option(fc.integer({ min: 0, max: 5000 }), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant("permanent"), code: fc.constantFrom(3, 7, 13) }),
  fc.record({ kind: fc.constant("limit"), bytes: fc.integer({ min: 10, max: 150 }) }),
);

/** A backend that answers by a list, then with OK; it keeps the books that delivery's are compared with. */
class Backend implements Exporter {
  readonly #answers: Answer[];
  readonly #clock: FakeClock;
  /** The sender knows that they were taken. */
  readonly delivered = new Set<string>();
  /** Taken, and no attempt with them has failed since. */
  readonly #arrived = new Set<string>();
  rejectedItems = 0;
  /** What must not happen and did; thrown here it would pass for an answer of the backend. */
  readonly broken: string[] = [];

  constructor(answers: readonly Answer[], clock: FakeClock) {
    this.#answers = [...answers];
    this.#clock = clock;
  }

  async push(payload: Payload, _context: Context, abort: AbortSignal): Promise<PushResult> {
    const names = bodiesOf(payload);
    if (names.length === 0) this.broken.push("nothing is sent");
    for (const name of names) {
      if (this.delivered.has(name)) this.broken.push(`${name} is sent although it was delivered`);
    }
    const next = this.#answers.shift() ?? { kind: "ok" };
    switch (next.kind) {
      case "ok":
        return this.#take(names, 0);
      case "partial":
        return this.#take(names, next.rejected);
      case "limit":
        if (payload.byteLength <= next.bytes) return this.#take(names, 0);
        return this.#fail(names, tooLarge());
      case "retryable":
        return this.#fail(names, unavailable(next.retryAfterMs));
      case "permanent":
        return this.#fail(names, rejected(next.code));
      case "lost answer":
        this.#arrive(names);
        break;
      case "late answer":
        this.#arrive(names);
        void this.#hang(names, abort).catch(() => {});
        return new Promise((resolve) => void this.#clock.after(1500, () => resolve({})));
      case "hang":
        break;
    }
    return this.#hang(names, abort);
  }

  #take(names: readonly string[], rejectedItems: number): PushResult {
    this.#arrive(names);
    for (const name of names) this.delivered.add(name);
    this.rejectedItems += Math.min(Math.max(rejectedItems, 0), names.length);
    return { rejectedItems };
  }

  #arrive(names: readonly string[]): void {
    for (const name of names) {
      if (this.#arrived.has(name)) this.broken.push(`${name} arrived twice without a failure`);
      this.#arrived.add(name);
    }
  }

  #fail(names: readonly string[], error: Error): never {
    for (const name of names) this.#arrived.delete(name);
    throw error;
  }

  #hang(names: readonly string[], abort: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      abort.addEventListener("abort", () => {
        for (const name of names) this.#arrived.delete(name);
        reject(abort.reason as Error);
      });
    });
  }
}

const batch = fc
  .record({
    min_size: fc.integer({ min: 0, max: 6 }),
    extra: fc.option(fc.integer({ min: 0, max: 3 })),
    flush_timeout: fc.constantFrom("1ms", "200ms", "3s"),
    sizer: fc.constantFrom("items", "bytes"),
    partition: fc.record({ metadata_keys: fc.constantFrom([], ["tenant"]) }),
  })
  .map(({ extra, min_size: min, sizer, ...rest }) => {
    const unit = sizer === "bytes" ? 20 : 1;
    const max_size = extra === null ? 0 : Math.max(min + extra, 1) * unit;
    return { ...rest, sizer, min_size: min * unit, max_size };
  });

const queue = fc
  .record({
    num_consumers: fc.integer({ min: 1, max: 4 }),
    sizer: fc.constantFrom("requests", "items", "bytes"),
    capacity: fc.integer({ min: 6, max: 30 }),
    block_on_overflow: fc.boolean(),
    wait_for_result: fc.boolean(),
    batch: fc.option(batch, { nil: undefined }),
  })
  .map(({ capacity, ...rest }) => ({
    ...rest,
    queue_size: rest.sizer === "bytes" ? capacity * 25 : capacity,
  }));

const config = fc.record({
  timeout: fc.constant("1s"),
  sending_queue: fc.oneof({ weight: 5, arbitrary: queue }, fc.constant(null)),
  retry_on_failure: fc.record({
    enabled: fc.boolean(),
    initial_interval: fc.constantFrom("10ms", "1s"),
    max_interval: fc.constant("2s"),
    max_elapsed_time: fc.constantFrom("0s", "4s"),
  }),
});

const request = fc.record({
  items: fc.integer({ min: 1, max: 5 }),
  tenant: fc.constantFrom("a", "b"),
  /** Time that passes before it. */
  pauseMs: fc.constantFrom(0, 0, 1, 150, 2500),
  patienceMs: fc.option(fc.integer({ min: 1, max: 4000 }), { nil: undefined }),
});

const scenario = fc.record({
  config,
  requests: fc.array(request, { minLength: 1, maxLength: 14 }),
  answers: fc.array(answer, { maxLength: 30 }),
  end: fc.constantFrom("quiet", "shutdown", "surrender"),
  endsAfterMs: fc.constantFrom(0, 100, 1200),
  patienceMs: fc.constantFrom(0, 500, 60_000),
});

/** One delivery with its callers. */
class World {
  readonly clock = new FakeClock();
  readonly backend: Backend;
  readonly settings: TestSettings = testSettings({ clock: this.clock });
  readonly delivery: Delivery;
  /** Callers get the result. */
  readonly waits: boolean;
  accepted = 0;
  surrendered = 0;
  /** Payloads of callers that wait: for room, or for their result. */
  readonly pending = new Set<Payload>();
  /** Items whose caller was told that it still has them. */
  readonly refused: string[] = [];
  #sent = 0;

  constructor(answers: readonly Answer[], input: Record<string, unknown>, random: () => number) {
    this.backend = new Backend(answers, this.clock);
    const parsed = configOf(input);
    const { sending_queue: queueConfig } = parsed;
    this.waits = queueConfig === undefined || queueConfig.wait_for_result;
    const { settings, backend: exporter } = this;
    this.delivery = createDelivery({ exporter, signal: "logs", config: parsed, settings, random });
  }

  /** One request of a client. */
  async send({
    items,
    tenant,
    patienceMs,
  }: {
    items: number;
    tenant: string;
    patienceMs?: number | undefined;
  }) {
    const names = Array.from({ length: items }, () => `item${this.#sent++}`);
    const payload = logsPayload(names);
    const nowMs = this.clock.monotonicMs();
    this.pending.add(payload);
    const taken = this.delivery.consume(payload, {
      receivedMs: nowMs,
      metadata: new Map([["tenant", [tenant]]]),
      deadlineMs: patienceMs === undefined ? undefined : nowMs + patienceMs,
    });
    try {
      await taken;
      this.accepted += items;
    } catch {
      this.refused.push(...names);
    }
    this.pending.delete(payload);
  }

  get dropped(): number {
    return [...this.settings.dropped.values()].reduce((a, b) => a + b, 0);
  }

  /** Bytes of callers that wait: the budget counts them too. */
  get waitingBytes(): number {
    let bytes = 0;
    for (const payload of this.pending) bytes += payload.heldBytes;
    return bytes;
  }

  /** Names of what is given up. */
  async surrender(): Promise<string[]> {
    let given: readonly HeldPayload[] | undefined;
    const wait = async () => {
      given = await this.delivery.surrender();
      for (const { payload } of given) this.surrendered += payload.itemCount;
    };
    void wait();
    for (let i = 0; i < 60 && given === undefined; i++) await this.clock.advance(1000);
    if (given === undefined) throw new Error("surrender does not end");
    return given.flatMap(({ payload }) => bodiesOf(payload));
  }

  get sent(): number {
    return this.settings.meter.value("otelcol_exporter_sent_log_records", { exporter: "test" });
  }
}

/** At any quiet moment. */
function check(world: World): void {
  const { delivery, backend, settings, sent } = world;
  expect(backend.broken).toEqual([]);
  const { items, bytes } = delivery.held();
  expect(sent).toBe(backend.delivered.size - backend.rejectedItems);
  expect(settings.dropped.get("partial_success") ?? 0).toBe(backend.rejectedItems);
  // Who waits for a result has not been answered: its items are held, and not yet accepted.
  if (!world.waits) {
    expect(sent + items + world.dropped + world.surrendered).toBe(world.accepted);
    expect(settings.budget.usedBytes).toBe(bytes + world.waitingBytes);
  }
  expect(world.refused.filter((name) => backend.delivered.has(name))).toEqual([]);
}

/** Nothing is left anywhere. */
function checkEnd(world: World): void {
  check(world);
  expect(world.pending.size).toBe(0);
  expect(world.delivery.held()).toEqual({ items: 0, bytes: 0 });
  expect(world.settings.budget.usedBytes).toBe(0);
}

async function pass(world: World, ms: number): Promise<void> {
  await world.clock.advance(ms);
  check(world);
}

async function passUntil(world: World, done: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !done(); i++) await pass(world, 1000);
  expect(done()).toBe(true);
}

async function shutdown(world: World, patienceMs: number): Promise<void> {
  const abort = new AbortController();
  const ended = watch(world.delivery.shutdown(abort.signal));
  await pass(world, patienceMs);
  abort.abort();
  await pass(world, 0);
  expect(ended.over).toBe(true);
}

async function surrender(world: World): Promise<void> {
  const names = await world.surrender();
  expect(names.filter((name) => world.backend.delivered.has(name))).toEqual([]);
  expect(await world.delivery.surrender()).toEqual([]);
}

/** Evenly distributed, the same at each run. */
function seeded(): () => number {
  let state = 1;
  return () => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}

describe("delivery", () => {
  test("conserves items and budget, whatever happens", async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const world = new World(given.answers, given.config, seeded());
        for (const next of given.requests) {
          await pass(world, next.pauseMs);
          void world.send(next);
        }
        await pass(world, given.endsAfterMs);
        if (given.end === "shutdown") await shutdown(world, given.patienceMs);
        else if (given.end === "surrender") await surrender(world);
        else await passUntil(world, () => world.delivery.held().items + world.pending.size === 0);
        checkEnd(world);
        expect(world.sent + world.dropped + world.surrendered).toBe(world.accepted);
        await world.delivery.shutdown(AbortSignal.abort());
        checkEnd(world);
      }),
      { numRuns },
    );
  });
});
