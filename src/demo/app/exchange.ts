/** A request with its response, as the app's handlers see them. */
import type { IncomingMessage, ServerResponse } from "node:http";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  /** What stands for `:id` in the path. */
  readonly id: string | undefined;
  readonly fault: string | undefined;
}

export function reply({ response }: Exchange, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(`${JSON.stringify(body)}\n`);
}
