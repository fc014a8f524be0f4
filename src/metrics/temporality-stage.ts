import type { CatalogueName } from "../catalogue.ts";
import type { Context, Edge, Payload, Settings, Stage } from "../component.ts";
import { asTelemetryError } from "../errors.ts";
import { type Explanations, FindingsReport } from "./point-findings.ts";
import type { SeriesState } from "./series-state.ts";
import { SeriesStates, type SeriesStatesOptions } from "./series-states.ts";
import { type Conversion, type Converted, TemporalityConverter } from "./temporality-converter.ts";

export interface TemporalityStageOptions<S extends SeriesState, R extends string> {
  readonly conversion: Conversion<S, R>;
  readonly explanations: Explanations<R>;
  /** Counts what is noted of points that go on, by reason. */
  readonly noteCounter: CatalogueName;
  readonly states: SeriesStatesOptions;
}

/**
 * Converts and hands on; holds no data. What the next stage refuses is as if it had never come: the states are as
 * before, so that the sender's second attempt is converted as the first. (A series that went on meanwhile is not
 * taken back.)
 */
export class TemporalityStage<S extends SeriesState, R extends string> implements Stage {
  readonly #states: SeriesStates<S>;
  readonly #converter: TemporalityConverter<S, R>;
  readonly #report: FindingsReport<R>;
  readonly #next: Edge;

  constructor(options: TemporalityStageOptions<S, R>, settings: Settings, next: Edge) {
    this.#states = new SeriesStates(settings, options.states);
    this.#converter = new TemporalityConverter(options.conversion, this.#states);
    this.#report = new FindingsReport(settings, options.explanations, options.noteCounter);
    this.#next = next;
    const labels = { component: settings.id.text };
    settings.meter.gauge("rmt_series_cache_bytes", () => this.#converter.heldBytes, labels);
  }

  start(): Promise<void> {
    this.#states.start();
    return done;
  }

  shutdown(): Promise<void> {
    this.#states.close();
    return done;
  }

  async consume(payload: Payload, context: Context): Promise<void> {
    const { payload: converted, changes, findings } = this.#convert(payload);
    try {
      if (converted !== undefined) await this.#next.consume(converted, context);
    } catch (error) {
      this.#states.undo(changes);
      throw asTelemetryError(error);
    }
    this.#states.settle(changes);
    this.#report.count(findings);
  }

  #convert(payload: Payload): Converted<S, R> {
    try {
      return this.#converter.convert(payload as Payload<"metrics">);
    } catch (error) {
      throw asTelemetryError(error);
    }
  }
}

const done: Promise<void> = Promise.resolve();
