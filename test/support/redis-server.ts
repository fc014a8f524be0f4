/** A Redis of a test: Debian's `redis-server`, on loopback, without files. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { freePort } from "./free-port.ts";

/** Told aloud; in CI it is an error. */
export function isRedisMissing(testFile: string): boolean {
  const isMissing = spawnSync("redis-server", ["--version"]).error !== undefined;
  if (isMissing && process.env["CI"] !== undefined) {
    throw new Error("CI needs Debian's redis-server package");
  }
  if (isMissing) process.stderr.write(`SKIPPED: ${testFile} needs the program redis-server\n`);
  return isMissing;
}

export class RedisServer {
  readonly port: number;
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess, port: number) {
    this.#process = process;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
  }

  static async start(...more: string[]): Promise<RedisServer> {
    const port = await freePort();
    const options = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", ...more];
    const server = spawn("redis-server", options, { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface(server.stdout)) {
      if (line.includes("Ready to accept connections")) return new RedisServer(server, port);
    }
    throw new Error("redis-server ended before it was ready");
  }

  async stop(): Promise<void> {
    const exit = once(this.#process, "exit");
    this.#process.kill();
    await exit;
  }
}
