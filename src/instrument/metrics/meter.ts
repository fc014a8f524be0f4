import { messageOf, type Problems } from "../problems.ts";
import type {
  Counter,
  HistogramOptions,
  Instrument,
  InstrumentOptions,
  Meter,
  Observe,
  ObservedKind,
} from "../types.ts";
import { ExplicitFamily } from "./explicit-family.ts";
import { ExponentialFamily } from "./exponential-family.ts";
import type { Family, FamilyOptions } from "./family.ts";
import { GaugeFamily, SumFamily } from "./number-family.ts";
import { ObservedFamily } from "./observed-family.ts";

/** The instrument name syntax of the OpenTelemetry API. */
const nameSyntax = /^[a-z][-_./a-z0-9]{0,254}$/iu;

/** Names may come out of data: further instruments work, but are not sent. */
const maxInstruments = 2000;

type AnyOptions = HistogramOptions<string>;

interface Registered {
  readonly family: Family;
  /** What must be the same where a name is used again. */
  readonly identity: string;
}

/** The instruments of a process by their names, which are case-insensitive. */
export class InstrumentRegistry implements Meter {
  readonly #byName = new Map<string, Registered>();
  readonly #maxSeries: number;
  readonly #problems: Problems;

  constructor(maxSeries: number, problems: Problems) {
    this.#maxSeries = maxSeries;
    this.#problems = problems;
  }

  get families(): Family[] {
    return [...this.#byName.values()].map(({ family }) => family);
  }

  counter<K extends string>(name: string, options: InstrumentOptions<K> = {}): Counter<K> {
    return this.#get(name, "counter", options, (o) => new SumFamily(o, "counter"));
  }

  upDownCounter<K extends string>(name: string, options: InstrumentOptions<K> = {}): Counter<K> {
    return this.#get(name, "upDownCounter", options, (o) => new SumFamily(o, "upDownCounter"));
  }

  gauge<K extends string>(name: string, options: InstrumentOptions<K> = {}): Instrument<K> {
    return this.#get(name, "gauge", options, (o) => new GaugeFamily(o));
  }

  histogram<K extends string>(name: string, options: HistogramOptions<K> = {}): Instrument<K> {
    const bounds = this.#safely(name, () => this.#bounds(name, options?.boundaries));
    if (bounds === undefined) {
      return this.#get(name, "exponential histogram", options, (o) => new ExponentialFamily(o));
    }
    const kind = `histogram of ${bounds.join(" ")}`;
    return this.#get(name, kind, options, (o) => new ExplicitFamily(o, bounds));
  }

  observe<K extends string>(
    name: string,
    kind: ObservedKind,
    options: InstrumentOptions<K>,
    read: (observe: Observe<K>) => void,
  ): Disposable {
    const isKind = kind === "counter" || kind === "upDownCounter" || kind === "gauge";
    if (!isKind) {
      const message = `${textOr(name, "")}: no kind ${textOr(kind, `of ${typeof kind}`)}`;
      this.#problems.report("invalid_instrument", message);
    }
    const known = isKind ? kind : "gauge";
    const family = this.#get(
      name,
      `observed ${known}`,
      options,
      (o) => new ObservedFamily(o, known),
    );
    return family.addRead(read);
  }

  /** An instrument that cannot be registered works, but is not sent: the application must not notice. */
  #get<F extends Family>(
    givenName: string,
    kind: string,
    given: InstrumentOptions<never> | undefined,
    create: (options: FamilyOptions) => F,
  ): F {
    const name = textOr(givenName, "");
    const options: AnyOptions = this.#safely(name, () => ({ ...given })) ?? {};
    const identity = `${kind}, unit ${JSON.stringify(textOr(options.unit, ""))}`;
    const before = this.#byName.get(name.toLowerCase());
    if (before?.identity === identity) return before.family as F;
    const family = this.#create(name, options, create);
    if (before !== undefined) {
      const message = `${name} is a ${before.identity}; as a ${identity} it is not sent`;
      this.#problems.report("instrument_conflict", message, name);
    } else if (!nameSyntax.test(name)) {
      const message = `${JSON.stringify(name)} is no name of an instrument; it is not sent`;
      this.#problems.report("invalid_instrument", message, name);
    } else if (this.#byName.size >= maxInstruments) {
      const message = `there are ${maxInstruments} instruments; ${name} and further ones are not sent`;
      this.#problems.report("too_many_instruments", message);
    } else {
      this.#byName.set(name.toLowerCase(), { family, identity });
    }
    return family;
  }

  #create<F extends Family>(
    name: string,
    options: AnyOptions,
    create: (options: FamilyOptions) => F,
  ): F {
    const { maxSeries } = options;
    const isLimit = typeof maxSeries === "number" && maxSeries >= 1;
    const basis = {
      name,
      unit: textOr(options.unit, ""),
      description: textOr(options.description, ""),
      maxSeries: isLimit ? maxSeries : this.#maxSeries,
      problems: this.#problems,
    };
    return (
      this.#safely(name, () => create({ ...basis, attributes: options.attributes })) ??
      create({ ...basis, attributes: undefined })
    );
  }

  /** Undefined: what the application gave cannot be read. */
  #safely<T>(name: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      const shown = textOr(name, "");
      const message = `${shown}: cannot read the options: ${messageOf(error)}`;
      this.#problems.report("invalid_instrument", message, shown);
      return undefined;
    }
  }

  #bounds(name: string, given: readonly number[] | undefined): readonly number[] | undefined {
    if (given === undefined) return undefined;
    const isList = Array.isArray(given);
    const bounds = isList ? (given as number[]).filter((bound) => bound !== Infinity) : [];
    const isGood = (bound: number, i: number) =>
      Number.isFinite(bound) && (i === 0 || bounds[i - 1]! < bound);
    if (isList && bounds.every(isGood)) return bounds;
    const message = `${name}: the boundaries do not ascend; an exponential histogram is used`;
    this.#problems.report("invalid_instrument", message, name);
    return undefined;
  }
}

const textOr = (value: unknown, fallback: string) => (typeof value === "string" ? value : fallback);
