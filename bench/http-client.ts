/**
 * An HTTP/1.1 client of one kept-alive connection on a bare socket, one request at a time, as an SDK's exporter:
 * requests are prepared with their head, answers are only searched for status and length.
 */
import { connect, type Socket } from "node:net";
import type { Client } from "./client.ts";

export interface RequestHead {
  readonly port: number;
  readonly path: string;
  readonly contentType: string;
  readonly gzip: boolean;
}

/** Head and body in one buffer. */
export function prepareRequest(head: RequestHead, body: Buffer): Buffer {
  const lines = [
    `POST ${head.path} HTTP/1.1`,
    `host: 127.0.0.1:${head.port}`,
    "user-agent: bench",
    `content-type: ${head.contentType}`,
    ...(head.gzip ? ["content-encoding: gzip"] : []),
    `content-length: ${body.length}`,
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), body]);
}

export class HttpClient implements Client {
  readonly #socket: Socket;
  #received = "";
  #done: ((ok: boolean) => void) | undefined;

  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#socket.on("error", () => this.close());
    this.#socket.on("close", () => this.#end(false));
  }

  send(request: Buffer): Promise<boolean> {
    if (this.#done !== undefined) throw new Error("one request at a time");
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve(false);
      this.#done = resolve;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#received += chunk.toString("latin1");
    const headEnd = this.#received.indexOf("\r\n\r\n");
    if (headEnd < 0) return;
    const head = this.#received.slice(0, headEnd).toLowerCase();
    const body = this.#received.slice(headEnd + 4);
    const length = /content-length: *(\d+)/u.exec(head)?.[1];
    const isWhole =
      length === undefined ? body.endsWith("0\r\n\r\n") : body.length >= Number(length);
    if (!isWhole) return;
    this.#received = "";
    this.#end(head.startsWith("http/1.1 200"));
  }

  #end(ok: boolean): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(ok);
  }
}
