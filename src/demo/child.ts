/** A process of the demo, as the demo sees it. */
import { type ChildProcess, fork } from "node:child_process";
import process from "node:process";
import { TelemetryError } from "../errors.ts";
import type { Calls, Message } from "./calls.ts";

const keptLines = 40;

export type Role = "service" | "app" | "outside";

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Runs `rmt demo <role>` in a process group of its own, so that Ctrl-C reaches the demo alone, which ends its
 * processes in order. They end by themselves when the demo is gone.
 */
export class Child<T extends Calls<T>> {
  readonly role: Role;
  readonly exited: Promise<void>;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #lines: string[] = [];
  readonly #onEvent: (event: string, value: unknown) => void;
  #lastId = 0;

  constructor(
    role: Role,
    args: readonly string[],
    options: {
      readonly onEvent?: (event: string, value: unknown) => void;
      readonly onLine?: (line: string) => void;
    } = {},
  ) {
    this.role = role;
    this.#onEvent = options.onEvent ?? (() => {});
    // The command that runs now, however it was built.
    this.#process = fork(process.argv[1]!, ["demo", role, ...args], {
      detached: true,
      env: role === "service" ? process.env : withoutOtel(process.env),
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.#keepLines(options.onLine ?? (() => {}));
    this.#process.on("message", (message: Message) => this.#take(message));
    this.exited = new Promise((resolve) => {
      const onEnd = () => {
        this.#failWaiting();
        resolve();
      };
      this.#process.once("exit", onEnd);
      // It could not be started at all.
      this.#process.once("error", onEnd);
    });
  }

  get hasExited(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** The last lines that it wrote. */
  get output(): string {
    return this.#lines.join("\n");
  }

  /** `exit code 1`, `SIGKILL`. */
  get end(): string {
    return this.#process.signalCode ?? `exit code ${this.#process.exitCode}`;
  }

  /** Rejects with what the call threw, or when the process ends or the deadline passes. */
  call<K extends keyof T & string>(
    name: K,
    argument: Parameters<T[K]>[0],
    timeoutMs: number,
  ): Promise<Awaited<ReturnType<T[K]>>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        const text = `the ${this.role} did not answer "${name}" within ${timeoutMs / 1000} s`;
        reject(new TelemetryError("TIMEOUT", text));
      }, timeoutMs);
      const settled = <V>(settle: (value: V) => void) => {
        return (value: V) => {
          clearTimeout(timer);
          settle(value);
        };
      };
      this.#waiting.set(id, {
        resolve: settled(resolve as (result: unknown) => void),
        reject: settled(reject),
      });
      if (this.hasExited || !this.#process.connected) this.#failWaiting();
      else this.#process.send({ id, name, argument }, () => {});
    });
  }

  /** SIGTERM, and SIGKILL where that is not enough; resolves when it is gone. */
  async stop(timeoutMs: number): Promise<void> {
    if (this.hasExited) return;
    const timer = setTimeout(() => this.kill(), timeoutMs);
    this.#process.kill("SIGTERM");
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#process.kill("SIGKILL");
  }

  #take(message: Message): void {
    if ("event" in message) return this.#onEvent(message.event, message.value);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if ("error" in message) waiting?.reject(failure(message.error));
    else waiting?.resolve(message.result);
  }

  #failWaiting(): void {
    const error = failure(`the ${this.role} ended (${this.end})`);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #keepLines(onLine: (line: string) => void): void {
    for (const stream of [this.#process.stdout!, this.#process.stderr!]) {
      let rest = "";
      stream.setEncoding("utf8").on("data", (text: string) => {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!;
        for (const line of lines) {
          this.#lines.push(line);
          if (this.#lines.length > keptLines) this.#lines.shift();
          onLine(line);
        }
      });
    }
  }
}

const failure = (text: string) => new TelemetryError("START_FAILED", text);

/** Where the app sends and what it is called is the demo's business, not the environment's. */
const withoutOtel = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("OTEL_")));
