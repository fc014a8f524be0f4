import {
  Actions,
  type ContextValues,
  sayUnavailableContext,
} from "../../src/attribute-actions/actions.ts";
import type { AttributeSet } from "../../src/attribute-actions/attribute-set.ts";
import { ContextVariants } from "../../src/attribute-actions/context-variants.ts";
import {
  EditCache,
  type EditResult,
  type EditVariant,
} from "../../src/attribute-actions/edit-cache.ts";
import { editAttributes } from "../../src/attribute-actions/item-editor.ts";
import type { Context, Payload, Settings, Signal } from "../../src/component.ts";
import { TelemetryError } from "../../src/errors.ts";
import { attributesField, pointAttributesField } from "../../src/pdata/attributes.ts";
import { keep, type Place, type Rewriter, rewrite, type Verdict } from "../../src/pdata/rewrite.ts";
import type { Writer } from "../../src/pdata/wire.ts";
import type { AttributesConfig } from "./config.ts";
import { signalProblem } from "./match-config.ts";
import { type PropertyMatcher, propertyMatcher } from "./property-matcher.ts";

/** Flag of a set that has the attributes of exclude. */
const excluded = 1;

const untouched: EditResult = {
  flags: 0,
  changed: false,
  isKept: true,
  bytes: new Uint8Array(0),
  start: 0,
  end: 0,
  prefix: 0,
};

/** How far the walk's resource, scope and metric match a section. */
class Standing {
  readonly matcher: PropertyMatcher | undefined;
  resource = true;
  scope = true;
  metric = true;

  constructor(matcher: PropertyMatcher | undefined) {
    this.matcher = matcher;
  }

  /** All but the attributes; true without a section. */
  matches({ bytes, start, end }: Place): boolean {
    if (!(this.resource && this.scope && this.metric)) return false;
    return this.matcher?.item?.(bytes, start, end) ?? true;
  }
}

/** Runs the actions on each span, record or data point that include and exclude choose. */
export class AttributesProcessor {
  readonly #actions: Actions;
  readonly #variants: ContextVariants;
  readonly #cache: EditCache<ContextValues>;
  readonly #include: Standing;
  readonly #exclude: Standing;
  readonly #rewriter: Rewriter;
  #variant: EditVariant<ContextValues>;
  /** Whether exclude matches all but the attributes of the item that is looked at. */
  #mayExclude = false;
  #field = 0;

  constructor(config: AttributesConfig, signal: Signal, settings: Settings) {
    checkFor(config, signal);
    sayUnavailableContext(config.actions, settings.log);
    this.#actions = new Actions(config.actions);
    this.#variants = new ContextVariants(this.#actions);
    this.#variant = this.#variants.of({ receivedMs: 0 });
    this.#include = new Standing(propertyMatcher(config.include));
    this.#exclude = new Standing(propertyMatcher(config.exclude));
    this.#cache = new EditCache((set, variant) => this.#editSet(set, variant));
    this.#rewriter = this.#makeRewriter(signal);
    settings.meter.gauge("rmt_attribute_cache_bytes", () => this.#cache.heldBytes, {
      processor: settings.id.text,
    });
  }

  process(payload: Payload, context: Context): Payload | undefined {
    this.#variant = this.#variants.of(context);
    return rewrite(payload, this.#rewriter);
  }

  /** Only the levels that the sections ask about are visited. */
  #makeRewriter(signal: Signal): Rewriter {
    const asks = (level: "resource" | "scope" | "metric") =>
      [this.#include, this.#exclude].some(({ matcher }) => matcher?.[level] !== undefined);
    return {
      ...(asks("resource") && { resource: (place) => this.#enter("resource", place) }),
      ...(asks("scope") && { scope: (place) => this.#enter("scope", place) }),
      ...(asks("metric") && { metric: (place) => this.#enter("metric", place) }),
      ...itemCallback(signal, (place, field, out) => this.#item(place, field, out)),
    };
  }

  #enter(level: "resource" | "scope" | "metric", { bytes, start, end }: Place): Verdict {
    for (const standing of [this.#include, this.#exclude]) {
      standing[level] = standing.matcher?.[level]?.(bytes, start, end) ?? true;
    }
    return keep;
  }

  #item(place: Place, field: number, out: Writer): Verdict {
    const exclude = this.#exclude;
    if (!this.#include.matches(place)) return keep;
    this.#mayExclude = exclude.matcher !== undefined && exclude.matches(place);
    if (this.#mayExclude && exclude.matcher?.attributes === undefined) return keep;
    this.#field = field;
    return editAttributes(place, field, this.#edit, out);
  }

  readonly #edit = (bytes: Uint8Array, start: number, end: number): EditResult => {
    const result = this.#cache.lookup(this.#variant, this.#field, bytes, start, end);
    return this.#mayExclude && (result.flags & excluded) !== 0 ? untouched : result;
  };

  #editSet(set: AttributeSet, variant: EditVariant<ContextValues>): number {
    const isExcluded = this.#exclude.matcher?.attributes?.(set) ?? false;
    const isIncluded = this.#include.matcher?.attributes?.(set) ?? true;
    if (isIncluded) this.#actions.run(set, variant.value);
    return isExcluded ? excluded : 0;
  }
}

type ItemEdit = (place: Place, field: number, out: Writer) => Verdict;

function itemCallback(signal: Signal, edit: ItemEdit): Rewriter {
  if (signal === "traces") {
    const field = attributesField("Span");
    return { span: (place, out) => edit(place, field, out) };
  }
  if (signal === "logs") {
    const field = attributesField("LogRecord");
    return { record: (place, out) => edit(place, field, out) };
  }
  return { point: (place, out) => edit(place, pointAttributesField[place.metricKind], out) };
}

function checkFor(config: AttributesConfig, signal: Signal): void {
  for (const match of [config.include, config.exclude]) {
    const problem = match && signalProblem(match, signal);
    if (problem !== undefined) throw new TelemetryError("CONFIG_INVALID", problem);
  }
}
