import type { Clock } from "../../src/clock.ts";
import type { Format } from "../../src/prometheus/negotiate.ts";
import { endOfOpenMetrics } from "../../src/prometheus/text-writer.ts";
import type { ExposedFamily } from "./family.ts";
import { FamilyLines } from "./family-lines.ts";
import { LineBuffer } from "./line-buffer.ts";
import type { Registry } from "./registry.ts";

/** The event loop runs at least this often while a page is written; gzip takes a chunk each time. */
const sliceMs = 3;
/** The time is read once for so many series, and about so many lines: 1.5 ms. */
const seriesPerLook = 32;
const linesPerLook = 32 * 160;

/** Takes the chunks of a page as they are ready. */
export type ChunkSink = (chunk: Buffer) => void;

/**
 * Writes pages: what all series were when the page began, in slices between which the event loop runs. Pages
 * are written one after the other, as there is one snapshot.
 */
export class Scraper {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #timestamps: boolean;
  readonly #lines = new Map<string, FamilyLines>();
  #last: Promise<void> = Promise.resolve();

  constructor(registry: Registry, clock: Clock, timestamps: boolean) {
    this.#registry = registry;
    this.#clock = clock;
    this.#timestamps = timestamps;
  }

  /** Rejects with the signal's reason when it is aborted before the page is complete. */
  write(format: Format, sink: ChunkSink, abort: AbortSignal): Promise<void> {
    const mine = this.#last.then(() => this.#write(format, sink, abort));
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  async #write(format: Format, sink: ChunkSink, abort: AbortSignal): Promise<void> {
    // The client may have gone while other pages were written.
    abort.throwIfAborted();
    const registry = this.#registry;
    registry.beginScrape();
    try {
      await this.#page(this.#linesOf(format), sink, abort);
    } finally {
      registry.endScrape();
    }
  }

  #linesOf(format: Format): FamilyLines {
    const key = `${format.kind} ${format.escaping}`;
    let lines = this.#lines.get(key);
    if (lines === undefined) {
      lines = new FamilyLines(format, this.#timestamps);
      this.#lines.set(key, lines);
    }
    return lines;
  }

  async #page(lines: FamilyLines, sink: ChunkSink, abort: AbortSignal): Promise<void> {
    const out = new LineBuffer();
    const { cutoffTick } = this.#registry;
    // Series that come while the page is written are not in it.
    const families = this.#registry.sortedFamilies().map((family) => ({
      family,
      length: family.states.length,
    }));
    const names = new Set<string>();
    let sliceStart = this.#clock.monotonicMs();
    for (const { family, length } of families) {
      // Two names that one escaping makes equal: a page with both would be refused whole.
      const name = lines.nameOf(family);
      if (names.has(name)) continue;
      names.add(name);
      const linesPerSeries = family.bounds.length + 1;
      const step = Math.min(seriesPerLook, Math.ceil(linesPerLook / linesPerSeries));
      let begun = false;
      for (let from = 0; from < length; from += step) {
        const to = Math.min(from + step, length);
        begun = writeSeries({ out, lines, family, from, to, cutoffTick, begun });
        if (this.#clock.monotonicMs() - sliceStart < sliceMs) continue;
        for (const chunk of out.take(false)) sink(chunk);
        await new Promise((resolve) => setImmediate(resolve));
        abort.throwIfAborted();
        sliceStart = this.#clock.monotonicMs();
      }
    }
    if (lines.format.kind === "openmetrics") out.text(endOfOpenMetrics);
    for (const chunk of out.take(true)) sink(chunk);
  }
}

interface Slice {
  readonly out: LineBuffer;
  readonly lines: FamilyLines;
  readonly family: ExposedFamily;
  readonly from: number;
  readonly to: number;
  readonly cutoffTick: number;
  /** Whether the family's header is written. */
  readonly begun: boolean;
}

/** Returns whether the header is written now: a family without series to show has none. */
function writeSeries({ out, lines, family, from, to, cutoffTick, begun }: Slice): boolean {
  let isBegun = begun;
  for (let i = from; i < to; i++) {
    const state = family.states[i]!;
    const { held } = state;
    if (held === undefined && (state.removed || state.updatedTick < cutoffTick)) continue;
    const shown = held ?? state;
    if (shown.empty) continue;
    if (!isBegun) lines.header(out, family);
    isBegun = true;
    lines.series(out, state, shown);
  }
  return isBegun;
}
