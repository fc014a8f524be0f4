/** Clients and clusters of ioredis 4 to 6. */
import { intercept, replaceMethods } from "../replace-methods.ts";
import type { CacheRecorder } from "./recorder.ts";
import { type OnReply, RedisWatch } from "./redis-commands.ts";

/** A transaction that is never executed must not collect for ever. */
const maxQueued = 10_000;

/** Marks the resolve that is ours: a tenth of the cost of a WeakSet. A command that is begun anew gets another one. */
const watchKey = Symbol("repomind.watch");

interface Resolve {
  (reply: unknown): unknown;
  [watchKey]?: CommandWatch;
}

interface Command {
  readonly name: string;
  readonly args: readonly unknown[];
  /** Called with the reply as it came. */
  resolve: Resolve;
}

const isCommand = (value: unknown): value is Command =>
  typeof value === "object" &&
  value !== null &&
  "name" in value &&
  typeof value.name === "string" &&
  "args" in value &&
  Array.isArray(value.args) &&
  "resolve" in value &&
  typeof value.resolve === "function";

export function isIoredis(client: object): boolean {
  return ["sendCommand", "pipeline", "defineCommand"].every(
    (name) => typeof Reflect.get(client, name) === "function",
  );
}

export function watchIoredis(client: object, recorder: CacheRecorder): void {
  const watch = new CommandWatch(recorder);
  replaceMethods(client, {
    sendCommand: (send) =>
      intercept((self, args) => {
        if (isCommand(args[0])) watch.sent(args[0]);
        return Reflect.apply(send, self, args);
      }),
  });
}

/**
 * Every command passes through sendCommand, those of pipelines and transactions too, and again when it is sent once
 * more after a reconnection. Replies are seen in the command's own `resolve`: no promise of the application is touched.
 */
class CommandWatch {
  readonly #redis: RedisWatch;
  /** What waits for the reply of exec, in order. */
  #queued: (OnReply | undefined)[] | undefined = undefined;

  constructor(recorder: CacheRecorder) {
    this.#redis = new RedisWatch(recorder);
  }

  sent(command: Command): void {
    const name = command.name.toLowerCase();
    if (name === "multi") this.#queued = [];
    else if (name === "discard") this.#queued = undefined;
    else if (name === "exec") this.#executed(command);
    else this.#entered(command, name);
  }

  #executed(command: Command): void {
    const queued = this.#queued;
    this.#queued = undefined;
    if (queued === undefined) return;
    this.#onReply(command, (replies) => {
      if (!Array.isArray(replies)) return;
      for (const [i, onReply] of queued.entries()) onReply?.(replies[i]);
    });
  }

  #entered(command: Command, name: string): void {
    if (command.resolve[watchKey] === this) return;
    const onReply = this.#redis.sent(name, command.args);
    const queued = this.#queued;
    if (queued !== undefined && queued.length < maxQueued) queued.push(onReply);
    if (onReply === undefined) return;
    this.#onReply(
      command,
      queued === undefined
        ? onReply
        : (reply) => {
            // Any other reply: the server knows of no transaction, because the connection is a new one.
            if (isQueued(reply)) return;
            if (this.#queued === queued) this.#queued = undefined;
            onReply(reply);
          },
    );
  }

  #onReply(command: Command, onReply: OnReply): void {
    const { resolve } = command;
    const resolveAndTell: Resolve = (reply) => {
      onReply(reply);
      return Reflect.apply(resolve, command, [reply]);
    };
    resolveAndTell[watchKey] = this;
    command.resolve = resolveAndTell;
  }
}

const isQueued = (reply: unknown): boolean =>
  (typeof reply === "string" || reply instanceof Uint8Array) && String(reply) === "QUEUED";
