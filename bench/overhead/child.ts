/** A program of this folder as a process of its own: one JSON argument, JSON lines on its output. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

export class Child {
  readonly #name: string;
  readonly #process: ChildProcessByStdio<null, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(program: string, options: unknown, flags: readonly string[] = []) {
    this.#name = program;
    const path = fileURLToPath(new URL(program, import.meta.url));
    this.#process = spawn(process.execPath, [...flags, path, JSON.stringify(options)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** The next line. */
  async read<T>(): Promise<T> {
    const { done, value } = await this.#lines.next();
    if (done === true) throw new Error(`${this.#name} ended without a result`);
    return JSON.parse(value) as T;
  }

  stop(): void {
    this.#process.kill("SIGKILL");
  }
}

/** What a program prints as its only line. */
export async function resultOf<T>(
  program: string,
  options: unknown,
  flags?: readonly string[],
): Promise<T> {
  const child = new Child(program, options, flags);
  try {
    return await child.read<T>();
  } finally {
    child.stop();
  }
}

export const optionsOf = (): unknown => JSON.parse(process.argv[2]!);
export const say = (result: unknown) => process.stdout.write(`${JSON.stringify(result)}\n`);
