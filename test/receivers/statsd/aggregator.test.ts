import { describe, expect, jest, test } from "@jest/globals";
import * as fc from "fast-check";
import { cardinalityReports } from "../../../src/metrics/cardinality-guard.ts";
import { testBudget } from "../../support/settings.ts";
import { sentPoints, shortly, TestAggregator } from "./support.ts";

const interval = 60_000;

describe("counters", () => {
  test("a delta sum, monotonic, from the previous flush to this one", async () => {
    const t = new TestAggregator();
    const startMs = t.clock.now();
    await t.clock.advance(interval);
    const [first, ...others] = t.send("a:1|c\na:2|c").flush();
    expect(others).toEqual([]);
    expect(first).toMatchObject({
      name: "a",
      kind: "sum",
      value: 3,
      isInt: true,
      temporality: 1,
      isMonotonic: true,
      attributes: {},
      startMs,
      timeMs: startMs + interval,
    });
    await t.clock.advance(interval);
    expect(t.send("a:4|c").flush()).toMatchObject([
      { value: 4, startMs: startMs + interval, timeMs: startMs + 2 * interval },
    ]);
  });

  test("nothing is sent of a counter that was not sent", () => {
    const t = new TestAggregator();
    t.send("a:1|c").flush();
    expect(t.flush()).toEqual([]);
  });

  test("a rate between 0 and 1 scales, any other does not", () => {
    const t = new TestAggregator({ counter_type: "float" });
    t.send("a:1|c|@0.1\nb:1|c|@2\nc:1|c|@0\nd:3|c|@0.4");
    expect(shortly(t.flush())).toEqual(["a{} 10", "b{} 1", "c{} 1", "d{} 7.5"]);
  });

  test("int carries the fraction to the next flush", () => {
    const t = new TestAggregator();
    for (let i = 0; i < 5; i++) t.send("h:0.5|c");
    expect(shortly(t.flush())).toEqual(["h{} 2"]);
    for (let i = 0; i < 5; i++) t.send("h:0.5|c");
    expect(shortly(t.flush())).toEqual(["h{} 3"]);
  });

  test("an empty counter_type is int", () => {
    const [point] = new TestAggregator({ counter_type: "" }).send("a:0.7|c\na:0.7|c").flush();
    expect(point).toMatchObject({ value: 1, isInt: true });
  });

  test("however fractions fall into flushes, int loses less than one", () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.integer({ min: 1, max: 999 }))), (flushes) => {
        const t = new TestAggregator();
        let sent = 0;
        for (const values of flushes) {
          for (const value of values) t.send(`a:${value / 100}|c`);
          for (const { value } of t.flush()) sent += value!;
        }
        const exact = flushes.flat().reduce((sum, value) => sum + value, 0) / 100;
        expect(sent).toBeGreaterThan(exact - 1);
        expect(sent).toBeLessThanOrEqual(exact + 1e-6);
      }),
      { numRuns: 50 },
    );
  });

  test("ten times 0.1 is one", () => {
    const t = new TestAggregator();
    for (let i = 0; i < 10; i++) t.send("a:0.1|c");
    expect(shortly(t.flush())).toEqual(["a{} 1"]);
  });

  test("float sends the fraction", () => {
    const t = new TestAggregator({ counter_type: "float" });
    const [point] = t.send("a:0.5|c\na:1|c").flush();
    expect(point).toMatchObject({ value: 1.5, isInt: false });
  });

  test("stochastic_int rounds up as often as the fraction says", () => {
    const random = jest.spyOn(Math, "random");
    const t = new TestAggregator({ counter_type: "stochastic_int" });
    random.mockReturnValue(0.24);
    expect(shortly(t.send("a:1.25|c").flush())).toEqual(["a{} 2"]);
    random.mockReturnValue(0.26);
    expect(shortly(t.send("a:1.25|c").flush())).toEqual(["a{} 1"]);
    random.mockRestore();
  });

  test("a negative line is refused with a hint, and its series stays right", () => {
    const t = new TestAggregator();
    t.send("q:5|c\nq:-2|c\nq:1:-1|c");
    expect(shortly(t.flush())).toEqual(["q{} 5"]);
    expect(t.refused("negative_counter")).toBe(2);
    expect(t.log.lines[0]!.fields["error"]).toContain("is_monotonic_counter: false");
  });

  test("that may go down are not monotonic", () => {
    const t = new TestAggregator({ is_monotonic_counter: false });
    const [point] = t.send("q:5|c\nq:-7|c").flush();
    expect(point).toMatchObject({ value: -2, isMonotonic: false });
  });

  test("a sum that the number cannot hold is refused, what was before stays", () => {
    const t = new TestAggregator();
    t.send("a:9e18|c\na:9e18|c\na:1000|c");
    expect(t.flush()[0]!.json["asInt"]).toBe("9000000000000001024");
    expect(t.refused("overflow")).toBe(1);
    const float = new TestAggregator({ counter_type: "float" });
    float.send("a:1e308|c\na:1e308|c");
    expect(shortly(float.flush())).toEqual(["a{} 1e+308"]);
    expect(float.refused("overflow")).toBe(1);
  });
});

describe("gauges", () => {
  test("the last value, as a double, without a start", () => {
    const t = new TestAggregator();
    const [point] = t.send("g:1|g\ng:2.5|g|@0.1").flush();
    expect(point).toMatchObject({ kind: "gauge", value: 2.5, isInt: false, startMs: 0 });
    expect(point!.timeMs).toBe(t.clock.now());
  });

  test("a sign means relative, and the base survives flushes", () => {
    const t = new TestAggregator();
    expect(shortly(t.send("g:10|g").flush())).toEqual(["g{} 10"]);
    expect(t.flush()).toEqual([]);
    expect(shortly(t.send("g:+5|g").flush())).toEqual(["g{} 15"]);
    expect(shortly(t.send("g:-20|g\ng:+1|g").flush())).toEqual(["g{} -4"]);
  });

  test("a first relative value begins at zero", () => {
    expect(shortly(new TestAggregator().send("g:-3|g").flush())).toEqual(["g{} -3"]);
  });

  test("the base is forgotten after an hour", async () => {
    const t = new TestAggregator();
    t.send("g:10|g\nkept:10|g").flush();
    await t.clock.advance(1_800_000);
    t.send("kept:+1|g").flush();
    await t.clock.advance(1_860_000);
    t.flush();
    expect(t.aggregator.guard.series).toBe(1);
    expect(shortly(t.send("g:+5|g\nkept:+1|g").flush())).toEqual(["g{} 5", "kept{} 12"]);
  });

  test("a packet full of values is read once, not once a value", () => {
    const t = new TestAggregator();
    t.send(`g:10${":+1".repeat(20_000)}|g\nd${":1".repeat(30_000)}|d`);
    expect(shortly(t.flush())[0]).toBe("g{} 20010");
  });

  test("a relative value that leads beyond the doubles is refused", () => {
    const t = new TestAggregator();
    t.send("g:1e308|g\ng:+1e308|g");
    expect(shortly(t.flush())).toEqual(["g{} 1e+308"]);
    expect(t.refused("overflow")).toBe(1);
  });
});

describe("timers, histograms and distributions", () => {
  test("one exponential histogram of scale 5 for all three types", () => {
    const t = new TestAggregator();
    const points = t.send("t:10|ms\nt:20|h\nt:30|d\nt:40|h|@0.5").flush();
    expect(points).toHaveLength(1);
    expect(points[0]).toMatchObject({
      name: "t",
      kind: "exponentialHistogram",
      temporality: 1,
      json: { count: "5", sum: 140, min: 10, max: 40, scale: 5 },
    });
  });

  test("the fraction of the weight is carried on", () => {
    const t = new TestAggregator();
    const counts = [1, 2, 3].map(() => Number(t.send("t:10|ms|@0.3").flush()[0]!.json["count"]));
    expect(counts).toEqual([3, 3, 4]);
  });

  test("a flush begins anew, at the first scale", () => {
    const t = new TestAggregator();
    t.send("t:1e-300|ms\nt:1e300|ms").flush();
    expect(t.send("t:5|ms").flush()[0]!.json).toMatchObject({ count: "1", sum: 5, scale: 5 });
  });

  test("packed values are as many lines", () => {
    const t = new TestAggregator();
    expect(t.send("t:1:2:3|d|@0.5").flush()[0]!.json).toMatchObject({ count: "6", sum: 12 });
    expect(t.count("rmt_statsd_lines")).toBe(1);
  });

  test("a sum beyond the doubles is refused", () => {
    const t = new TestAggregator();
    expect(t.send("t:1e308|ms\nt:1e308|ms").flush()[0]!.json).toMatchObject({ count: "1" });
    expect(t.refused("overflow")).toBe(1);
  });

  test("in a written mapping each type is a series for itself, and what it leaves out is dropped", () => {
    const t = new TestAggregator({
      timer_histogram_mapping: [{ statsd_type: "histogram", observer_type: "histogram" }],
    });
    const points = t.send("a:1|h\na:2|d\na:3|ms").flush();
    expect(points.map(({ json }) => json["sum"])).toEqual([1, 2]);
    expect(points[0]!.json).toMatchObject({ scale: 20 });
    expect(t.refused("unmapped_type")).toBe(1);
  });

  test("explicit buckets for metrics whose name matches", () => {
    const buckets = [{ matcher_pattern: "^api\\.", buckets: [1, 10] }];
    const t = new TestAggregator({
      timer_histogram_mapping: [
        {
          statsd_type: "timer",
          observer_type: "histogram",
          histogram: { explicit_buckets: buckets },
        },
      ],
    });
    const points = t
      .send("api.t:1|ms|@0.5|#r:x\napi.t:5|ms|#r:x\napi.t:50|ms|#r:x\nother:1|ms")
      .flush();
    expect(points[0]).toMatchObject({
      kind: "histogram",
      attributes: { r: "x" },
      temporality: 1,
      json: {
        count: "4",
        sum: 57,
        bucketCounts: ["2", "1", "1"],
        explicitBounds: [1, 10],
        min: 1,
        max: 50,
      },
    });
    expect(points[1]).toMatchObject({ name: "other", kind: "exponentialHistogram" });
    expect(t.send("api.t:7|ms|#r:x").flush()[0]!.json).toMatchObject({
      count: "1",
      bucketCounts: ["0", "1", "0"],
      min: 7,
    });
  });

  test("a summary has empirical, weighted percentiles", () => {
    const t = new TestAggregator({
      timer_histogram_mapping: [
        {
          statsd_type: "timer",
          observer_type: "summary",
          summary: { percentiles: [0, 50, 95, 100] },
        },
      ],
    });
    const [point] = t.send("t:300|ms|@0.1\nt:100|ms|@0.05\nt:300|ms|@0.1\nt:200|ms|@0.01").flush();
    // 20 times 100, 100 times 200, 20 times 300
    expect(point).toMatchObject({
      kind: "summary",
      json: {
        count: "140",
        sum: 28_000,
        quantileValues: [
          // JSON leaves a zero out.
          { value: 100 },
          { quantile: 0.5, value: 200 },
          { quantile: 0.95, value: 300 },
          { quantile: 1, value: 300 },
        ],
      },
    });
    expect(t.send("t:1|ms").flush()[0]!.json).toMatchObject({ count: "1", sum: 1 });
  });

  test("the fraction of a summary's count is carried to the next flush", () => {
    const t = new TestAggregator({
      timer_histogram_mapping: [{ statsd_type: "timer", observer_type: "summary" }],
    });
    const counts = [1, 2, 3].map(() => Number(t.send("t:10|ms|@0.3").flush()[0]!.json["count"]));
    expect(counts).toEqual([3, 3, 4]);
  });

  test("the gauge observer sends a point a value", () => {
    const t = new TestAggregator({
      timer_histogram_mapping: [{ statsd_type: "timer", observer_type: "gauge" }],
    });
    expect(shortly(t.send("t:1|ms\nt:2:3|ms|@0.5|#a:b").flush())).toEqual([
      "t{} 1",
      "t{a=b} 2",
      "t{a=b} 3",
    ]);
    expect(t.flush()).toEqual([]);
  });
});

describe("sets", () => {
  test("a gauge of the distinct values in the interval", () => {
    const t = new TestAggregator();
    expect(t.send("s:a|s\ns:b|s\ns:a|s\ns:x:y|s").flush()).toMatchObject([
      { kind: "gauge", value: 3, isInt: true },
    ]);
    expect(shortly(t.send("s:a|s").flush())).toEqual(["s{} 1"]);
  });

  test("10,000 values are told apart; further ones are counted", () => {
    const t = new TestAggregator();
    for (let i = 0; i < 10_050; i++) t.send(`s:${i}|s`);
    t.send("s:7|s");
    expect(shortly(t.flush())).toEqual(["s{} 10000"]);
    expect(t.refused("set_limit")).toBe(50);
    expect(shortly(t.send("s:x|s").flush())).toEqual(["s{} 1"]);
  });
});

describe("tags", () => {
  test("make the series, whatever their order; of equal keys the last counts", () => {
    const t = new TestAggregator();
    t.send("a:1|c|#x:1,y:2\na:1|c|#y:2,x:1\na:1|c|#y:2,,x:0,x:1\na:1|c|#x:1|#y:2\na:5|c|#x:1");
    expect(shortly(t.flush())).toEqual(["a{x=1,y=2} 4", "a{x=1} 5"]);
  });

  test("a value may contain colons", () => {
    const t = new TestAggregator();
    expect(t.send("a:1|c|#url:http://x").flush()[0]!.attributes).toEqual({ url: "http://x" });
  });

  test("without a value are an error unless enable_simple_tags", () => {
    const t = new TestAggregator();
    expect(t.send("a:1|c|#x\na:1|c|#x:\na:1|c|#:v\nb:1|c").flush()).toHaveLength(1);
    expect(t.refused("tag")).toBe(3);
    expect(t.log.lines[0]!.fields).toMatchObject({
      error: 'invalid tag format: "x"',
      hint: expect.stringContaining("enable_simple_tags: true"),
    });
    const simple = new TestAggregator({ enable_simple_tags: true });
    simple.send("a:1|c|#x\na:1|c|#x:\na:1|c|#:v");
    expect(shortly(simple.flush())).toEqual(["a{x=} 2"]);
    expect(simple.refused("tag")).toBe(1);
  });

  test("the container's id becomes container.id", () => {
    const t = new TestAggregator();
    const [point] = t.send("a:1|c|#x:y|c:id1\na:1|c|c:id1|#x:y").flush();
    expect(point).toMatchObject({ value: 2, attributes: { "container.id": "id1", x: "y" } });
  });

  test("enable_metric_type adds the type, and types are apart then", () => {
    const t = new TestAggregator({ enable_metric_type: true });
    const points = t.send("a:1|c\nb:1|g\nt:1|ms\nt:1|h\nt:1|d\ns:1|s").flush();
    expect(points.map(({ attributes }) => attributes["metric_type"])).toEqual([
      "counter",
      "gauge",
      "timing",
      "histogram",
      "distribution",
      "set",
    ]);
  });

  test("in UTF-8; what is none is replaced", () => {
    const t = new TestAggregator();
    t.send(Buffer.concat([Buffer.from("größe:1|c|#ort:Zürich,x:"), Buffer.from([0xff])]));
    expect(t.flush()).toMatchObject([
      { name: "größe", attributes: { ort: "Zürich", x: "\uFFFD" } },
    ]);
  });

  test("two metrics are never one, whatever is in names, types and tags", () => {
    const t = new TestAggregator();
    t.send("a:1|c|#b:c\nab:1|c|#:c\na:1|c|#bc:c\na:1|g|#b:c\na:1|c|c:c\na:1|c|#b:cc\nac:1|c|#b:c");
    expect(t.flush()).toHaveLength(6);
  });
});

describe("timestamps of DogStatsD", () => {
  test("make a point of its own, which is not aggregated and has no start", () => {
    const t = new TestAggregator();
    t.send("a:1|c|T1656581400\na:2|c|T1656581400\na:5|c\ng:1|g|T1656581400\ng:2|g");
    const own = { startMs: 0, timeMs: 1_656_581_400_000 };
    expect(t.flush()).toMatchObject([
      { name: "a", value: 5, timeMs: t.clock.now() },
      { name: "a", value: 1, temporality: 1, ...own },
      { name: "a", value: 2, ...own },
      { name: "g", value: 2, timeMs: t.clock.now() },
      { name: "g", value: 1, ...own },
    ]);
    expect(t.flush()).toEqual([]);
  });

  test("of a value that the number cannot hold are refused whole", () => {
    const t = new TestAggregator({ is_monotonic_counter: false });
    t.send("a:-9e18|c\na:1:1.8e19|c|T5\na:2:-1.8e19:1.8e19|c|T5");
    expect(t.flush().map(({ value }) => value)).toEqual([-9e18]);
    expect(t.refused("overflow")).toBe(2);
  });

  test("of zero are none", () => {
    const t = new TestAggregator();
    t.send("a:1|c|T0\na:1|c\ng:3|g|T0\ng:+1|g");
    expect(shortly(t.flush())).toEqual(["a{} 2", "g{} 4"]);
  });

  test("the fraction of an int counter is carried as well", () => {
    const t = new TestAggregator();
    t.send("a:1.5|c|T5\na:1.5|c");
    expect(t.flush().map(({ value }) => value)).toEqual([2, 1]);
  });
});

describe("senders", () => {
  test("are aggregated apart when their names differ, a part and a seam each", () => {
    const t = new TestAggregator();
    t.send("a:1|c", "one").send("a:2|c", "two").send("a:3|c", "one");
    const [payload] = t.payloads();
    expect(payload!.partItems).toEqual([1, 1]);
    expect(payload!.seams).toEqual([0, 1]);
    expect(shortly(sentPoints(payload!))).toEqual(["a{} 4", "a{} 2"]);
  });

  test("that fell silent are forgotten", async () => {
    const t = new TestAggregator();
    t.send("a:1|c", "one").flush();
    t.send("a:1|g", "two").flush();
    const heldBytes = t.aggregator.heldBytes;
    await t.clock.advance(400_000);
    t.flush();
    expect(t.aggregator.guard.series).toBe(1);
    expect(t.aggregator.heldBytes).toBeLessThan(heldBytes);
    await t.clock.advance(3_600_000);
    t.flush();
    expect(t.aggregator.guard.series).toBe(0);
    expect(t.aggregator.heldBytes).toBe(0);
    expect(t.settings.budget.usedBytes).toBe(0);
  });
});

describe("what comes in", () => {
  test("empty lines, carriage returns and spaces around are nothing", () => {
    const t = new TestAggregator();
    t.send("\n\r\n  a:1|c  \r\n\n\ta:2|c\r\n \n");
    expect(shortly(t.flush())).toEqual(["a{} 3"]);
    expect(t.count("rmt_statsd_lines")).toBe(2);
  });

  test("a bad line is counted by reason, explained once, and harms no neighbour", () => {
    const t = new TestAggregator();
    t.send("a:1|c\nbad\n:1|c\nb:2:3|c|#x:y|c:id1|e:q|card:low\n_e{1,1}:a|b\nbad again");
    expect(shortly(t.flush())).toEqual(["a{} 1", "b{container.id=id1,x=y} 5"]);
    expect([t.refused("format"), t.refused("empty_name")]).toEqual([2, 1]);
    expect(t.count("rmt_statsd_events")).toBe(1);
    expect(t.count("rmt_statsd_lines")).toBe(6);
    // Texts of their own: of equal ones the log's sampler lets only ten pass.
    expect(t.log.warnings).toEqual([
      expect.stringContaining("line (format);"),
      expect.stringContaining("line (empty_name);"),
    ]);
  });

  test("one name with several types is several metrics, and said once", () => {
    const t = new TestAggregator();
    const points = t.send("a:1|c\na:1|g\na:1|ms\nb:1|c\nb:1|s").flush();
    expect(points.map(({ kind }) => kind)).toEqual([
      "sum",
      "gauge",
      "exponentialHistogram",
      "sum",
      "gauge",
    ]);
    expect(t.log.lines).toMatchObject([
      { level: "warn", fields: { metric: "a", types: "counter, gauge" } },
    ]);
  });
});

describe("many series", () => {
  test("beyond max_series join one overflow series a metric", () => {
    const t = new TestAggregator({ max_series: 3 });
    for (let i = 0; i < 10; i++) t.send(`a:1|c|#id:${i}`);
    t.send("a:1|c|#id:0\ng:1|g\ng:+1|g|#x:y");
    expect(shortly(t.flush())).toEqual([
      "a{id=0} 2",
      "a{id=1} 1",
      "a{id=2} 1",
      "a{otel.metric.overflow=true} 7",
      "g{otel.metric.overflow=true} 2",
    ]);
    expect(t.settings.meter.value("rmt_series", { component: "statsd" })).toBe(3);
    expect(t.settings.meter.value("rmt_series_overflow_points", { component: "statsd" })).toBe(9);
    expect(t.log.warnings).toEqual([expect.stringContaining("Reached 3 series")]);
    expect(cardinalityReports()).toContainEqual(
      expect.objectContaining({ component: "statsd", series: 3, overflowSeries: 2 }),
    );
    t.aggregator.close();
  });

  test("more metrics than overflow series: what remains is refused and counted", () => {
    const t = new TestAggregator({ max_series: 1 });
    for (let i = 0; i < 1011; i++) t.send(`a${i}:1|c`);
    expect(t.flush()).toHaveLength(1001);
    expect(t.refused("series_limit")).toBe(10);
    t.aggregator.close();
  });

  test("room is made when series fall silent", async () => {
    const t = new TestAggregator({ max_series: 1 });
    t.send("a:1|c|#id:1").flush();
    await t.clock.advance(400_000);
    t.flush();
    expect(shortly(t.send("a:1|c|#id:2").flush())).toEqual(["a{id=2} 1"]);
    t.aggregator.close();
  });

  test("fifty thousand distinct series stay within the limit's memory", () => {
    const t = new TestAggregator({ max_series: 1000 });
    t.send("a:1|c");
    for (let i = 0; i < 50_000; i += 20) {
      const lines = Array.from({ length: 20 }, (_, j) => `a:1|c|#user:u${i + j}`);
      t.send(lines.join("\n"));
    }
    expect(t.aggregator.guard.series).toBe(1000);
    expect(t.aggregator.heldBytes).toBeLessThan(2_000_000);
    const cached = t.settings.meter.value("rmt_statsd_cache_bytes", { receiver: "statsd" });
    expect(cached).toBeLessThan(80 * 1024 * 1024);
    const overflow = t
      .flush()
      .find(({ attributes }) => attributes["otel.metric.overflow"] === true);
    expect(overflow!.value).toBe(50_000 - 999);
    t.aggregator.close();
  });

  test("a flush of many series comes in payloads of at most 5,000 points", () => {
    const t = new TestAggregator();
    for (let i = 0; i < 12_000; i++) t.send(`a:1|c|#id:${i}`);
    const payloads = t.payloads();
    expect(payloads.map(({ itemCount }) => itemCount)).toEqual([5000, 5000, 2000]);
    const ids = sentPoints(...payloads).map(({ attributes }) => attributes["id"]);
    expect(new Set(ids).size).toBe(12_000);
  });

  test("and of at most half a mebibyte and a point, however long the tags are", () => {
    const t = new TestAggregator();
    for (let i = 0; i < 100; i++) t.send(`a:1|c|#id:${i},long:${"x".repeat(60_000)}`);
    const payloads = t.payloads();
    expect(payloads.length).toBeGreaterThan(9);
    for (const { byteLength } of payloads) expect(byteLength).toBeLessThan(0.6 * 2 ** 20);
    expect(sentPoints(...payloads)).toHaveLength(100);
  });

  test("lines that come while a flush is on its way are for the next one", () => {
    const t = new TestAggregator();
    for (let i = 0; i < 6000; i++) t.send(`a:1|c|#id:${i}`);
    t.aggregator.beginFlush();
    const first = t.aggregator.nextPayload()!;
    t.send("a:10|c|#id:0\na:10|c|#id:5999");
    const second = t.aggregator.nextPayload()!;
    expect(t.aggregator.nextPayload()).toBeUndefined();
    const points = sentPoints(first, second);
    expect(points).toHaveLength(6000);
    // Not sent yet when the line came: it is in.
    expect(points.at(-1)).toMatchObject({ attributes: { id: "5999" }, value: 11 });
    expect(shortly(t.flush())).toEqual(["a{id=0} 10"]);
  });
});

describe("memory", () => {
  test("a series that does not fit into the budget is refused and counted", () => {
    const t = new TestAggregator({}, { budget: testBudget(5000) });
    for (let i = 0; i < 20; i++) t.send(`a:1|c|#id:${i}`);
    const sent = t.flush().length;
    expect(sent).toBeGreaterThan(1);
    expect(sent + t.refused("memory_budget")).toBe(20);
    t.aggregator.close();
    expect(t.settings.budget.usedBytes).toBe(0);
  });

  test("samples of a summary, members of a set and single points are bounded too", () => {
    const t = new TestAggregator(
      { timer_histogram_mapping: [{ statsd_type: "timer", observer_type: "summary" }] },
      { budget: testBudget(10_000) },
    );
    for (let i = 0; i < 2000; i++) t.send("t:1|ms");
    expect(t.refused("memory_budget")).toBeGreaterThan(1000);
    for (let i = 0; i < 2000; i++) t.send(`c:1|c|T5\ns:${i}|s`);
    t.flush();
    expect(t.settings.budget.usedBytes).toBeLessThan(6000);
    t.aggregator.close();
    expect(t.settings.budget.usedBytes).toBe(0);
  });

  test("a histogram that has no room to grow refuses what it has no bucket for, and has room after a flush", () => {
    const t = new TestAggregator({}, { budget: testBudget(9000) });
    t.send("t:1|ms\nu:1|ms\nt:1e9|ms");
    expect(t.settings.budget.usedBytes).toBeGreaterThan(9000);
    t.send("t:1e9|ms\nt:0|ms\nu:1|ms\nu:1000|ms\nu:-1|ms");
    expect(t.refused("memory_budget")).toBe(2);
    expect(t.flush().map(({ json }) => json["count"])).toEqual(["4", "2"]);
    expect(t.settings.budget.usedBytes).toBeLessThan(5000);
    t.send("u:1|ms\nu:1000|ms");
    expect(t.refused("memory_budget")).toBe(2);
    t.aggregator.close();
    expect(t.settings.budget.usedBytes).toBe(0);
  });

  test("what a histogram takes more is in the budget", () => {
    const t = new TestAggregator();
    t.send("t:1|ms");
    const before = t.settings.budget.usedBytes;
    t.send("t:1000000|ms");
    expect(t.settings.budget.usedBytes).toBeGreaterThan(before + 4000);
    t.flush();
    t.aggregator.close();
    expect(t.settings.budget.usedBytes).toBe(0);
  });
});

test("after a wall clock that was wrong by much, intervals begin anew", async () => {
  const t = new TestAggregator();
  const rightMs = t.clock.now();
  const now = jest.spyOn(t.clock, "now").mockReturnValue(rightMs + 86_400_000);
  t.send("a:1|c").flush();
  now.mockReturnValue(rightMs + 20_000);
  const [back] = t.send("a:1|c").flush();
  now.mockReturnValue(rightMs + 30_000);
  const [after] = t.send("a:1|c").flush();
  now.mockRestore();
  expect(back).toMatchObject({ value: 1, startMs: rightMs + 20_000, timeMs: rightMs + 20_000 });
  expect(after).toMatchObject({ startMs: rightMs + 20_000, timeMs: rightMs + 30_000 });
  expect(t.log.lines).toMatchObject([{ level: "warn", fields: { seconds: 86_380 } }]);
});

test("a wall clock that goes back makes no intervals that overlap", async () => {
  const t = new TestAggregator();
  await t.clock.advance(60_000);
  const [first] = t.send("a:1|c").flush();
  const now = jest.spyOn(t.clock, "now").mockReturnValue(first!.timeMs - 30_000);
  const [second] = t.send("a:1|c").flush();
  now.mockRestore();
  expect(second!.startMs).toBe(first!.timeMs);
  expect(second!.timeMs).toBe(first!.timeMs);
});
