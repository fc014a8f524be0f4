/**
 * The AI SDK tries a model again by calling it again. Which of its calls belong together is told by its tracing channel
 * only: every attempt runs within a `languageModelCall` that has the id of what the application called.
 */
import { channel } from "node:diagnostics_channel";
import { Context } from "./context.ts";
import { type ErrorType, errorTypeOf } from "./error-type.ts";

/** Calls that failed and were not tried again stay here until others come. */
const maxFailed = 1000;

const failures = new Map<string, ErrorType>();
const callId = new Context<string | undefined>();
let isWatching = false;

export class Attempt {
  readonly #callId: string;

  constructor(id: string) {
    this.#callId = id;
  }

  /** What the attempt before failed of; undefined: this is the first, or the one before succeeded. */
  takeFailure(): ErrorType | undefined {
    const failure = failures.get(this.#callId);
    if (failure !== undefined) failures.delete(this.#callId);
    return failure;
  }

  failed(error: unknown): void {
    if (failures.size >= maxFailed) {
      for (const oldest of failures.keys()) {
        failures.delete(oldest);
        break;
      }
    }
    failures.set(this.#callId, errorTypeOf(error));
  }
}

/** Undefined: the model was called by something else than the AI SDK, or by a version without the channel. */
export function currentAttempt(): Attempt | undefined {
  const id = callId.get();
  return id === undefined ? undefined : new Attempt(id);
}

export function watchAttempts(): void {
  if (isWatching) return;
  isWatching = true;
  channel("tracing:ai:telemetry:start").bindStore(callId.storage, callIdOf);
}

function callIdOf(message: unknown): string | undefined {
  const { type, event } = message as { type?: unknown; event?: { callId?: unknown } };
  const id = type === "languageModelCall" ? event?.callId : undefined;
  return typeof id === "string" ? id : undefined;
}
