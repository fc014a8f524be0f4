/** Exemplars, which only OpenMetrics carries. */
import { describe, expect, test } from "@jest/globals";
import {
  accept,
  attributes,
  distribution,
  exporterStarter,
  gauge,
  lines,
  type Running,
  request,
  sum,
  value,
} from "./support.ts";

const start = exporterStarter();
/** The exporter of the last `show`. */
let running: Running;

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";
const ids = `trace_id="${traceId}",span_id="${spanId}"`;

/** In a second some of whose milliseconds have a double of nanoseconds that lies below them. */
const exemplar = (asDouble: number, millisecond: number, rest: object = {}) => ({
  asDouble,
  timeUnixNano: `1700000049${String(millisecond).padStart(3, "0")}000000`,
  traceId,
  spanId,
  ...rest,
});

async function show(metric: object, keys: object = { enable_open_metrics: true }) {
  running = await start(keys);
  await running.push(request([metric]));
  return lines(running, accept.openMetrics);
}

const counter = (...exemplars: readonly object[]) => sum("hits", [{ ...value(5), exemplars }]);

describe("of a counter", () => {
  test.each<[string, readonly object[], string]>([
    ["none", [], ""],
    ["ids, value and time", [exemplar(1, 50)], ` # {${ids}} 1.0 1.70000004905e+09`],
    [
      "an integer",
      [{ ...exemplar(0, 1), asDouble: undefined, asInt: "-7" }],
      ` # {${ids}} -7.0 1.700000049001e+09`,
    ],
    [
      "the latest",
      [exemplar(1, 900), exemplar(2, 901), exemplar(3, 2)],
      ` # {${ids}} 2.0 1.700000049901e+09`,
    ],
    ["without a time", [{ asDouble: 1, traceId, spanId }], ` # {${ids}} 1.0`],
    [
      "no ids and no attributes: it leads nowhere",
      [{ ...exemplar(1, 1), traceId: "", spanId: "" }],
      "",
    ],
    ["ids of zeros", [exemplar(1, 1, { traceId: "0".repeat(32), spanId: "0".repeat(16) })], ""],
    [
      "attributes",
      [exemplar(1, 1, { filteredAttributes: attributes({ "user.id": 'u"1', trace_id: "other" }) })],
      ` # {${ids},user_id="u\\"1"} 1.0 1.700000049001e+09`,
    ],
    [
      "attributes that are too long together",
      [exemplar(1, 1, { filteredAttributes: attributes({ a: "x".repeat(70), b: "y" }) })],
      ` # {${ids}} 1.0 1.700000049001e+09`,
    ],
    [
      "attributes of 128 characters with the ids, not bytes",
      [exemplar(1, 1, { filteredAttributes: attributes({ a: "é".repeat(128 - 63 - 1) }) })],
      ` # {${ids},a="${"é".repeat(64)}"} 1.0 1.700000049001e+09`,
    ],
  ])("%s", async (_, exemplars, expected) => {
    expect(await show(counter(...exemplars))).toEqual([`hits_total 5.0${expected}`]);
  });

  test("stays until a point brings another one", async () => {
    await show(counter(exemplar(1, 1)));
    await running.push(request([counter()]));
    const [line] = await lines(running, accept.openMetrics);
    expect(line).toBe(`hits_total 5.0 # {${ids}} 1.0 1.700000049001e+09`);
  });

  test("stands behind the time of the sample", async () => {
    const shown = await show(counter(exemplar(1, 1)), {
      enable_open_metrics: true,
      send_timestamps: true,
    });
    expect(shown).toEqual([`hits_total 5.0 1.700000001e+09 # {${ids}} 1.0 1.700000049001e+09`]);
  });
});

describe("of a histogram", () => {
  test("the latest of each bucket", async () => {
    const point = {
      count: 4,
      bucketCounts: [1, 2, 1],
      explicitBounds: [1, 5],
      exemplars: [exemplar(1, 1), exemplar(5, 2), exemplar(2, 3), exemplar(9, 4)],
    };
    const at = (text: string, ms: number) => ` # {${ids}} ${text} 1.70000004900${ms}e+09`;
    expect(await show(distribution("histogram", "h", [point]))).toEqual([
      `h_bucket{le="1.0"} 1${at("1.0", 1)}`,
      `h_bucket{le="5.0"} 3${at("2.0", 3)}`,
      `h_bucket{le="+Inf"} 4${at("9.0", 4)}`,
      "h_count 4",
    ]);
  });

  test("of an exponential one too", async () => {
    const point = {
      scale: 0,
      count: 1,
      positive: { offset: 0, bucketCounts: [1] },
      exemplars: [exemplar(1.5, 1)],
    };
    expect(await show(distribution("exponentialHistogram", "h", [point]))).toEqual([
      'h_bucket{le="1.0"} 0',
      `h_bucket{le="2.0"} 1 # {${ids}} 1.5 1.700000049001e+09`,
      'h_bucket{le="+Inf"} 1',
      "h_count 1",
    ]);
  });
});

test("a gauge has none", async () => {
  expect(await show(gauge("g", [{ ...value(1), exemplars: [exemplar(1, 1)] }]))).toEqual(["g 1.0"]);
});

test("the text format has none, nor has an exporter without enable_open_metrics", async () => {
  await show(counter(exemplar(1, 1)));
  expect(await lines(running)).toEqual(["hits_total 5"]);
  expect(await show(counter(exemplar(1, 1)), {})).toEqual(["hits_total 5"]);
});
