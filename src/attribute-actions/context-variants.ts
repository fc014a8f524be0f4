import type { Context } from "../component.ts";
import type { Actions, ContextValues } from "./actions.ts";
import { EditVariant } from "./edit-cache.ts";

/** States of the metadata that are told apart at a time; with more, edits are remembered from here on anew. */
const maxVariants = 1000;

/** The variants of edits that take values from the metadata of requests. */
export class ContextVariants {
  readonly #actions: Actions;
  readonly #variants = new Map<string, EditVariant<ContextValues>>();
  #made = 0;
  readonly #only: EditVariant<ContextValues>;

  constructor(actions: Actions) {
    this.#actions = actions;
    this.#only = this.#make([]);
  }

  of(context: Context): EditVariant<ContextValues> {
    if (!this.#actions.usesContext) return this.#only;
    const values = this.#actions.contextValues(context);
    const key = JSON.stringify(values);
    let variant = this.#variants.get(key);
    if (variant === undefined) {
      if (this.#variants.size >= maxVariants) this.#variants.clear();
      variant = this.#make(values);
      this.#variants.set(key, variant);
    }
    return variant;
  }

  #make(values: ContextValues): EditVariant<ContextValues> {
    return new EditVariant(this.#made++, values);
  }
}
