/** POST /v1/metrics/custom. */
import type { Context, Edge, Settings } from "../../src/component.ts";
import { asTelemetryError, type TelemetryError } from "../../src/errors.ts";
import { budgetFull, Reservation } from "../../src/net/reservation.ts";
import { inSlices, loopSlicer } from "../../src/pdata/json/slices.ts";
import { createPayload } from "../../src/pdata/payload.ts";
import type { HttpExchange } from "../../src/transport.ts";
import { type Answer, mediaTypeOf, refusalOf, send, textAnswer, unknownCoding } from "./answers.ts";
import { type Arrival, Arrivals } from "./arrivals.ts";
import { type Document, DocumentError, documentOf } from "./custom-document.ts";
import { Flush } from "./custom-flush.ts";
import { type AttributeScalar, attributesProblem, checkItem, isProblem } from "./custom-item.ts";
import { limits } from "./custom-limits.ts";
import { Idempotency } from "./idempotency.ts";
import { type Problem, problem } from "./problem.ts";
import type { Refusals } from "./refusals.ts";

interface CustomOptions {
  readonly maxPoints: number;
  readonly idempotencyTtlMs: number;
  readonly idempotencyMaxKeys: number;
  readonly compressionAlgorithms: readonly string[];
  readonly includeMetadata: boolean;
}

/** What came of a request's items. */
interface Outcome {
  readonly accepted: number;
  readonly rejected: number;
  readonly errors: readonly ({ readonly index: number | null } & Problem)[];
}

type Resource = Readonly<Record<string, AttributeScalar>>;

/** Of the body's size: what it is as values, about. */
const memoryFactor = 5;
const itemsOfStep = 64;

export class CustomApi {
  readonly #edge: Edge<"metrics">;
  readonly #settings: Settings;
  readonly #refusals: Refusals;
  readonly #options: CustomOptions;
  readonly #arrivals: Arrivals;
  readonly #idempotency: Idempotency | undefined;
  /** Settles when the flush before has left. */
  #leaving: Promise<unknown> = Promise.resolve();

  constructor(
    edge: Edge<"metrics">,
    settings: Settings,
    refusals: Refusals,
    options: CustomOptions,
  ) {
    this.#edge = edge;
    this.#settings = settings;
    this.#refusals = refusals;
    this.#options = options;
    this.#arrivals = new Arrivals(settings.clock);
    const { idempotencyTtlMs, idempotencyMaxKeys } = options;
    if (idempotencyMaxKeys > 0) {
      this.#idempotency = new Idempotency(settings.clock, idempotencyTtlMs, idempotencyMaxKeys);
    }
  }

  async handle(exchange: HttpExchange, identity: string): Promise<void> {
    if (exchange.method !== "POST") {
      return send(exchange, textAnswer(405, "405 method not allowed", { allow: "POST" }));
    }
    const isNdjson = ndjsonOf(mediaTypeOf(exchange));
    if (isNdjson === undefined) return send(exchange, unsupportedType());
    const coding = unknownCoding(exchange, this.#options.compressionAlgorithms);
    if (coding !== undefined) {
      return send(exchange, textAnswer(415, `415 unsupported Content-Encoding: ${coding}`));
    }
    let body: Uint8Array;
    try {
      body = await exchange.body();
    } catch (error) {
      return send(exchange, this.#refuse(asTelemetryError(error)));
    }
    send(exchange, await this.#answerOnce(exchange, identity, body, isNdjson));
  }

  /** As `#answer`, but for a key that was used: then as before. */
  async #answerOnce(
    exchange: HttpExchange,
    identity: string,
    body: Uint8Array,
    isNdjson: boolean,
  ): Promise<Answer> {
    const header = exchange.headers.get("idempotency-key")?.[0];
    if (header === undefined || this.#idempotency === undefined) {
      return this.#answer(exchange, body, isNdjson);
    }
    if (header.length === 0 || header.length > limits.keyLength) {
      const message = `Idempotency-Key must have 1 to ${limits.keyLength} characters`;
      return this.#refuseAll(400, problem(null, "out_of_range", message));
    }
    const key = `${identity}\n${header}`;
    const begun = this.#idempotency.begin(key, body);
    if (begun.state !== "new") return begun.answer;
    let answer: Answer | undefined;
    try {
      answer = await this.#answer(exchange, body, isNdjson);
      return answer;
    } finally {
      const isStored = answer !== undefined && [200, 207, 400].includes(answer.status);
      this.#idempotency.settle(key, isStored ? answer : undefined);
    }
  }

  async #answer(exchange: HttpExchange, body: Uint8Array, isNdjson: boolean): Promise<Answer> {
    const parsed = new Reservation(this.#settings.budget);
    try {
      if (!parsed.tryAdd(body.length * memoryFactor)) return this.#refuse(budgetFull());
      const flush = new Flush(body.length);
      const { maxPoints } = this.#options;
      const document = await inSlices(documentOf(body, isNdjson, maxPoints), loopSlicer);
      const refused = this.#documentProblem(document);
      if (refused !== undefined) return refused;
      const outcome = await inSlices(this.#collect(document, flush), loopSlicer);
      if (outcome.accepted === 0) return outcomeAnswer(400, outcome);
      return await this.#handOver(exchange, document, flush, outcome, parsed);
    } catch (error) {
      if (error instanceof DocumentError) return this.#refuseAll(400, error.problem);
      return this.#refuse(asTelemetryError(error));
    } finally {
      parsed.release();
    }
  }

  #documentProblem({ itemCount, resource }: Document): Answer | undefined {
    const { maxPoints } = this.#options;
    if (itemCount === 0)
      return this.#refuseAll(400, problem(null, "empty", "there are no metrics"));
    if (itemCount > maxPoints) {
      const message = `${itemCount} metrics in one request, at most ${maxPoints} are allowed`;
      return this.#refuseAll(413, problem(null, "too_many_points", message), itemCount);
    }
    const found = resource === undefined ? undefined : attributesProblem(resource, "resource");
    return found === undefined ? undefined : this.#refuseAll(400, found, itemCount);
  }

  *#collect(document: Document, flush: Flush): Generator<void, Outcome> {
    const nowMs = this.#settings.clock.now();
    const errors: Outcome["errors"][number][] = [];
    let index = 0;
    let rejected = 0;
    for (const raw of document.items) {
      const item = raw.problem ?? checkItem(raw.value, nowMs);
      const found = isProblem(item) ? item : flush.add(item);
      if (found !== undefined) {
        rejected++;
        this.#refusals.count("custom", found.code, found.message);
        if (errors.length < limits.errors) errors.push({ index, ...found });
      }
      if (++index % itemsOfStep === 0) yield;
    }
    return { accepted: index - rejected, rejected, errors };
  }

  async #handOver(
    exchange: HttpExchange,
    document: Document,
    flush: Flush,
    outcome: Outcome,
    parsed: Reservation,
  ): Promise<Answer> {
    const resource = document.resource as Resource | undefined;
    // Times are given in the order in which flushes leave: nothing may come between an arrival and its hand-over.
    const leaving = this.#leaving.then(async () => {
      const arrival = this.#arrivals.next();
      const bytes = await inSlices(flush.encode(resource, arrival.times), loopSlicer);
      const payload = createPayload("metrics", [bytes], [flush.points]);
      parsed.release();
      exchange.releaseBody();
      const taken = this.#edge.consume(payload, this.#contextOf(exchange));
      return { refusal: refusalOfTaking(taken, arrival) };
    });
    // Whoever it belongs to gets the failure: it awaits `leaving`.
    this.#leaving = Promise.allSettled([leaving]);
    const error = await (await leaving).refusal;
    if (error !== undefined) return this.#refuse(error, outcome.accepted);
    return outcomeAnswer(outcome.rejected === 0 ? 200 : 207, outcome);
  }

  #contextOf(exchange: HttpExchange): Context {
    return {
      transport: "http",
      receivedMs: exchange.receivedMs,
      metadata: this.#options.includeMetadata ? exchange.headers : undefined,
    };
  }

  /** Nothing was kept. */
  #refuse(error: TelemetryError, items = 1): Answer {
    const { status, headers } = refusalOf(error);
    this.#refusals.count("custom", error.code.toLowerCase(), error.message, items);
    const errors = [
      { index: null, field: null, code: error.code.toLowerCase(), message: error.message },
    ];
    return jsonAnswer(status, { accepted: 0, rejected: 0, errors }, headers);
  }

  #refuseAll(status: number, found: Problem, rejected = 0): Answer {
    this.#refusals.count("custom", found.code, found.message, Math.max(rejected, 1));
    return outcomeAnswer(status, { accepted: 0, rejected, errors: [{ index: null, ...found }] });
  }
}

async function refusalOfTaking(
  taken: Promise<void>,
  arrival: Arrival,
): Promise<TelemetryError | undefined> {
  try {
    await taken;
    return undefined;
  } catch (error) {
    arrival.refuse();
    return asTelemetryError(error);
  }
}

const outcomeAnswer = (status: number, { accepted, rejected, errors }: Outcome) =>
  jsonAnswer(status, { accepted, rejected, errors });

const jsonAnswer = (status: number, body: object, headers: Answer["headers"] = {}): Answer => ({
  status,
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(body),
});

/** undefined: another type. */
function ndjsonOf(mediaType: string): boolean | undefined {
  if (mediaType === "application/json" || mediaType === "") return false;
  return mediaType === "application/x-ndjson" ? true : undefined;
}

const unsupportedType = () =>
  textAnswer(
    415,
    "415 unsupported media type, supported: [application/json, application/x-ndjson]",
  );
