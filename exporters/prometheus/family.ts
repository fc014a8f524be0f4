import type { FamilyType } from "../../src/prometheus/family.ts";
import { ExponentialRange } from "./exponential.ts";
import type { SeriesState } from "./state.ts";

/** All series of one exposed name. Removed once it has none, so that its name can get another type. */
export class ExposedFamily {
  readonly name: string;
  readonly type: FamilyType;
  readonly help: string;
  readonly unit: string;
  /** In the order they came; a scrape reads the ones that were there when it began. */
  readonly states: SeriesState[] = [];
  /** By their label text. */
  readonly byPairs = new Map<string, SeriesState>();
  /** The buckets that its exponential histograms share. */
  readonly exponential = new ExponentialRange();
  /** The last bounds seen: series of one metric usually have equal ones, kept once. */
  bounds: Float64Array = new Float64Array(0);
  removed = false;

  constructor(name: string, type: FamilyType, help: string, unit: string) {
    this.name = name;
    this.type = type;
    this.help = help;
    this.unit = unit;
  }

  add(state: SeriesState): void {
    this.byPairs.set(state.pairs, state);
    this.states.push(state);
  }

  /** Takes the removed and the expired out; returns how many. Keeps the order. */
  compact(isGone: (state: SeriesState) => boolean): number {
    let kept = 0;
    const { states } = this;
    for (let i = 0; i < states.length; i++) {
      const state = states[i]!;
      if (isGone(state)) {
        state.removed = true;
        // A series that came back under the same labels has another state by now.
        if (this.byPairs.get(state.pairs) === state) this.byPairs.delete(state.pairs);
      } else states[kept++] = state;
    }
    const gone = states.length - kept;
    states.length = kept;
    return gone;
  }
}
