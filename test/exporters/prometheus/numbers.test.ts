/** Lines of gauges and sums: values, times, and what stands around them. */
import { describe, expect, test } from "@jest/globals";
import {
  accept,
  at,
  attributes,
  exporterStarter,
  gauge,
  lines,
  request,
  sum,
  value,
} from "./support.ts";

const start = exporterStarter({ enable_open_metrics: true });

describe("values", () => {
  // As Go's strconv writes them, which is what every client library prints.
  test.each([
    [0, "0", "0.0"],
    [-0, "0", "0.0"],
    [1, "1", "1.0"],
    [-1, "-1", "-1.0"],
    [0.1, "0.1", "0.1"],
    [0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"],
    [1e-4, "0.0001", "0.0001"],
    [0.00012345, "0.00012345", "0.00012345"],
    [1e-5, "1e-05", "1e-05"],
    [5e-324, "5e-324", "5e-324"],
    [999_999, "999999", "999999.0"],
    [-999_999, "-999999", "-999999.0"],
    [1e6, "1e+06", "1e+06"],
    [-1e6, "-1e+06", "-1e+06"],
    [1_000_001, "1.000001e+06", "1.000001e+06"],
    [1_234_567.5, "1.2345675e+06", "1.2345675e+06"],
    [100_000.25, "100000.25", "100000.25"],
    [123_456_789_000, "1.23456789e+11", "1.23456789e+11"],
    [2 ** 53, "9.007199254740992e+15", "9.007199254740992e+15"],
    [1e21, "1e+21", "1e+21"],
    [1e100, "1e+100", "1e+100"],
    [Number.MAX_VALUE, "1.7976931348623157e+308", "1.7976931348623157e+308"],
    ["NaN", "NaN", "NaN"],
    ["Infinity", "+Inf", "+Inf"],
    ["-Infinity", "-Inf", "-Inf"],
  ])("%p", async (number, text, openMetrics) => {
    const r = await start();
    await r.push(request([gauge("g", [value(number)])]));
    expect(await lines(r)).toEqual([`g ${text}`]);
    expect(await lines(r, accept.openMetrics)).toEqual([`g ${openMetrics}`]);
  });

  test("integers beyond 2^53 are the nearest double", async () => {
    const r = await start();
    const points = ["9223372036854775807", "-9223372036854775808", "9007199254740993"].map(
      (asInt, k) => ({ timeUnixNano: at(1), asInt, attributes: attributes({ k }) }),
    );
    await r.push(request([gauge("g", points)]));
    expect(await lines(r)).toEqual([
      'g{k="0"} 9.223372036854775807e+18'.replace("775807", "776"),
      'g{k="1"} -9.223372036854776e+18',
      'g{k="2"} 9.007199254740992e+15',
    ]);
  });
});

describe("families", () => {
  test("HELP, TYPE and UNIT; OpenMetrics names a counter without _total", async () => {
    const r = await start();
    const help = 'a "quoted" \\ text\nin two lines, größer';
    const hits = { description: help, unit: "By", ...sum("hits", [value(1)]) };
    await r.push(request([hits, { unit: "s", ...gauge("age", [value(2)]) }]));
    expect((await r.scrape()).text).toBe(
      [
        "# TYPE age_seconds gauge",
        "age_seconds 2",
        '# HELP hits_bytes_total a "quoted" \\\\ text\\nin two lines, größer',
        "# TYPE hits_bytes_total counter",
        "hits_bytes_total 1",
        "",
      ].join("\n"),
    );
    expect((await r.scrape(accept.openMetrics)).text).toBe(
      [
        "# TYPE age_seconds gauge",
        "# UNIT age_seconds seconds",
        "age_seconds 2.0",
        '# HELP hits_bytes a \\"quoted\\" \\\\ text\\nin two lines, größer',
        "# TYPE hits_bytes counter",
        "# UNIT hits_bytes bytes",
        "hits_bytes_total 1.0",
        "# EOF",
        "",
      ].join("\n"),
    );
  });

  test("a counter without _total is unknown to OpenMetrics", async () => {
    const r = await start({ add_metric_suffixes: false });
    await r.push(request([sum("hits", [value(1)])]));
    expect((await r.scrape()).text).toBe("# TYPE hits counter\nhits 1\n");
    expect((await r.scrape(accept.openMetrics)).text).toBe(
      "# TYPE hits unknown\nhits 1.0\n# EOF\n",
    );
  });

  test.each([
    ["unknown", "x", "untyped", "# TYPE x unknown"],
    ["info", "build_info", "gauge", "# TYPE build info"],
    // An info's samples end in _info: this one is none.
    ["info", "build", "gauge", "# TYPE build gauge"],
    ["stateset", "state", "gauge", "# TYPE state stateset"],
    ["counter", "x", "gauge", "# TYPE x gauge"],
  ])("a gauge that was scraped as %s, named %s", async (type, name, text, openMetrics) => {
    const r = await start();
    const metadata = attributes({ "prometheus.type": type });
    await r.push(request([gauge(name, [value(1)], { metadata })]));
    expect((await r.scrape()).text).toBe(`# TYPE ${name} ${text}\n${name} 1\n`);
    const page = (await r.scrape(accept.openMetrics)).text;
    expect(page).toBe(`${openMetrics}\n${name} 1.0\n# EOF\n`);
  });

  test("a unit that a UNIT line cannot carry has none", async () => {
    const r = await start({ translation_strategy: "NoUTF8EscapingWithSuffixes" });
    const injected = 'a\n# TYPE evil counter\nevil_total "5"';
    await r.push(
      request([
        { unit: injected, ...gauge("g", [value(1)]) },
        { unit: "two words", ...gauge("h", [value(1)]) },
      ]),
    );
    const headers = { accept: "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8" };
    const page = (await r.scrape(headers)).text;
    const escaped = 'g_a\\n# TYPE evil counter\\nevil_total \\"5\\"';
    expect(page.split("\n")).toEqual([
      `# TYPE "${escaped}" gauge`,
      `{"${escaped}"} 1.0`,
      '# TYPE "h_two words" gauge',
      '{"h_two words"} 1.0',
      "# EOF",
      "",
    ]);
  });
});

describe("send_timestamps", () => {
  test("milliseconds in text, seconds in OpenMetrics, nothing for a point without a time", async () => {
    const r = await start({ send_timestamps: true });
    const timed = { ...value(1, { k: "a" }), timeUnixNano: "1700000000049000001" };
    const untimed = { asDouble: 2, attributes: attributes({ k: "b" }) };
    await r.push(request([gauge("g", [timed, untimed])]));
    expect(await lines(r)).toEqual(['g{k="a"} 1 1700000000049', 'g{k="b"} 2']);
    expect(await lines(r, accept.openMetrics)).toEqual([
      'g{k="a"} 1.0 1.700000000049e+09',
      'g{k="b"} 2.0',
    ]);
  });

  test("a late delta counts, but does not turn the clock back", async () => {
    const r = await start({ send_timestamps: true });
    const delta = (seconds: number) =>
      request([
        sum("hits", [{ asDouble: 1, timeUnixNano: at(seconds) }], { aggregationTemporality: 1 }),
      ]);
    await r.push(delta(9));
    await r.push(delta(3));
    expect(await lines(r)).toEqual(["hits_total 2 1700000009000"]);
  });

  test("off: no times", async () => {
    const r = await start();
    await r.push(request([gauge("g", [value(1)])]));
    expect(await lines(r)).toEqual(["g 1"]);
  });
});
