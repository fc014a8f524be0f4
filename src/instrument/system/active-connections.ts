import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { Socket } from "node:net";
import { messageOf, type Problems } from "../problems.ts";
import type { Meter } from "../types.ts";

/** Published for each connection that a server of node:net accepts, before anything is laid over it (TLS, HTTP). */
const acceptChannel = "net.server.socket";

/** Connections that servers of this thread accepted since, and that are open. */
export class ActiveConnections implements Disposable {
  readonly #observed: Disposable;
  readonly #problems: Problems;
  #open = 0;

  constructor(meter: Meter, problems: Problems) {
    this.#problems = problems;
    this.#observed = meter.observe(
      "repomind.server.active_connections",
      "upDownCounter",
      {
        unit: "{connection}",
        description: "Number of connections to servers of the process that are open.",
        attributes: [],
      },
      (observe) => observe(this.#open),
    );
    subscribe(acceptChannel, this.#onAccept);
  }

  [Symbol.dispose](): void {
    unsubscribe(acceptChannel, this.#onAccept);
    this.#observed[Symbol.dispose]();
  }

  /** What a subscriber throws becomes an uncaught exception of the application: so nothing may be thrown. */
  readonly #onAccept = (message: unknown): void => {
    try {
      // One function for all sockets, and `on`: a socket closes once.
      (message as { readonly socket: Socket }).socket.on("close", this.#onClose);
      this.#open++;
    } catch (error) {
      this.#problems.report("system_failed", `cannot watch a connection: ${messageOf(error)}`);
    }
  };

  readonly #onClose = (): void => {
    this.#open--;
  };
}
