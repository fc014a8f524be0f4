import { currentCall, type ObservedCall } from "./observed-call.ts";

type Fetch = (this: unknown, ...args: unknown[]) => unknown;

const observing = new WeakSet<object>();

/** A client's attempts show nowhere but in its fetch. Clients made of a client inherit its fetch: it is wrapped once. */
export function observeFetch(client: object): void {
  const fetch: unknown = Reflect.get(client, "fetch");
  if (typeof fetch !== "function" || observing.has(fetch)) return;
  const observed = observedFetch(fetch as Fetch);
  observing.add(observed);
  Reflect.set(client, "fetch", observed);
}

function observedFetch(fetch: Fetch): Fetch {
  return function (this: unknown, ...args: unknown[]): unknown {
    const call = currentCall.get();
    if (call === undefined) return fetch.apply(this, args);
    call.requested(urlOf(args[0]));
    const response = fetch.apply(this, args) as PromiseLike<unknown> | undefined;
    return typeof response?.then === "function" ? observeResponse(response, call) : response;
  };
}

function observeResponse(response: PromiseLike<unknown>, call: ObservedCall): PromiseLike<unknown> {
  return response.then(
    (value) => {
      call.responded((value as { status?: unknown } | undefined)?.status);
      return value;
    },
    (error: unknown) => {
      call.requestFailed(error);
      throw error;
    },
  );
}

function urlOf(target: unknown): string {
  if (typeof target === "string") return target;
  return target instanceof URL ? target.href : String((target as { url?: unknown } | null)?.url);
}
