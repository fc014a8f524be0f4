/** Choosing items of a payload. */
import type { Payload, Signal } from "./payload.ts";
import { onRegular } from "./regular.ts";
import { rewriteRegular } from "./rewrite.ts";
import { drop, keep } from "./rewriter.ts";

/**
 * The payload with the items for which `keepItem` is true, by their index in the payload; containers that
 * lose all their items vanish. undefined: no item is left. The same object if all are kept.
 */
export function select<S extends Signal>(
  payload: Payload<S>,
  keepItem: (itemIndex: number) => boolean,
): Payload<S> | undefined {
  return onRegular(payload, (regular) => {
    let index = 0;
    const visit = () => (keepItem(index++) ? keep : drop);
    return rewriteRegular(regular, { point: visit, span: visit, record: visit });
  });
}
