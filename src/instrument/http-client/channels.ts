import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { messageOf, type Problems } from "../problems.ts";

/** Runs a handler so that nothing it throws becomes an uncaught exception of the application. */
export function guarded<M>(problems: Problems, handle: (message: M) => void): (message: M) => void {
  return (message) => {
    try {
      handle(message);
    } catch (error) {
      const text = `cannot measure a request: ${messageOf(error)}`;
      problems.report("http_client_failed", text);
    }
  };
}

/** Returns how to end it. The handler names the type of what the channel carries. */
export function listen(
  channel: string,
  problems: Problems,
  handle: (message: never) => void,
): () => void {
  const run = guarded(problems, handle as (message: unknown) => void);
  subscribe(channel, run);
  return () => {
    unsubscribe(channel, run);
  };
}
