import { runtimeFor } from "../runtime.ts";
import { Context } from "./context.ts";

const queryType = new Context<string>();

/** Calls of language models within `run`, also later ones that it awaits, are of this type. */
export function withQueryType<R>(type: string, run: () => R): R {
  const isMeasuring = runtimeFor("withQueryType()") !== undefined;
  return isMeasuring && typeof type === "string" ? queryType.run(type, run) : run();
}

export const currentQueryType = (): string | undefined => queryType.get();
