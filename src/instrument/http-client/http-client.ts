import type { Problems } from "../problems.ts";
import type { HttpOptions, Meter } from "../types.ts";
import { NodeClients } from "./node-clients.ts";
import { ClientInstruments } from "./series.ts";
import { Servers } from "./servers.ts";
import { UndiciClients } from "./undici-clients.ts";

/**
 * Measures the requests that this process sends, from their creation to the end of the response's body: by fetch, by
 * the package undici, by node:http and node:https. fetch does not go through node:http, so no request is counted twice.
 */
export class HttpClientMetrics implements Disposable {
  readonly #clients: readonly Disposable[];

  constructor(meter: Meter, _options: HttpOptions, problems: Problems) {
    const servers = new Servers(new ClientInstruments(meter));
    this.#clients = [new UndiciClients(servers, problems), new NodeClients(servers, problems)];
  }

  [Symbol.dispose](): void {
    for (const clients of this.#clients) clients[Symbol.dispose]();
  }
}
