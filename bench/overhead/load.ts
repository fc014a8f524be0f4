/**
 * The load of the overhead bench, a process of its own: kept-alive connections with one request at a time on each,
 * until the server ends them. Answers are all as long as the first one; another length is an error.
 */
import { connect, type Socket } from "node:net";
import { optionsOf } from "./child.ts";

export interface LoadOptions {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
}

class Connection {
  readonly #socket: Socket;
  readonly #request: Buffer;
  /** Bytes of an answer; 0: none has come yet. */
  #length = 0;
  #received = 0;

  constructor({ port, path }: LoadOptions) {
    this.#request = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
    this.#socket = connect(port, "127.0.0.1");
  }

  open(): void {
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.write(this.#request);
  }

  #read(chunk: Buffer): void {
    if (this.#length === 0) this.#length = lengthOf(chunk);
    this.#received += chunk.length;
    if (this.#received < this.#length) return;
    if (this.#received > this.#length) throw new Error(`not the same answer: ${chunk.toString()}`);
    this.#received = 0;
    this.#socket.write(this.#request);
  }
}

function lengthOf(answer: Buffer): number {
  const text = answer.toString("latin1");
  const length = /^HTTP\/1\.1 200 [^]*\r\ncontent-length: (\d+)\r\n/iu.exec(text)?.[1];
  if (length === undefined) throw new Error(`not the answer of the bench's server: ${text}`);
  return text.indexOf("\r\n\r\n") + 4 + Number(length);
}

const options = optionsOf() as LoadOptions;
for (let i = 0; i < options.connections; i++) new Connection(options).open();
