import type { Problems } from "../problems.ts";
import type { MeasuredCall } from "./call.ts";
import { Context } from "./context.ts";
import { type ErrorType, errorTypeOf, errorTypeOfStatus } from "./error-type.ts";
import { guard } from "./guard.ts";
import { type Answer, isUsageChunk, type Protocol } from "./usage.ts";

/** The call that a client's requests belong to. */
export const currentCall = new Context<ObservedCall>();

/** A call of a client, told of what the client does. Nothing here throws: it runs within the application's calls. */
export class ObservedCall {
  readonly #call: MeasuredCall;
  readonly #protocol: Protocol;
  readonly #problems: Problems;
  /** The application did not ask for usage, so it must not see the chunk that carries it. */
  readonly #hidesUsage: boolean;
  readonly #chunks;
  /** Where requests went; nearly always one place. */
  readonly #urls: string[] = [];
  #failedOf: ErrorType | undefined = undefined;

  constructor(
    call: MeasuredCall,
    protocol: Protocol,
    problems: Problems,
    { hidesUsage = false } = {},
  ) {
    this.#call = call;
    this.#protocol = protocol;
    this.#problems = problems;
    this.#hidesUsage = hidesUsage;
    this.#chunks = protocol.chunks();
  }

  /** A request to where one went before is a retry; others are for tokens of access. */
  requested(url: string): void {
    this.guard(() => {
      if (!this.#urls.includes(url)) {
        this.#urls.push(url);
        return;
      }
      // A client gives up a request whose body does not come in time: then nothing is known to have failed.
      this.#call.retry(this.#failedOf ?? "timeout");
      this.#failedOf = undefined;
    });
  }

  responded(status: unknown): void {
    if (typeof status === "number" && status >= 400) this.#failedOf = errorTypeOfStatus(status);
  }

  /** When a client ends a request by itself and goes on, time is up; who aborts does not try again. */
  requestFailed(error: unknown): void {
    const type = errorTypeOf(error);
    this.#failedOf = type === "aborted" ? "timeout" : type;
  }

  answeredUnread(): void {
    this.guard(() => this.#call.answeredUnread());
  }

  /** The whole answer; undefined: nobody but the application reads it. */
  answered(data: unknown): void {
    this.guard(() => this.#end(this.#protocol.answer(data)));
  }

  failed(error: unknown): void {
    this.guard(() => {
      const { usage, model } = this.#chunks.answer();
      this.#call.fail(error, usage, model);
    });
  }

  /** False: the application is not to see the chunk. */
  chunk(chunk: unknown): boolean {
    return (
      this.guard(() => {
        if (this.#chunks.read(chunk)) this.#call.chunk();
        return !this.#hidesUsage || !isUsageChunk(chunk);
      }) ?? true
    );
  }

  /** The stream is at its end, or the application wants no more of it. */
  streamEnded(): void {
    this.guard(() => this.#end(this.#chunks.answer()));
  }

  #end({ usage, model, error }: Answer): void {
    if (error === undefined) this.#call.end(usage, model);
    else this.#call.fail(error, usage, model);
  }

  guard<R>(run: () => R): R | undefined {
    return guard(this.#problems, run);
  }
}
