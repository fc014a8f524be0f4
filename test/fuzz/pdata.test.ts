/**
 * Mutations of valid requests: the check at birth refuses with a TelemetryError or accepts what a foreign
 * decoder accepts too, with the same number of items; what it accepts goes through every operation.
 *
 * Runs 2 seconds a signal, a minute with NIGHTLY=1. A failure prints the seed and the request.
 */
import { describe, expect, test } from "@jest/globals";
import { TelemetryError } from "../../src/errors.ts";
import { countItems } from "../../src/pdata/count.ts";
import { requestMessages } from "../../src/pdata/otlp-schema.ts";
import { createPayload, type Signal, signals } from "../../src/pdata/payload.ts";
import { type Place, replaced, rewrite, type Verdict } from "../../src/pdata/rewrite.ts";
import { select } from "../../src/pdata/select.ts";
import { split } from "../../src/pdata/split.ts";
import { verify, verifyAndNormalise } from "../../src/pdata/verify.ts";
import { messageIndex } from "../../src/pdata/verify-table.ts";
import { emptyTally, walkMessage } from "../../src/pdata/verify-walker.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import { countForeignBytes } from "../support/otlp-proto.ts";
import { randomRequest } from "../support/otlp-random.ts";

const isNightly = process.env["NIGHTLY"] === "1";
const budgetMs = isNightly ? 60_000 : 2000;
const firstSeed = isNightly ? Date.now() % 1_000_000_000 : 1;

class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }
  below(limit: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0;
    return (this.#state >>> 8) % limit;
  }
}

/** Bytes that mean something at many places: tags, continuation bits, lengths. */
const telling = [0x00, 0x01, 0x0a, 0x12, 0x1a, 0x22, 0x2a, 0x3a, 0x7f, 0x80, 0x85, 0xc2, 0xff];

function mutate(request: Buffer, random: Random): Buffer {
  let bytes = Buffer.from(request);
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.below(bytes.length + 1);
    const to = Math.min(bytes.length, at + random.below(8));
    const kind = random.below(6);
    if (kind === 0 && at < bytes.length) bytes[at]! ^= 1 << random.below(8);
    else if (kind === 1 && at < bytes.length) bytes[at] = telling[random.below(telling.length)]!;
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)]);
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)]);
    else if (kind === 4)
      bytes = Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from([telling[random.below(telling.length)]!]),
        bytes.subarray(at),
      ]);
    else bytes = bytes.subarray(0, at);
  }
  return bytes;
}

interface Outcome {
  readonly items: number | undefined;
  readonly error: TelemetryError | undefined;
}

function outcomeOf(run: () => number): Outcome {
  try {
    return { items: run(), error: undefined };
  } catch (error) {
    if (error instanceof TelemetryError) return { items: undefined, error };
    throw error;
  }
}

/** What is wrong with the check of this request; undefined: nothing. */
function complaint(signal: Signal, request: Buffer): string | undefined {
  const flat = outcomeOf(() => verify(signal, request));
  const tally = emptyTally();
  const root = messageIndex(requestMessages[signal]);
  const walked = outcomeOf(() => {
    walkMessage(request, 0, request.length, { message: root, depth: -1 }, tally);
    return tally.items;
  });
  if (flat.items !== walked.items) return `loop ${flat.items}, walker ${walked.items}`;
  if (flat.items === undefined) {
    const isRight = flat.error?.code === "MALFORMED_DATA" && !flat.error.retryable;
    return isRight ? undefined : String(flat.error);
  }
  if (countItems(signal, request) !== flat.items) return "count differs";
  return afterwards(signal, request, flat.items);
}

function copy(place: Place, out: Writer): Verdict {
  out.raw(place.bytes, place.start, place.end);
  return replaced;
}

/** Everything that is done to accepted requests. */
function afterwards(signal: Signal, request: Buffer, items: number): string | undefined {
  const normal = verifyAndNormalise(signal, request);
  if (verify(signal, normal.bytes) !== items) return "the regular form has other items";
  const foreign = countForeignBytes(signal, normal.bytes);
  if (foreign !== items) return `foreign codec: ${foreign}, verify: ${items}`;
  const payload = createPayload(signal, [request], [items]);
  const pieces = split(payload, { maxItems: 2 });
  const total = pieces
    .flatMap((p) => [...p.parts])
    .reduce((n, part) => n + verify(signal, part), 0);
  if (total !== items) return `split: ${total} of ${items}`;
  const half = select(payload, (i) => i % 2 === 0);
  const left = half === undefined ? 0 : half.parts.reduce((n, part) => n + verify(signal, part), 0);
  if (left !== Math.ceil(items / 2)) return `select: ${left} of ${items}`;
  const copied = rewrite(payload, { point: copy, span: copy, record: copy });
  const again = copied!.parts.reduce((n, part) => n + verify(signal, part), 0);
  return again === items ? undefined : `rewrite: ${again} of ${items}`;
}

describe("mutated requests", () => {
  test.each(signals)(
    "%s: both halves of the check and a foreign codec agree",
    (signal) => {
      const end = performance.now() + budgetMs;
      let accepted = 0;
      let refused = 0;
      for (let seed = firstSeed; performance.now() < end; seed++) {
        const order = (["ascending", "descending", "shuffled"] as const)[seed % 3]!;
        const request = randomRequest(signal, seed, { order, unknown: true });
        const random = new Random(seed);
        for (let n = 0; n < 20; n++) {
          const mutated = mutate(request, random);
          const problem = complaint(signal, mutated);
          if (problem !== undefined) {
            throw new Error(`${problem}; seed ${seed}, request ${mutated.toString("hex")}`);
          }
          if (outcomeOf(() => verify(signal, mutated)).error === undefined) accepted++;
          else refused++;
        }
      }
      // Both outcomes must be common, or the fuzzer proves little.
      expect(accepted).toBeGreaterThan(refused / 50);
      expect(refused).toBeGreaterThan(accepted / 50);
    },
    budgetMs + 30_000,
  );
});
