/** A flush after an outage, on a clock that stands still: no pause of the sender's ends by itself. */
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Exporting } from "../../../../src/instrument/sending/exporting.ts";
import { resolveSettings } from "../../../../src/instrument/settings.ts";
import { FakeClock } from "../../../support/fake-clock.ts";
import { Bench } from "../../../support/instrument-points.ts";
import { OtlpHttpSink } from "../../../support/otlp-http-sink.ts";

let sink: OtlpHttpSink;
let exporting: Exporting | undefined;

beforeEach(async () => {
  sink = await OtlpHttpSink.start();
});
afterEach(async () => {
  exporting?.close();
  await sink.close();
});

test.each(["cumulative", "delta"] as const)(
  "%s: the queue is full, and nothing more is pushed out",
  async (temporality) => {
    const bench = new Bench();
    const options = { endpoint: sink.url, temporality, maxQueueBytes: 2000 };
    const settings = resolveSettings(options, {}, bench.problems);
    exporting = new Exporting({
      target: settings.target!,
      settings,
      families: () => bench.meter.families,
      clock: new FakeClock(),
      problems: bench.problems,
    });
    const counter = bench.meter.counter("c");
    const add = () => {
      for (let i = 0; i < 50; i++) counter.add(1, { i });
    };
    add();
    sink.reply = () => ({ status: 503 });
    expect(await exporting.flush(500)).toMatchObject({ ok: false });
    add();
    exporting.collectIfIdle();
    // Of delta points it stands now, as the queue is full; of cumulative ones it has pushed out the oldest.
    await new Promise((resolve) => setImmediate(resolve));
    sink.reply = () => ({ status: 200 });
    const { dropped } = exporting.counts;
    expect(await exporting.flush(60_000)).toMatchObject({ ok: true });
    const points = sink.points();
    const last = new Map(points.map(({ attributes, value }) => [attributes["i"], value]));
    const total = (values: Iterable<number | undefined>) =>
      [...values].reduce<number>((sum, value) => sum + (value ?? 0), 0);
    const arrived = temporality === "delta" ? points.map(({ value }) => value) : last.values();
    expect(total(arrived)).toBe(100);
    expect(exporting.counts.dropped).toBe(dropped);
  },
);
