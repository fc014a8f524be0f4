/** A server whose listener can be exchanged while it runs. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";

export class ExchangeableServer {
  listener: RequestListener = (_request, response) => void response.end();
  readonly #server = createServer((request, response) => this.listener(request, response));

  /** Resolves with its port. */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.on("error", reject);
      this.#server.listen(0, "127.0.0.1", () => {
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }
}
