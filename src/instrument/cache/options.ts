import type { Problems } from "../problems.ts";
import type { CacheOptions } from "./types.ts";

export interface CheckedOptions {
  readonly name: string;
  readonly limitBytes: number | undefined;
  readonly sizeOf: CacheOptions["sizeOf"];
}

/** Undefined: there is no name. What else is wrong is told and left out. */
export function checkOptions(
  given: CacheOptions,
  caller: string,
  problems: Problems,
): CheckedOptions | undefined {
  const { name, limitBytes, sizeOf } = (given ?? {}) as Record<keyof CacheOptions, unknown>;
  if (typeof name !== "string" || name === "") {
    problems.report("invalid_option", `${caller} needs the name of the cache`, caller);
    return undefined;
  }
  const tell = (option: string, what: string) => {
    const message = `cache ${JSON.stringify(name)}: ${option} is ${what} and has no effect`;
    problems.report("invalid_option", message, `${name} ${option}`);
  };
  const isLimit = typeof limitBytes === "number" && limitBytes >= 0 && Number.isFinite(limitBytes);
  if (limitBytes !== undefined && !isLimit) tell("limitBytes", "no number of bytes");
  const isFunction = typeof sizeOf === "function";
  if (sizeOf !== undefined && !isFunction) tell("sizeOf", "no function");
  return {
    name,
    limitBytes: isLimit ? limitBytes : undefined,
    sizeOf: isFunction ? (sizeOf as CacheOptions["sizeOf"]) : undefined,
  };
}
