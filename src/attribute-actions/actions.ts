/** Actions of a config, made ready to run on attribute sets. */
import type { Context } from "../component.ts";
import type { Logger } from "../log.ts";
import { Regex } from "../regex/regex.ts";
import type { AttributeSet, Bytes } from "./attribute-set.ts";
import { type ActionConfig, type ActionKind, kindOf } from "./config.ts";
import {
  type ConvertedType,
  convertedValue,
  encodeValue,
  hashOfValue,
  valueFromConfig,
  valueOf,
} from "./values.ts";

/** Values that come from a request's metadata, by number of the action; undefined: not there. */
export type ContextValues = readonly (string | undefined)[];

type Step = (set: AttributeSet, context: ContextValues) => void;
type Source = (set: AttributeSet, context: ContextValues) => Bytes | undefined;

const utf8 = (text: string): Uint8Array => Buffer.from(text, "utf8");

/** The actions of one processor, in order. */
export class Actions {
  readonly #steps: readonly Step[];
  readonly #contextKeys: readonly (string | undefined)[];
  /** Whether the result depends on more than the attributes. */
  readonly usesContext: boolean;

  constructor(configs: readonly ActionConfig[]) {
    this.#steps = configs.map(compile);
    this.#contextKeys = configs.map(({ from_context: key }) => (key === "" ? undefined : key));
    this.usesContext = this.#contextKeys.some((key) => key !== undefined);
  }

  /** What the actions take from the metadata of a request. */
  contextValues(context: Context): ContextValues {
    return this.#contextKeys.map((key) => key && metadataText(context, key));
  }

  run(set: AttributeSet, context: ContextValues): void {
    for (const step of this.#steps) step(set, context);
  }
}

/** Warns of keys of from_context for which requests carry nothing here. */
export function sayUnavailableContext(configs: readonly ActionConfig[], log: Logger): void {
  for (const { from_context } of configs) {
    if (from_context !== "client.address" && !from_context.startsWith("auth.")) continue;
    log.warn("Requests carry no such value: without a default_value the action has no effect.", {
      from_context,
    });
  }
}

/** Several values are joined, as the Collector does; `metadata.` may be left out. */
function metadataText({ metadata }: Context, key: string): string | undefined {
  const values = metadata?.get(key.replace(/^metadata\./u, "").toLowerCase());
  return values === undefined || values.length === 0 ? undefined : values.join(";");
}

function compile(config: ActionConfig, index: number): Step {
  const kind = kindOf(config);
  if (kind === undefined) throw new Error(`BUG: unchecked action ${config.action}`);
  return compilers[kind](config, index);
}

const compilers: Readonly<Record<ActionKind, (config: ActionConfig, index: number) => Step>> = {
  insert: (config, index) => {
    const key = utf8(config.key);
    const source = sourceOf(config, index);
    return (set, context) => {
      if (set.find(key) >= 0) return;
      const value = source(set, context);
      if (value !== undefined) set.append(key, value);
    };
  },
  update: (config, index) => {
    const key = utf8(config.key);
    const source = sourceOf(config, index);
    return (set, context) => {
      const value = source(set, context);
      if (value !== undefined) set.update(key, value);
    };
  },
  upsert: (config, index) => {
    const key = utf8(config.key);
    const source = sourceOf(config, index);
    return (set, context) => {
      const value = source(set, context);
      if (value !== undefined) set.put(key, value);
    };
  },
  delete: (config) => {
    const concerns = selector(config);
    return (set) => set.removeWhere((index) => concerns(set, index));
  },
  hash: (config) => {
    const concerns = selector(config);
    return (set) => {
      for (let i = 0; i < set.count; i++) {
        if (concerns(set, i)) set.setValue(i, encodeValue(hashOfValue(valueOf(set.value(i)))));
      }
    };
  },
  extract: (config) => {
    const key = utf8(config.key);
    const regex = Regex.compile(config.pattern);
    const targets = regex.groupNames.map(utf8);
    return (set) => {
      const at = set.find(key);
      const text = at < 0 ? undefined : set.text(at);
      const groups = text === undefined ? undefined : regex.match(text);
      if (groups === undefined) return;
      for (let i = 1; i < targets.length; i++) set.put(targets[i]!, encodeValue(groups[i] ?? ""));
    };
  },
  convert: (config) => {
    const key = utf8(config.key);
    const type = config.converted_type as ConvertedType;
    return (set) => {
      const at = set.find(key);
      if (at < 0) return;
      const converted = convertedValue(valueOf(set.value(at)), type);
      if (converted !== undefined) set.update(key, encodeValue(converted));
    };
  },
};

/** Where an action's value comes from. */
function sourceOf(config: ActionConfig, index: number): Source {
  const { value, default_value, from_attribute, from_context } = config;
  if (value !== undefined && value !== null) return constant(value);
  const fallback = constant(default_value);
  if (from_attribute !== "") {
    const key = utf8(from_attribute);
    return (set, context) => {
      const at = set.find(key);
      return at < 0 ? fallback(set, context) : set.value(at);
    };
  }
  if (from_context === "") return fallback;
  return (set, context) => {
    const text = context[index];
    return text === undefined ? fallback(set, context) : encodeValue(text);
  };
}

/** A value of the configuration; none gives nothing. */
function constant(raw: unknown): Source {
  if (raw === undefined || raw === null) return () => undefined;
  const value = encodeValue(valueFromConfig(raw));
  return () => value;
}

/** Whether delete or hash concerns an attribute: by key, by pattern. */
function selector({ key, pattern }: ActionConfig): (set: AttributeSet, index: number) => boolean {
  const regex = pattern === "" ? undefined : Regex.compile(pattern);
  if (regex === undefined) {
    const wanted = utf8(key);
    return (set, index) => set.keyIs(index, wanted);
  }
  return (set, index) => {
    const text = set.keyText(index);
    return (key !== "" && text === key) || regex.test(text);
  };
}
