import { operationBounds } from "../llm/conventions.ts";
import { BoundedNames } from "../metrics/bounded-names.ts";
import { messageOf, type Problems } from "../problems.ts";
import { oncePerRuntime, runtimeFor } from "../runtime.ts";
import type { Adder, Counter, Instrument, Recorder } from "../types.ts";

export type Outcome = "answered" | "empty" | "error" | "cancelled";
/** Functions that need no `this`. */
export interface QueryInterface {
  /** A query begins now; the first `end` counts it. */
  begin: (type: string) => OpenQuery;
  record: (type: string, outcome: Outcome, seconds: number) => void;
  feedback: (type: string, rating: "up" | "down") => void;
}
interface OpenQuery {
  end: (outcome: Outcome) => void;
}

const outcomes = ["answered", "empty", "error", "cancelled"] as const;
const ratings = ["up", "down"] as const;
const maxTypes = 20;
const other = "_OTHER";

/**
 * Measures what users ask: how long an answer takes and how it is rated. At most 20 types; a query of another one
 * counts as "_OTHER".
 */
export function queryInterface(types: readonly string[]): QueryInterface {
  const runtime = runtimeFor("queryInterface()");
  if (runtime === undefined) return unmeasured;
  const seriesOf = seriesByType(queryInstruments(runtime), types, runtime.problems);
  return {
    begin: (type) => beginQuery(seriesOf(type)),
    record: (type, outcome, seconds) => seriesOf(type).duration(outcome).record(seconds),
    feedback: (type, rating) => seriesOf(type).feedback(rating).add(1),
  };
}

const unmeasured: QueryInterface = {
  begin: () => ({ end: () => {} }),
  record: () => {},
  feedback: () => {},
};

function beginQuery(series: TypeSeries): OpenQuery {
  const startMs = performance.now();
  let isOpen = true;
  return {
    end: (outcome) => {
      if (isOpen) series.duration(outcome).record((performance.now() - startMs) / 1000);
      isOpen = false;
    },
  };
}

interface QueryInstruments {
  /** The types of all interfaces together. */
  readonly types: BoundedNames;
  readonly duration: Instrument<"repomind.query.type" | "outcome">;
  readonly feedback: Counter<"repomind.query.type" | "rating">;
}

const queryInstruments = oncePerRuntime(
  ({ meter }): QueryInstruments => ({
    types: new BoundedNames(maxTypes),
    duration: meter.histogram("repomind.query.duration", {
      unit: "s",
      description: "Duration of queries by users.",
      // A user's query waits for a language model; the boundaries of HTTP end at 10 s.
      boundaries: operationBounds,
      attributes: { "repomind.query.type": "any", outcome: outcomes },
    }),
    feedback: meter.counter("repomind.query.feedback", {
      unit: "{rating}",
      description: "Number of answers that users rated.",
      attributes: { "repomind.query.type": "any", rating: ratings },
    }),
  }),
);

function seriesByType(
  instruments: QueryInstruments,
  types: readonly string[],
  problems: Problems,
): (type: string) => TypeSeries {
  const byType = new Map<string, TypeSeries>();
  for (const type of listed(types, problems)) {
    const admitted = instruments.types.admit(type);
    if (admitted === type) byType.set(type, new TypeSeries(instruments, type));
    else problems.report("too_many_query_types", `beyond ${maxTypes} types queries are ${other}`);
  }
  let others: TypeSeries | undefined;
  return (type) => byType.get(type) ?? (others ??= new TypeSeries(instruments, other));
}

/** The list as it comes from JavaScript. */
function listed(types: readonly string[], problems: Problems): string[] {
  const complain = (why: string) => {
    problems.report("invalid_query_types", `queryInterface(): ${why}`);
    return [];
  };
  try {
    if (!Array.isArray(types)) return complain("the types are no list; all queries are _OTHER");
    // One more than there may be, so that too many are noticed.
    const texts = types.slice(0, maxTypes + 1).filter((type) => typeof type === "string");
    if (texts.length < Math.min(types.length, maxTypes + 1))
      complain("a type that is no text is left out");
    return texts;
  } catch (error) {
    return complain(`cannot read the types: ${messageOf(error)}`);
  }
}

/** The series of one type. Bound before its first query, they begin at 0, so that it shows in a rate. */
class TypeSeries {
  readonly #instruments: QueryInstruments;
  readonly #type: string;
  readonly #durations: ReadonlyMap<string, Recorder>;
  readonly #feedback: ReadonlyMap<string, Adder>;

  constructor(instruments: QueryInstruments, type: string) {
    this.#instruments = instruments;
    this.#type = type;
    this.#durations = new Map(outcomes.map((outcome) => [outcome, this.#bindDuration(outcome)]));
    this.#feedback = new Map(ratings.map((rating) => [rating, this.#bindFeedback(rating)]));
  }

  duration(outcome: string): Recorder {
    return this.#durations.get(outcome) ?? this.#bindDuration(other);
  }

  feedback(rating: string): Adder {
    return this.#feedback.get(rating) ?? this.#bindFeedback(other);
  }

  #bindDuration(outcome: string): Recorder {
    return this.#instruments.duration.bind({ "repomind.query.type": this.#type, outcome });
  }

  #bindFeedback(rating: string): Adder {
    return this.#instruments.feedback.bind({ "repomind.query.type": this.#type, rating });
  }
}
