/** Where samples are kept: a group is what becomes one set of percentiles. */
import { ExponentialHistogram } from "../../src/metrics/exponential-histogram.ts";
import {
  addSample,
  bytesOfSample,
  covers,
  type Distribution,
  type DistributionKind,
  kindOfSample,
  merged,
  type Sample,
} from "./distribution.ts";
import { ExplicitHistogram, sharedBounds } from "./explicit-histogram.ts";
import type { Ignored } from "./reports.ts";
import type { StateMemory } from "./state-memory.ts";

/** Resource and scope of groups, as messages. */
export interface Origin {
  readonly key: string;
  readonly resource: Uint8Array;
  readonly resourceSchemaUrl: string;
  readonly scope: Uint8Array;
  readonly scopeSchemaUrl: string;
  readonly metrics: Map<string, GroupedMetric>;
}

/** A source metric's groups of one origin. */
export interface GroupedMetric {
  readonly origin: Origin;
  readonly key: string;
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly groups: Set<Group>;
}

/** What came within one slide. */
interface Pane {
  readonly slot: number;
  readonly distribution: Distribution;
}

const paneBytes = 100;

export class Group {
  readonly key: string;
  readonly metric: GroupedMetric;
  /** Attribute fields of the points that it becomes. */
  readonly attributes: Uint8Array;
  readonly isOverflow: boolean;
  /** Its own bytes, without panes. */
  readonly ownBytes: number;
  /** Monotonic; 0: it is new. */
  lastSampleMs = 0;
  /** The window before had data: if the next one has none, that is said once. */
  hadData = false;
  isForgotten = false;
  #kind: DistributionKind | undefined;
  #panes: Pane[] = [];

  constructor(
    key: string,
    metric: GroupedMetric,
    attributes: Uint8Array,
    isOverflow: boolean,
    ownBytes: number,
  ) {
    this.key = key;
    this.metric = metric;
    this.attributes = attributes;
    this.isOverflow = isOverflow;
    this.ownBytes = ownBytes;
  }

  get heldBytes(): number {
    let bytes = this.ownBytes;
    for (const { distribution } of this.#panes) bytes += paneBytes + distribution.heldBytes;
    return bytes;
  }

  get isEmpty(): boolean {
    return this.#panes.length === 0;
  }

  /** Adds a sample to the open slot; panes from `oldestSlot` on may be reported together with it. */
  add(sample: Sample, slot: number, oldestSlot: number, memory: StateMemory): Ignored | undefined {
    const kind = kindOfSample(sample);
    if (this.#kind !== undefined && this.#kind !== kind) return "mixed_types";
    const refusal =
      sample instanceof ExplicitHistogram
        ? this.#addExplicit(sample, slot, oldestSlot, memory)
        : this.#addToPane(sample, slot, memory);
    if (refusal === undefined) this.#kind = kind;
    return refusal;
  }

  #addExplicit(
    sample: ExplicitHistogram,
    slot: number,
    oldestSlot: number,
    memory: StateMemory,
  ): Ignored | undefined {
    let { bounds } = sample;
    const live = this.#panes.filter((pane) => pane.slot >= oldestSlot);
    for (const { distribution } of live) {
      bounds = sharedBounds((distribution as ExplicitHistogram).bounds, bounds);
    }
    if (bounds.length === 0) return "incompatible_bounds";
    for (const { distribution } of live) reduce(distribution as ExplicitHistogram, bounds, memory);
    return this.#addToPane(sample, slot, memory, bounds);
  }

  #addToPane(
    sample: Sample,
    slot: number,
    memory: StateMemory,
    bounds?: Float64Array,
  ): Ignored | undefined {
    const last = this.#panes.at(-1);
    if (last?.slot !== slot) return this.#openPane(sample, slot, memory, bounds);
    const { distribution } = last;
    if (memory.isFull && !covers(distribution, sample)) return "state_limit";
    const before = distribution.heldBytes;
    addSample(distribution, sample);
    memory.change(distribution.heldBytes - before);
    return undefined;
  }

  #openPane(
    sample: Sample,
    slot: number,
    memory: StateMemory,
    bounds?: Float64Array,
  ): Ignored | undefined {
    const expected = paneBytes + bytesOfSample(sample);
    if (!memory.tryTake(expected, this.isOverflow)) return "state_limit";
    const distribution =
      bounds === undefined ? new ExponentialHistogram() : new ExplicitHistogram(bounds);
    addSample(distribution, sample);
    this.#panes.push({ slot, distribution });
    memory.change(paneBytes + distribution.heldBytes - expected);
    return undefined;
  }

  /** What came in the slots from `first` to `last`; undefined: nothing. */
  between(first: number, last: number): Distribution | undefined {
    const found = this.#panes.filter(({ slot }) => slot >= first && slot <= last);
    return merged(found.map(({ distribution }) => distribution));
  }

  /** Forgets the slots up to this one. */
  forgetUpTo(slot: number, memory: StateMemory): void {
    if (this.#panes.length === 0 || this.#panes[0]!.slot > slot) return;
    const before = this.heldBytes;
    this.#panes = this.#panes.filter((pane) => pane.slot > slot);
    memory.change(this.heldBytes - before);
  }
}

function reduce(histogram: ExplicitHistogram, bounds: Float64Array, memory: StateMemory): void {
  const before = histogram.heldBytes;
  histogram.reduceTo(bounds);
  memory.change(histogram.heldBytes - before);
}
