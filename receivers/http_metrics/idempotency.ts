/** Answers by Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): who sends again is counted once. */

import type { Clock } from "../../src/clock.ts";
import { createHash } from "../../src/node-crypto.ts";
import { type Answer, retryAfter } from "./answers.ts";

interface Entry {
  readonly digest: string;
  readonly atMs: number;
  /** undefined: in flight. */
  answer: Answer | undefined;
  bytes: number;
}

/** Bytes of all answers that are remembered. */
const maxBytes = 16 * 1024 * 1024;
const entryBytes = 300;

/** new: to be answered, and then told by `settle`. */
export type Begun =
  | { readonly state: "new" }
  | { readonly state: "replay" | "refused"; readonly answer: Answer };

export class Idempotency {
  readonly #clock: Clock;
  readonly #ttlMs: number;
  readonly #maxKeys: number;
  /** The oldest first. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(clock: Clock, ttlMs: number, maxKeys: number) {
    this.#clock = clock;
    this.#ttlMs = ttlMs;
    this.#maxKeys = maxKeys;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** @param key with the identity of its sender. */
  begin(key: string, body: Uint8Array): Begun {
    this.#expire();
    const digest = createHash("sha256").update(body).digest("base64");
    const entry = this.#entries.get(key);
    if (entry === undefined) return this.#open(key, digest);
    if (entry.answer === undefined) {
      return refused(409, "a request with this Idempotency-Key is in flight", retryAfter(1000));
    }
    if (entry.digest !== digest) {
      return refused(422, "this Idempotency-Key was used with another body");
    }
    const { status, headers, body: text } = entry.answer;
    const replayed = { ...headers, "idempotent-replayed": "true" };
    return { state: "replay", answer: { status, headers: replayed, body: text } };
  }

  #open(key: string, digest: string): Begun {
    if (this.#entries.size >= this.#maxKeys && !this.#forgetOldest()) {
      return refused(
        503,
        "too many requests with an Idempotency-Key are in flight",
        retryAfter(1000),
      );
    }
    const bytes = entryBytes + key.length;
    this.#entries.set(key, { digest, atMs: this.#clock.monotonicMs(), answer: undefined, bytes });
    this.#bytes += bytes;
    return { state: "new" };
  }

  /** Remembers the answer of a request that `begin` let through; undefined: it may be sent again as new. */
  settle(key: string, answer: Answer | undefined): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    if (answer === undefined) return this.#forget(key, entry);
    entry.answer = answer;
    entry.bytes += answer.body.length;
    this.#bytes += answer.body.length;
    while (this.#bytes > maxBytes && this.#forgetOldest());
  }

  /** False: all that are left are in flight. */
  #forgetOldest(): boolean {
    for (const [key, entry] of this.#entries) {
      if (entry.answer === undefined) continue;
      this.#forget(key, entry);
      return true;
    }
    return false;
  }

  #expire(): void {
    const untilMs = this.#clock.monotonicMs() - this.#ttlMs;
    for (const [key, entry] of this.#entries) {
      if (entry.atMs > untilMs) return;
      if (entry.answer !== undefined) this.#forget(key, entry);
    }
  }

  #forget(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}

function refused(status: number, message: string, headers: Answer["headers"] = {}): Begun {
  return { state: "refused", answer: problemAnswer(status, message, headers) };
}

/** A request-level error in the form of all others. */
function problemAnswer(status: number, message: string, headers: Answer["headers"]): Answer {
  const error = { index: null, field: null, code: "idempotency_key", message };
  const body = JSON.stringify({ accepted: 0, rejected: 0, errors: [error] });
  return { status, headers: { "content-type": "application/json", ...headers }, body };
}
