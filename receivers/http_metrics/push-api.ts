/** PUT, POST and DELETE /metrics/job/…: the Pushgateway's push API. */
import type { Context, Edge, Settings } from "../../src/component.ts";
import { asTelemetryError } from "../../src/errors.ts";
import { budgetFull, Reservation } from "../../src/net/reservation.ts";
import { inSlices, loopSlicer } from "../../src/pdata/json/slices.ts";
import { createPayload } from "../../src/pdata/payload.ts";
import type { ParsedFamily } from "../../src/prometheus/parse/family.ts";
import type { HttpExchange } from "../../src/transport.ts";
import { type Answer, mediaTypeOf, refusalOf, send, textAnswer, unknownCoding } from "./answers.ts";
import { type Group, partOf, sizeOf } from "./group.ts";
import type { GroupStore } from "./group-store.ts";
import { type Change, changeOf, endedGroup, failedChange, type PushMode } from "./push-change.ts";
import { inconsistency } from "./push-consistency.ts";
import { type PushPath, parsePushPath } from "./push-path.ts";
import type { PushTimes } from "./push-times.ts";
import type { Refusals } from "./refusals.ts";
import { PushProblem, type StoredFamily } from "./stored-family.ts";

/** What pushes and repetitions share. */
export interface Groups {
  readonly store: GroupStore;
  readonly times: PushTimes;
}

interface PushOptions {
  readonly compressionAlgorithms: readonly string[];
  readonly includeMetadata: boolean;
}

/** The parsers are loaded when somebody pushes. */
const loadParsers = () => import("../../src/prometheus/parse/parse.ts");

const allowed = "DELETE, POST, PUT";
/** Of the body's size: what it is when it is parsed, about. */
const memoryFactor = 8;
const parseLimits = { maxLineBytes: 256 * 1024, maxLabels: 64, maxSamples: 500_000 };

export class PushApi {
  readonly #edge: Edge<"metrics">;
  readonly #settings: Settings;
  readonly #refusals: Refusals;
  readonly #options: PushOptions;
  readonly #store: GroupStore;
  readonly #times: PushTimes;

  constructor(
    edge: Edge<"metrics">,
    settings: Settings,
    refusals: Refusals,
    { store, times }: Groups,
    options: PushOptions,
  ) {
    this.#edge = edge;
    this.#settings = settings;
    this.#refusals = refusals;
    this.#options = options;
    this.#store = store;
    this.#times = times;
  }

  async handle(exchange: HttpExchange): Promise<void> {
    const { method } = exchange;
    if (method !== "PUT" && method !== "POST" && method !== "DELETE") {
      return send(exchange, textAnswer(405, "405 method not allowed", { allow: allowed }));
    }
    const path = parsePushPath(exchange.path);
    if (typeof path === "string") return send(exchange, this.#refuse("path", 400, path));
    if (method === "DELETE") {
      await this.#store.locked(path.key, () => this.#delete(exchange, path));
      return send(exchange, textAnswer(202, ""));
    }
    try {
      send(exchange, await this.#push(exchange, path, method === "PUT" ? "put" : "post"));
    } catch (error) {
      const cause = asTelemetryError(error);
      const { status, headers } = refusalOf(cause);
      const reason = cause.code.toLowerCase();
      send(exchange, this.#refuse(reason, status, cause.message, headers));
    }
  }

  async #push(exchange: HttpExchange, path: PushPath, mode: PushMode): Promise<Answer> {
    const { formatOf, stepsOf } = await loadParsers();
    const format = formatOf(exchange.headers.get("content-type")?.[0], "push");
    const unsupported = this.#unsupported(exchange, format === "protobuf");
    if (unsupported !== undefined) return unsupported;
    const body = await exchange.body();
    const parsed = new Reservation(this.#settings.budget);
    if (!parsed.tryAdd(body.length * memoryFactor)) throw budgetFull();
    try {
      // As the Pushgateway: what is no protobuf is text, whatever its type says (curl's says form data).
      const steps = stepsOf(body, format === "protobuf" ? format : "text-push", parseLimits);
      const families = await inSlices(steps, loopSlicer);
      exchange.releaseBody();
      return await this.#store.locked(path.key, () =>
        this.#pushLocked(exchange, path, families, mode),
      );
    } finally {
      parsed.release();
    }
  }

  #unsupported(exchange: HttpExchange, isDelimited: boolean): Answer | undefined {
    const coding = unknownCoding(exchange, this.#options.compressionAlgorithms);
    if (coding !== undefined) return textAnswer(415, `415 unsupported Content-Encoding: ${coding}`);
    const isProtobuf = mediaTypeOf(exchange) === "application/vnd.google.protobuf";
    if (!isProtobuf || isDelimited) return undefined;
    const wanted = "proto=io.prometheus.client.MetricFamily; encoding=delimited";
    return textAnswer(415, `415 unsupported media type: of protobuf only ${wanted} is supported`);
  }

  async #pushLocked(
    exchange: HttpExchange,
    path: PushPath,
    families: readonly ParsedFamily[],
    mode: PushMode,
  ): Promise<Answer> {
    const before = this.#store.get(path.key);
    const problem = await inSlices(inconsistency(families, path.labels), loopSlicer);
    if (problem !== undefined) return this.#inconsistent(path.key, before, problem);
    const nowNs = this.#times.next();
    try {
      const change = await inSlices(changeOf(path, before, families, mode, nowNs), loopSlicer);
      await this.#commit(exchange, path.key, before, change);
      return textAnswer(200, "");
    } catch (error) {
      if (!(error instanceof PushProblem)) throw error;
      return this.#inconsistent(path.key, before, error.message);
    }
  }

  /** Sends on, and keeps the group only if that was taken. */
  async #commit(
    exchange: HttpExchange,
    key: string,
    before: Group | undefined,
    { group, sent, timeNs }: Change,
  ): Promise<void> {
    const room = this.#store.makeRoom(before, sizeOf(group));
    try {
      await this.#consume(exchange, group, sent, timeNs);
    } catch (error) {
      room.undo();
      throw error;
    }
    this.#store.set(key, group);
  }

  #consume(
    exchange: HttpExchange,
    group: Group,
    sent: readonly StoredFamily[],
    nowNs: bigint,
  ): Promise<void> {
    const { bytes, points } = partOf(group.resource, sent, nowNs);
    const context: Context = {
      transport: "http",
      receivedMs: exchange.receivedMs,
      metadata: this.#options.includeMetadata ? exchange.headers : undefined,
    };
    return this.#edge.consume(createPayload("metrics", [bytes], [points]), context);
  }

  /** Nothing changes but the time of the last failure, of a group that is there. */
  async #inconsistent(key: string, before: Group | undefined, problem: string): Promise<Answer> {
    if (before !== undefined && !before.isEnding) {
      const failed = await inSlices(failedChange(before, this.#times.next()), loopSlicer);
      this.#store.makeRoom(before, sizeOf(failed));
      this.#store.set(key, failed);
    }
    return this.#refuse(
      "inconsistent",
      400,
      `pushed metrics are invalid or inconsistent with existing metrics: ${problem}`,
    );
  }

  /** What the pipeline does not take now is ended by the next repetition. */
  async #delete(exchange: HttpExchange, { key }: PushPath): Promise<void> {
    const group = this.#store.get(key);
    if (group === undefined) return;
    const ended = await inSlices(endedGroup(group), loopSlicer);
    try {
      await this.#consume(exchange, group, [...ended.families.values()], this.#times.next());
      this.#store.remove(key);
    } catch (error) {
      const { message } = asTelemetryError(error);
      this.#settings.log.warn("The end of a deleted group was refused; it is sent again.", {
        error: message,
      });
      // Smaller than what it was: there is room.
      this.#store.makeRoom(group, sizeOf(ended));
      this.#store.set(key, ended);
    }
  }

  #refuse(
    reason: string,
    status: number,
    message: string,
    headers: Answer["headers"] = {},
  ): Answer {
    this.#refusals.count("push", reason, message);
    return textAnswer(status, message, headers);
  }
}
