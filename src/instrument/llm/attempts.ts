import { intercept, type Method, replaceMethods } from "../replace-methods.ts";
import { currentCall, type ObservedCall } from "./observed-call.ts";

const observing = new WeakSet<object>();

/** A client's attempts show nowhere but in its fetch. Clients made of a client inherit its fetch: it is wrapped once. */
export function observeFetch(client: object): void {
  const fetch: unknown = Reflect.get(client, "fetch");
  if (typeof fetch !== "function" || observing.has(fetch)) return;
  replaceMethods(client, { fetch: observedFetch });
}

function observedFetch(fetch: Method): Method {
  const observed = intercept((receiver, args) => {
    const call = currentCall.get();
    if (call === undefined) return Reflect.apply(fetch, receiver, args);
    call.requested(urlOf(args[0]));
    const response = Reflect.apply(fetch, receiver, args) as PromiseLike<unknown> | undefined;
    return typeof response?.then === "function" ? observeResponse(response, call) : response;
  });
  observing.add(observed);
  return observed;
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
