/** What commands of Redis mean for a cache: which read, store or delete entries, and what their replies say. */
import { messageOf } from "../problems.ts";
import type { CacheRecorder } from "./recorder.ts";

type Arguments = ArrayLike<unknown>;
/** Entries of a cache: whole keys, or `<key>\0<field>` for the fields of a hash. */
type KeysOf = (args: Arguments) => readonly unknown[];

interface ReadCommand {
  readonly kind: "read";
  readonly keys: KeysOf;
  /** "each": the reply is a list, one value a key. "whole": an empty reply is a miss. */
  readonly reply: "one" | "each" | "whole";
  readonly isDeleting?: boolean;
}
interface StoreCommand {
  readonly kind: "store";
  readonly keys: KeysOf;
}
interface DeleteCommand {
  readonly kind: "delete";
}

type Command = ReadCommand | StoreCommand | DeleteCommand;

const text = (key: unknown): string =>
  key instanceof Uint8Array ? Buffer.from(key).toString() : String(key);
const fieldOf = (key: unknown, field: unknown) => `${text(key)}\0${text(field)}`;

const firstKey: KeysOf = (args) => [text(args[0])];
const allKeys: KeysOf = (args) => Array.from(args, text);
const everyOtherKey: KeysOf = (args) => allKeys(args).filter((_, i) => i % 2 === 0);
const oneField: KeysOf = (args) => [fieldOf(args[0], args[1])];
const allFields: KeysOf = (args) =>
  Array.from(args)
    .slice(1)
    .map((field) => fieldOf(args[0], field));
/** The key itself too: HGETALL may have missed it. */
const hashAndFields: KeysOf = (args) => [
  text(args[0]),
  ...allFields(args).filter((_, i) => i % 2 === 0),
];

const commands: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["get", { kind: "read", keys: firstKey, reply: "one" }],
  ["getex", { kind: "read", keys: firstKey, reply: "one" }],
  ["getdel", { kind: "read", keys: firstKey, reply: "one", isDeleting: true }],
  ["mget", { kind: "read", keys: allKeys, reply: "each" }],
  ["hget", { kind: "read", keys: oneField, reply: "one" }],
  ["hmget", { kind: "read", keys: allFields, reply: "each" }],
  ["hgetall", { kind: "read", keys: firstKey, reply: "whole" }],
  ["set", { kind: "store", keys: firstKey }],
  ["setex", { kind: "store", keys: firstKey }],
  ["psetex", { kind: "store", keys: firstKey }],
  ["setnx", { kind: "store", keys: firstKey }],
  ["getset", { kind: "store", keys: firstKey }],
  ["mset", { kind: "store", keys: everyOtherKey }],
  ["msetnx", { kind: "store", keys: everyOtherKey }],
  ["hset", { kind: "store", keys: hashAndFields }],
  ["hmset", { kind: "store", keys: hashAndFields }],
  ["hsetnx", { kind: "store", keys: hashAndFields }],
  ["del", { kind: "delete" }],
  ["unlink", { kind: "delete" }],
  ["hdel", { kind: "delete" }],
]);

/** node-redis writes names in capitals, ioredis in small letters; an application may mix them. */
function commandOf(name: unknown): Command | undefined {
  return commands.get(name as string) ?? commands.get(String(name).toLowerCase());
}

/** Takes the reply of a command; not called where it failed. Never throws. */
export type OnReply = (reply: unknown) => void;

/** Tells a recorder what the commands of a client do. Every key that is read is one request. */
export class RedisWatch {
  readonly #recorder: CacheRecorder;

  constructor(recorder: CacheRecorder) {
    this.#recorder = recorder;
    recorder.reasons = ["explicit"];
  }

  /** Notes a command that is sent, name in any case; undefined: its reply says nothing. Never throws. */
  sent(name: unknown, args: Arguments): OnReply | undefined {
    try {
      const onReply = this.#noted(commandOf(name), args);
      return onReply === undefined ? undefined : this.#guarded(onReply);
    } catch {
      // Arguments that cannot be read as text: the client refuses them itself.
      return undefined;
    }
  }

  #noted(command: Command | undefined, args: Arguments): OnReply | undefined {
    if (command === undefined) return undefined;
    if (command.kind === "delete") return (reply) => this.#deleted(reply);
    const keys = command.keys(args);
    if (command.kind === "read") {
      const startMs = performance.now();
      return (reply) => this.#answered(command, keys, reply, startMs);
    }
    for (const key of keys) this.#recorder.stored(key);
    return undefined;
  }

  #answered(command: ReadCommand, keys: readonly unknown[], reply: unknown, startMs: number): void {
    const misses = missesIn(command, keys, reply);
    for (const key of misses) this.#recorder.missed(key);
    const hits = keys.length - misses.length;
    this.#recorder.counts.requests.hit += hits;
    if (command.isDeleting === true) this.#deleted(hits);
    const seconds = (performance.now() - startMs) / 1000;
    this.#recorder.took(misses.length > 0 ? "miss" : "hit", seconds);
  }

  #deleted(reply: unknown): void {
    const entries = Number(reply);
    if (entries > 0) this.#recorder.evicted(entries, "explicit");
  }

  #guarded(onReply: OnReply): OnReply {
    return (reply) => {
      // In a transaction an error stands among the replies.
      if (reply instanceof Error) return;
      try {
        onReply(reply);
      } catch (error) {
        this.#recorder.complain(`cannot read a reply: ${messageOf(error)}`);
      }
    };
  }
}

function missesIn(
  { reply: shape }: ReadCommand,
  keys: readonly unknown[],
  reply: unknown,
): readonly unknown[] {
  if (shape === "each") {
    const values = Array.isArray(reply) ? (reply as unknown[]) : [];
    return keys.filter((_, i) => isNothing(values[i]));
  }
  const isMiss = isNothing(reply) || (shape === "whole" && isEmpty(reply));
  return isMiss ? keys : [];
}

const isNothing = (value: unknown) => value === null || value === undefined;

/** A hash comes as a list, a Map or an object: as the client was told. */
function isEmpty(hash: unknown): boolean {
  if (Array.isArray(hash)) return hash.length === 0;
  if (hash instanceof Map) return hash.size === 0;
  return typeof hash === "object" && hash !== null && Object.keys(hash).length === 0;
}
