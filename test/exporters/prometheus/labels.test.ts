/** The labels of series: attributes, resource, scope, constants, and what happens when they meet. */
import { describe, expect, test } from "@jest/globals";
import { distribution, exporterStarter, gauge, lines, request, value } from "./support.ts";

const start = exporterStarter();

type Keys = Parameters<typeof start>[0];
type Pairs = Parameters<typeof value>[1];

/** The labels of a gauge with these attributes. */
async function labelsOf(
  pairs: Pairs,
  keys: Keys = {},
  parts: Parameters<typeof request>[1] = {},
): Promise<string> {
  const running = await start(keys);
  await running.push(request([gauge("g", [value(1, pairs)])], parts));
  const line = (await lines(running)).find((one) => /^g[{ ]/u.test(one));
  return line?.replace(/^g(?:\{(.*)\})? 1$/u, "$1") ?? "no series";
}

describe("attributes", () => {
  test.each<[string, Pairs, string]>([
    ["none", {}, ""],
    ["in the order of their names", { b: "2", B: "3", a: "1" }, 'B="3",a="1",b="2"'],
    ["dots and the like", { "http.method": "GET", "a-b": "x" }, 'a_b="x",http_method="GET"'],
    ["a digit first", { "1st": "x" }, 'key_1st="x"'],
    ["runs of underscores", { a__b: "1", "c..d": "2" }, 'a_b="1",c_d="2"'],
    ["reserved shape", { "__x.y__": "1", ___z__: "2" }, '___z__="2",__x_y__="1"'],
    ["no reserved shape until escaped", { "..name..": "1", "_.x_": "2" }, '_name_="1",_x_="2"'],
    ["__name__ is the metric's", { __name__: "other" }, ""],
    ["empty values are no labels", { a: "", b: "x" }, 'b="x"'],
    ["not only texts", { n: -5, t: true }, 'n="-5",t="true"'],
    ["keys that meet, in their order", { a_b: "3", "a/b": "2", "a.b": "1" }, 'a_b="1;2;3"'],
    ["escapes", { a: 'q"\\\n' }, 'a="q\\"\\\\\\n"'],
    ["beyond ASCII", { größe: "日本 😀" }, 'gr_e="日本 😀"'],
  ])("%s", async (_, pairs, expected) => {
    expect(await labelsOf(pairs)).toBe(expected);
  });
});

describe("job and instance", () => {
  test.each<[Record<string, string>, string]>([
    [{ "service.name": "s" }, 'job="s"'],
    [{ "service.name": "s", "service.namespace": "n" }, 'job="n/s"'],
    [{ "service.namespace": "n" }, ""],
    [{ "service.name": "s", "service.instance.id": "i" }, 'instance="i",job="s"'],
    [{ "service.instance.id": "i" }, 'instance="i"'],
    [{ "host.name": "h" }, ""],
  ])("%j", async (resource, expected) => {
    expect(await labelsOf({}, {}, { resource })).toBe(expected);
  });

  test("stand above attributes of these names", async () => {
    const resource = { "service.name": "s", "service.instance.id": "i" };
    const pairs = { job: "own", instance: "own" };
    expect(await labelsOf(pairs, {}, { resource })).toBe('instance="i",job="s"');
    expect(await labelsOf(pairs)).toBe('instance="own",job="own"');
  });
});

describe("scope", () => {
  const scope = {
    name: "lib",
    version: "1.2",
    attributes: [
      { key: "a.b", value: { stringValue: "x" } },
      { key: "name", value: { stringValue: "not this" } },
    ],
  };

  test("name, version and attributes are labels", async () => {
    const expected = 'k="v",otel_scope_a_b="x",otel_scope_name="lib",otel_scope_version="1.2"';
    expect(await labelsOf({ k: "v" }, {}, { scope })).toBe(expected);
  });

  test("the schema URL too", async () => {
    const running = await start();
    const sent = request([gauge("g", [value(1)])], { scope: { name: "lib" } });
    Object.assign(sent.resourceMetrics[0]!.scopeMetrics[0]!, { schemaUrl: "https://s/1" });
    await running.push(sent);
    expect(await lines(running)).toEqual([
      'g{otel_scope_name="lib",otel_scope_schema_url="https://s/1"} 1',
    ]);
  });

  test("without_scope_info leaves all of them out", async () => {
    expect(await labelsOf({ k: "v" }, { without_scope_info: true }, { scope })).toBe('k="v"');
  });
});

describe("const_labels", () => {
  test("stand on every series, except where it has the label itself", async () => {
    const keys = { const_labels: { region: "eu", k: "constant" } };
    expect(await labelsOf({ k: "own" }, keys)).toBe('k="own",region="eu"');
  });

  test("give way to the labels that a type needs", async () => {
    const running = await start({ const_labels: { le: "constant" } });
    await running.push(request([distribution("histogram", "h", [{ count: 1 }])]));
    expect(await lines(running)).toEqual([
      'h_bucket{exported_le="constant",le="+Inf"} 1',
      'h_count{exported_le="constant"} 1',
    ]);
  });
});

describe("resource attributes as labels", () => {
  const resource = {
    "service.name": "s",
    "host.name": "h",
    "k8s.pod.name": "p",
    "k8s.pod.uid": "u",
  };

  test.each<[string, Keys, string]>([
    ["not by default", {}, 'job="s"'],
    [
      "all",
      { resource_to_telemetry_conversion: { enabled: true } },
      'host_name="h",job="s",k8s_pod_name="p",k8s_pod_uid="u",service_name="s"',
    ],
    [
      "all but the service's",
      { resource_to_telemetry_conversion: { enabled: true, exclude_service_attributes: true } },
      'host_name="h",job="s",k8s_pod_name="p",k8s_pod_uid="u"',
    ],
    [
      "chosen by patterns",
      { resource_constant_labels: { included: ["k8s.*", "host.nam?"], excluded: ["*.uid"] } },
      'host_name="h",job="s",k8s_pod_name="p"',
    ],
    [
      "patterns before the older switch",
      {
        resource_constant_labels: { included: ["host.name"] },
        resource_to_telemetry_conversion: { enabled: true },
      },
      'host_name="h",job="s"',
    ],
  ])("%s", async (_, keys, expected) => {
    expect(await labelsOf({}, keys, { resource })).toBe(expected);
  });

  test("stand above point attributes of the same key and join those that become equal", async () => {
    const keys = { resource_to_telemetry_conversion: { enabled: true } };
    const pairs = { "host.name": "point", host_name: "third" };
    expect(await labelsOf(pairs, keys, { resource: { "host.name": "h" } })).toBe(
      'host_name="h;third"',
    );
  });
});

describe("labels that a type needs for itself", () => {
  test("le of a histogram and quantile of a summary", async () => {
    const running = await start();
    const attributes = ["le", "quantile"].map((key) => ({ key, value: { stringValue: "own" } }));
    const histogram = { count: 1, bucketCounts: [1], explicitBounds: [], attributes };
    const summary = { count: 1, sum: 2, quantileValues: [{ quantile: 0.5, value: 2 }], attributes };
    await running.push(
      request([
        distribution("histogram", "h", [histogram]),
        distribution("summary", "s", [summary]),
      ]),
    );
    expect(await lines(running)).toEqual([
      'h_bucket{exported_le="own",quantile="own",le="+Inf"} 1',
      'h_count{exported_le="own",quantile="own"} 1',
      's{exported_quantile="own",le="own",quantile="0.5"} 2',
      's_sum{exported_quantile="own",le="own"} 2',
      's_count{exported_quantile="own",le="own"} 1',
    ]);
  });
});
