import {
  Actions,
  type ContextValues,
  sayUnavailableContext,
} from "../../src/attribute-actions/actions.ts";
import { ContextVariants } from "../../src/attribute-actions/context-variants.ts";
import { EditCache, type EditVariant } from "../../src/attribute-actions/edit-cache.ts";
import { editAttributes } from "../../src/attribute-actions/item-editor.ts";
import type { Context, Payload, Settings } from "../../src/component.ts";
import { attributesField } from "../../src/pdata/attributes.ts";
import { type Place, type Rewriter, rewrite, type Verdict } from "../../src/pdata/rewrite.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import type { ResourceConfig } from "./config.ts";

const field = attributesField("Resource");
/** Resources are few; the cache serves senders that repeat them in each request. */
const cacheBytes = 1024 * 1024;

/** Runs the actions on every resource; scopes and items are copied as bytes. */
export class ResourceProcessor implements Rewriter {
  readonly #cache: EditCache<ContextValues>;
  readonly #variants: ContextVariants;
  #variant: EditVariant<ContextValues>;

  constructor({ attributes }: ResourceConfig, settings: Settings) {
    const actions = new Actions(attributes);
    this.#variants = new ContextVariants(actions);
    this.#variant = this.#variants.of({ receivedMs: 0 });
    this.#cache = new EditCache((set, variant) => {
      actions.run(set, variant.value);
      return 0;
    }, cacheBytes);
    settings.meter.gauge("rmt_attribute_cache_bytes", () => this.#cache.heldBytes, {
      processor: settings.id.text,
    });
    sayUnavailableContext(attributes, settings.log);
  }

  process(payload: Payload, context: Context): Payload | undefined {
    this.#variant = this.#variants.of(context);
    return rewrite(payload, this);
  }

  readonly #edit = (bytes: Uint8Array, start: number, end: number) =>
    this.#cache.lookup(this.#variant, field, bytes, start, end);

  resource(place: Place, out: Writer): Verdict {
    return editAttributes(place, field, this.#edit, out);
  }
}
