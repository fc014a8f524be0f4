/** What can be turned while the demo runs: by flags, by POST /_demo and by `rmt demo set`. */
import { nearest } from "../config/suggest.ts";

export interface Knobs {
  /** Requests a second, on average. */
  readonly rps: number;
  /** Factor on what handlers and the language model take. */
  readonly latency: number;
  /** Share of requests that the app answers with 500. */
  readonly errors: number;
  /** The cache shrinks to a few entries. */
  readonly cacheCollapse: boolean;
  /** The index worker stands still. */
  readonly queueStall: boolean;
  /** The language models answer 503. */
  readonly llmOutage: boolean;
}

export const defaultKnobs: Knobs = {
  rps: 30,
  latency: 1,
  errors: 0,
  cacheCollapse: false,
  queueStall: false,
  llmOutage: false,
};

interface Knob {
  readonly key: keyof Knobs;
  readonly example: string;
  readonly effect: string;
  /** Undefined: not a value of this knob. */
  readonly parse: (text: string) => number | boolean | undefined;
  readonly takes: string;
}

const onOff = { parse: parseSwitch, takes: "on or off" } as const;

export const maxRps = 1000;

/** By the name that people write. */
export const knobs: Readonly<Record<string, Knob>> = {
  rps: {
    key: "rps",
    example: "rps=60",
    effect: "requests a second (Poisson)",
    parse: (text) => inRange(Number(text), 0, maxRps, text),
    takes: `a number from 0 to ${maxRps}`,
  },
  latency: {
    key: "latency",
    example: "latency=x3",
    effect: "handlers and language models take as many times as long",
    parse: (text) => inRange(Number(text.replace(/^x/iu, "")), 0.01, 100, text),
    takes: "a factor from x0.01 to x100",
  },
  errors: {
    key: "errors",
    example: "errors=0.2",
    effect: "share of the requests that end with 500",
    parse: (text) => inRange(Number(text), 0, 1, text),
    takes: "a share from 0 to 1",
  },
  "cache-collapse": {
    key: "cacheCollapse",
    example: "cache-collapse",
    effect: "the cache holds 5 entries instead of 500",
    ...onOff,
  },
  "queue-stall": {
    key: "queueStall",
    example: "queue-stall",
    effect: "the index worker stands still, its queue fills up",
    ...onOff,
  },
  "llm-outage": {
    key: "llmOutage",
    example: "llm-outage",
    effect: "the language models answer 503",
    ...onOff,
  },
};

function parseSwitch(text: string): boolean | undefined {
  if (["on", "true", "1", "yes"].includes(text.toLowerCase())) return true;
  return ["off", "false", "0", "no"].includes(text.toLowerCase()) ? false : undefined;
}

const inRange = (value: number, least: number, most: number, text: string) =>
  text.trim() !== "" && value >= least && value <= most ? value : undefined;

export type KnobChange = Partial<Knobs>;
/** A change, or what is wrong with it. */
export type ParsedKnob = { readonly change: KnobChange } | { readonly problem: string };

export function parseKnob(name: string, text: string): ParsedKnob {
  if (!Object.hasOwn(knobs, name)) {
    const near = nearest(name, Object.keys(knobs));
    const suggestion = near === undefined ? "" : `; did you mean ${near}?`;
    const all = Object.keys(knobs).join(", ");
    return { problem: `there is no knob "${name}"${suggestion} (knobs: ${all})` };
  }
  const { key, parse, takes } = knobs[name]!;
  const value = parse(text);
  if (value === undefined) return { problem: `${name} takes ${takes}, not "${text}"` };
  return { change: { [key]: value } };
}

/** `errors=0.2`; a switch alone is on. */
export function parseAssignment(text: string): ParsedKnob {
  const [, name, value] = /^([^=]*)(?:=(.*))?$/su.exec(text)!;
  if (value !== undefined) return parseKnob(name!, value);
  const knob = Object.hasOwn(knobs, name!) ? knobs[name!] : undefined;
  if (knob === undefined || knob.takes === onOff.takes) return parseKnob(name!, "on");
  return { problem: `${name} needs a value, such as ${knob.example}` };
}

/** The body of POST /_demo; everything is taken or nothing. */
export function parseKnobs(body: unknown): ParsedKnob {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return { problem: `send a JSON object such as {"errors": 0.2}` };
  }
  let change: KnobChange = {};
  for (const [name, value] of Object.entries(body)) {
    const parsed = parseKnob(name, typeof value === "string" ? value : JSON.stringify(value));
    if ("problem" in parsed) return parsed;
    change = { ...change, ...parsed.change };
  }
  return { change };
}

/** By their names, as GET /_demo shows them. */
export const namedKnobs = (values: Knobs): Record<string, number | boolean> =>
  Object.fromEntries(Object.entries(knobs).map(([name, { key }]) => [name, values[key]]));

/** `rps=30 latency=x1 errors=0 cache-collapse=off …` */
export const knobsText = (values: Record<string, number | boolean>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${shown(name, value)}`)
    .join(" ");

function shown(name: string, value: number | boolean): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return name === "latency" ? `x${value}` : String(value);
}
