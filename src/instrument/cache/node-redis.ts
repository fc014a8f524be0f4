/** Clients and pools of node-redis 5 and 6. */
import { intercept, type Method, replaceMethods, type Wrappers } from "../replace-methods.ts";
import type { CacheRecorder } from "./recorder.ts";
import { type OnReply, RedisWatch } from "./redis-commands.ts";

/** Marks argument lists that are counted above sendCommand: a tenth of the cost of a WeakSet. */
const countedKey = Symbol("repomind.counted");

type Arguments = unknown[] & { [countedKey]?: boolean };

/** A command in a transaction or pipeline. */
interface QueuedCommand {
  readonly args: readonly unknown[];
}

const hasMethod = (of: object, name: string) => typeof Reflect.get(of, name) === "function";

export function isNodeRedis(client: object): boolean {
  return ["sendCommand", "mGet", "multi"].every((name) => hasMethod(client, name));
}

/** The client itself: what the application has may be one of several views that inherit from it. */
export function nodeRedisTarget(client: object): object {
  const self: unknown = Reflect.get(client, "_self");
  return typeof self === "object" && self !== null ? self : client;
}

export function watchNodeRedis(target: object, recorder: CacheRecorder): void {
  if (hasMethod(target, "_executeCommand")) new ClientWatch(recorder).watch(target);
  else if (hasMethod(target, "execute")) watchPool(target, recorder);
  else throw new Error("of node-redis, clients and pools are measured, since version 5");
}

/** A pool lends its clients to what is executed: each is watched when it is lent first. */
function watchPool(pool: object, recorder: CacheRecorder): void {
  const watched = new WeakSet<object>();
  const clientWatch = new ClientWatch(recorder);
  const lend = (client: object) => {
    const target = nodeRedisTarget(client);
    if (watched.has(target)) return;
    watched.add(target);
    clientWatch.watch(target);
  };
  replaceMethods(pool, {
    execute: (execute) =>
      intercept((self, [run, ...rest]) => {
        if (typeof run !== "function") return Reflect.apply(execute, self, [run, ...rest]);
        const watchAndRun = (client: object) => {
          lend(client);
          return (run as (of: object) => unknown)(client);
        };
        return Reflect.apply(execute, self, [watchAndRun, ...rest]);
      }),
  });
}

/**
 * All commands pass through four methods. The named ones (client.get) through _executeCommand, where also the
 * client's own cache of replies answers; below it they call sendCommand, which counts only what comes without it.
 */
class ClientWatch {
  readonly #redis: RedisWatch;

  constructor(recorder: CacheRecorder) {
    this.#redis = new RedisWatch(recorder);
  }

  watch(client: object): void {
    const wrappers: Wrappers = {
      _executeCommand: (execute) => this.#commandWrapper(execute),
      _executeMulti: (execute) => this.#batchWrapper(execute),
      _executePipeline: (execute) => this.#batchWrapper(execute),
      sendCommand: (send) => this.#rawWrapper(send),
    };
    replaceMethods(client, wrappers);
  }

  #commandWrapper(execute: Method): Method {
    return intercept((client, args) => {
      const parser = args[1] as { readonly redisArgs?: unknown } | undefined;
      const command = parser?.redisArgs;
      const onReply = this.#sent(command);
      if (Array.isArray(command)) (command as Arguments)[countedKey] = true;
      const promise = Reflect.apply(execute, client, args);
      follow(promise, onReply);
      return promise;
    });
  }

  #sent(args: unknown): OnReply | undefined {
    if (!Array.isArray(args)) return undefined;
    return this.#redis.sent(args[0], args.slice(1));
  }

  #batchWrapper(execute: Method): Method {
    return intercept((client, args) => {
      const queued = Array.isArray(args[0]) ? (args[0] as QueuedCommand[]) : [];
      const onReplies = queued.map((command) => this.#sent(command.args));
      const promise = Reflect.apply(execute, client, args);
      follow(promise, (replies) => {
        if (!Array.isArray(replies)) return;
        for (const [i, onReply] of onReplies.entries()) onReply?.(replies[i]);
      });
      return promise;
    });
  }

  /** The application may hold this promise itself: what it does not handle must stay unhandled. */
  #rawWrapper(send: Method): Method {
    return intercept((client, args) => {
      const command = args[0] as Arguments | undefined;
      const onReply = command?.[countedKey] === true ? undefined : this.#sent(command);
      const promise = Reflect.apply(send, client, args);
      if (onReply === undefined || !(promise instanceof Promise)) return promise;
      return promise.then((reply: unknown) => {
        onReply(reply);
        return reply;
      });
    });
  }
}

/** The client awaits this promise itself, so that a rejection stays handled, or not, by whoever has the outer one. */
function follow(promise: unknown, onReply: OnReply | undefined): void {
  if (onReply === undefined || !(promise instanceof Promise)) return;
  promise.then(onReply, () => {});
}
