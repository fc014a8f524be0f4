import { describe, expect, test } from "@jest/globals";
import { shapes } from "../../../bench/shapes.ts";
import { encodeAttribute } from "../../../src/pdata/attributes.ts";
import { concat } from "../../../src/pdata/concat.ts";
import { createPayload } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { Writer, wireFixed64 } from "../../../src/pdata/wire.ts";
import { flattenPayload } from "../../support/otlp-flatten.ts";
import { metricsOf, metricsRequest, objectOf, payloadOf } from "../../support/otlp-objects.ts";
import { randomRequest } from "../../support/otlp-random.ts";
import { gauge, point, pointsOf, sum, transformer, valuesOf } from "./support.ts";

const namesOf = (metrics: Record<string, unknown>[]) => metrics.map(({ name }) => name);

describe("names", () => {
  test("regular expressions are not anchored; groups go into the new name", () => {
    const { run } = transformer({
      include: "sys\\.(?P<what>\\w+)\\.(\\w+)",
      match_type: "regexp",
      action: "update",
      new_name: "$what/${2}_$$",
    });
    expect(
      namesOf(run([gauge("my.sys.cpu.time", point({}, 1n)), gauge("other", point({}, 1n))])),
    ).toEqual(["cpu/time_$", "other"]);
  });

  test("later transforms see what earlier ones left", () => {
    const { run } = transformer(
      { include: "a", action: "update", new_name: "b" },
      { include: "b", action: "insert", new_name: "c" },
      { include: "^[bc]$", match_type: "regexp", action: "update", new_name: "x_$0" },
      {
        include: "x_c",
        action: "update",
        operations: [{ action: "add_label", new_label: "l", new_value: "v" }],
      },
    );
    const result = run([gauge("a", point({}, 1n))]);
    expect(namesOf(result)).toEqual(["x_b", "x_c"]);
    expect(result.map(valuesOf)).toEqual([[[{}, "1"]], [[{ l: "v" }, "1"]]]);
  });

  test("a strict name is no expression, and its new name no template", () => {
    const { run } = transformer({ include: "a.c", action: "update", new_name: "$1" });
    expect(namesOf(run([gauge("abc", point({}, 1n)), gauge("a.c", point({}, 1n))]))).toEqual([
      "abc",
      "$1",
    ]);
  });
});

describe("labels", () => {
  const update = (operations: object[], rest: object = {}) =>
    transformer({ include: "m", action: "update", operations, ...rest });

  test("add_label does not change a label that is there", () => {
    const { run } = update([{ action: "add_label", new_label: "a", new_value: "new" }]);
    expect(valuesOf(run([gauge("m", point({}, 1n), point({ a: "old" }, 2n))])[0])).toEqual([
      [{ a: "new" }, "1"],
      [{ a: "old" }, "2"],
    ]);
  });

  test("update_label: name, values, both; a label of the new name gives way", () => {
    const values = [{ value: "1", new_value: "one" }];
    const points = [point({ a: "1", b: "x" }, 1n), point({ a: "2" }, 2n), point({ c: "1" }, 3n)];
    const labels = (operation: object) =>
      valuesOf(
        update([{ action: "update_label", label: "a", ...operation }]).run([
          gauge("m", ...points),
        ])[0],
      ).map(([of]) => of);
    expect(labels({ new_label: "b" })).toEqual([{ b: "1" }, { b: "2" }, { c: "1" }]);
    expect(labels({ value_actions: values })).toEqual([
      { a: "one", b: "x" },
      { a: "2" },
      { c: "1" },
    ]);
    expect(labels({ new_label: "z", value_actions: values })).toEqual([
      { z: "one", b: "x" },
      { z: "2" },
      { c: "1" },
    ]);
    expect(labels({ new_label: "a" })).toEqual([{ a: "1", b: "x" }, { a: "2" }, { c: "1" }]);
  });

  test("delete_label_value drops points, counted; a metric that loses all goes, one that had none stays", () => {
    const { run, settings } = transformer({
      include: ".*",
      match_type: "regexp",
      action: "update",
      operations: [{ action: "delete_label_value", label: "a", label_value: "x" }],
    });
    const result = run([
      gauge("some", point({ a: "x" }, 1n), point({ a: "y" }, 2n), point({}, 3n)),
      gauge("all", point({ a: "x" }, 1n)),
      gauge("none"),
    ]);
    expect(namesOf(result)).toEqual(["some", "none"]);
    expect(valuesOf(result[0])).toEqual([
      [{ a: "y" }, "2"],
      [{}, "3"],
    ]);
    // Both runs.
    expect([...settings.dropped]).toEqual([["delete_label_value", 4]]);
  });

  test("a payload that loses everything is nothing", () => {
    const { process } = update([{ action: "delete_label_value", label: "a", label_value: "x" }]);
    const payload = payloadOf("metrics", metricsRequest([gauge("m", point({ a: "x" }, 1n))]));
    expect(process(payload)).toBeUndefined();
  });

  test("operations run in order", () => {
    const { run } = update([
      { action: "add_label", new_label: "a", new_value: "1" },
      { action: "experimental_scale_value", experimental_scale: 10 },
      { action: "update_label", label: "a", new_label: "b" },
      { action: "toggle_scalar_data_type" },
      { action: "aggregate_labels", label_set: ["b"], aggregation_type: "sum" },
      { action: "add_label", new_label: "c", new_value: "2" },
    ]);
    expect(valuesOf(run([gauge("m", point({ x: "1" }, 1n), point({ x: "2" }, 2n))])[0])).toEqual([
      [{ b: "1", c: "2" }, 30],
    ]);
  });
});

describe("experimental_match_labels", () => {
  const points = [point({ a: "1", b: "x" }, 1n), point({ a: "2" }, 2n)];
  const match = { experimental_match_labels: { a: "1" } };

  test("update: operations that work point by point change only matching points, others none", () => {
    const { run } = transformer({
      include: "m",
      action: "update",
      new_name: "renamed",
      ...match,
      operations: [
        { action: "update_label", label: "a", new_label: "c" },
        { action: "toggle_scalar_data_type" },
        { action: "add_label", new_label: "added", new_value: "v" },
        { action: "delete_label_value", label: "b", label_value: "x" },
      ],
    });
    const [partial] = run([gauge("m", ...points)]);
    expect([partial?.["name"], valuesOf(partial)]).toEqual([
      "m",
      [
        [{ c: "1", b: "x" }, "1"],
        [{ a: "2" }, "2"],
      ],
    ]);
    expect(namesOf(run([gauge("m", point({ a: "1" }, 1n))]))).toEqual(["renamed"]);
    expect(run([gauge("m", points[1]!)])).toEqual([gauge("m", points[1]!)]);
  });

  test("insert copies matching points only", () => {
    const { run } = transformer({ include: "m", action: "insert", new_name: "n", ...match });
    const result = run([gauge("m", ...points)]);
    expect(result.map(valuesOf)).toEqual([
      [
        [{ a: "1", b: "x" }, "1"],
        [{ a: "2" }, "2"],
      ],
      [[{ a: "1", b: "x" }, "1"]],
    ]);
  });

  test("an absent label is an empty one", () => {
    const { run } = transformer({
      include: "m",
      match_type: "regexp",
      action: "insert",
      new_name: "n",
      experimental_match_labels: { b: "^$" },
    });
    expect(valuesOf(run([gauge("m", ...points)])[1])).toEqual([[{ a: "2" }, "2"]]);
  });
});

describe("values", () => {
  const operate = (operation: object) =>
    transformer({ include: "m", action: "update", operations: [operation] });
  const scale = (factor: number) =>
    operate({ action: "experimental_scale_value", experimental_scale: factor });

  test.each<[number | bigint, number, unknown]>([
    [3n, 0.5, "1"],
    [-3n, 0.5, "-1"],
    [1.5, 2, 3],
    [2n ** 62n, 4, String(2n ** 63n - 1n)],
  ])("scale %p by %p: %p", (value, factor, scaled) => {
    expect(valuesOf(scale(factor).run([gauge("m", point({}, value))])[0])).toEqual([[{}, scaled]]);
  });

  test.each<[number | bigint | undefined, unknown]>([
    [3n, 3],
    [-1.9, "-1"],
    [1e300, String(2n ** 63n - 1n)],
    [undefined, undefined],
  ])("toggle %p: %p", (value, toggled) => {
    const { run } = operate({ action: "toggle_scalar_data_type" });
    expect(valuesOf(run([sum("m", 2, point({}, value))])[0])).toEqual([[{}, toggled]]);
  });

  test("what cannot be scaled stays as it is, and that is said", () => {
    const { run, warnings } = scale(2);
    const metric = {
      name: "m",
      summary: { dataPoints: [point({}, undefined, { count: "1", sum: 2 })] },
    };
    expect(run([metric])).toEqual([metric]);
    expect(warnings).toEqual([
      {
        message: "experimental_scale_value left a metric as it is: it cannot scale its kind.",
        fields: { metric: "m" },
      },
    ]);
  });

  test.each(["histogram", "exponentialHistogram"])(
    "a negative factor would turn the bounds of a %s round",
    (kind) => {
      const metric = { name: "m", [kind]: { dataPoints: [point({}, undefined, { sum: 2 })] } };
      const { run, warnings } = scale(-1);
      expect(run([metric])).toEqual([metric]);
      expect(warnings).toHaveLength(1);
    },
  );
});

describe("combine", () => {
  const combine = (rest: object = {}) =>
    transformer({
      include: "^(?P<kind>\\w+)_bytes$",
      match_type: "regexp",
      action: "combine",
      new_name: "bytes",
      ...rest,
    });

  test.each([
    [{}, ["Read", "write"]],
    [{ submatch_case: "lower" }, ["read", "write"]],
    [{ submatch_case: "upper" }, ["READ", "WRITE"]],
  ])("groups become labels %p", (rest, labels) => {
    const result = combine(rest).run([
      gauge("Read_bytes", point({}, 1n)),
      gauge("write_bytes", point({}, 2n)),
    ]);
    expect(namesOf(result)).toEqual(["bytes"]);
    expect(valuesOf(result[0])).toEqual([
      [{ kind: labels[0] }, "1"],
      [{ kind: labels[1] }, "2"],
    ]);
  });

  test("points that become equal are merged as told", () => {
    const { run } = transformer({
      include: "^[ab]$",
      match_type: "regexp",
      action: "combine",
      new_name: "c",
      aggregation_type: "max",
    });
    expect(
      run([gauge("a", point({ l: "1" }, 1n)), gauge("b", point({ l: "1" }, 2n))]).map(valuesOf),
    ).toEqual([[[{ l: "1" }, "2"]]]);
  });

  test("points that are not meant stay in their metric", () => {
    const { run } = combine({ experimental_match_labels: { a: "1" } });
    const result = run([gauge("read_bytes", point({ a: "1" }, 1n), point({ a: "2" }, 2n))]);
    expect(namesOf(result)).toEqual(["read_bytes", "bytes"]);
    expect(result.map(valuesOf)).toEqual([[[{ a: "2" }, "2"]], [[{ a: "1", kind: "read" }, "1"]]]);
  });

  test.each([
    ["^.*", "all$1", "all"],
    ["^(a)", "a_$1", "a_a"],
    ["^(m)", "b_$1", "b_$1"],
  ])("references of new_name: %s as %s gives %s", (include, newName, name) => {
    const { run } = transformer({
      include,
      match_type: "regexp",
      action: "combine",
      new_name: newName,
      aggregation_type: "sum",
    });
    expect(namesOf(run([gauge(include.includes("a") ? "a" : "m", point({}, 1n))]))).toEqual([name]);
  });

  test("a summary is not combined, not even alone", () => {
    const { process, warnings } = combine({ aggregation_type: "sum" });
    const summary = { dataPoints: [point({}, undefined, { count: "1" })] };
    const payload = payloadOf("metrics", metricsRequest([{ name: "read_bytes", summary }]));
    expect(process(payload)).toBe(payload);
    expect(warnings).toHaveLength(1);
  });

  const other = gauge("write_bytes", point({}, 2n));
  test.each<[string, object, object]>([
    [
      "metrics cannot be combined as they are of different types: read_bytes (Sum) and write_bytes (Gauge)",
      sum("read_bytes", 2, point({}, 1n)),
      other,
    ],
    [
      "metrics cannot be combined as they have different units: read_bytes (By) and write_bytes ()",
      { ...gauge("read_bytes", point({}, 1n)), unit: "By" },
      other,
    ],
    [
      "metrics cannot be combined as they have different attributes: read_bytes ([a b]) and write_bytes ([])",
      gauge("read_bytes", point({ b: "1" }, 1n), point({ a: "1" }, 1n)),
      other,
    ],
    [
      "metrics cannot be combined as they have different aggregation temporalities: read_bytes (Delta) and write_bytes (Cumulative)",
      sum("read_bytes", 1, point({}, 1n)),
      sum("write_bytes", 2, point({}, 1n)),
    ],
    [
      "metrics cannot be combined as they have different monotonicity: read_bytes (true) and write_bytes (false)",
      sum("read_bytes", 2, point({}, 1n)),
      { name: "write_bytes", sum: { dataPoints: [point({}, 1n)], aggregationTemporality: 2 } },
    ],
    [
      "summary metrics cannot be combined: write_bytes",
      gauge("read_bytes", point({}, 1n)),
      { name: "write_bytes", summary: { dataPoints: [point({}, undefined, { count: "1" })] } },
    ],
  ])("%s", (message, a, b) => {
    const { process, warnings } = combine({ aggregation_type: "sum" });
    const payload = payloadOf("metrics", metricsRequest([a, b]));
    expect(process(payload)).toBe(payload);
    expect(warnings.map((warning) => warning.message)).toEqual([message]);
  });
});

describe("group", () => {
  const group = (rest: object = {}) =>
    transformer({
      include: "^k8s",
      match_type: "regexp",
      action: "group",
      group_resource_labels: { "metric.group": "k8s", host: "new" },
      ...rest,
    });
  const resource = {
    attributes: [
      { key: "host", value: { stringValue: "h" } },
      { key: "zone", value: { intValue: "1" } },
    ],
    droppedAttributesCount: 2,
  };
  const request = (metrics: object[]) => ({
    resourceMetrics: [
      {
        resource,
        scopeMetrics: [{ scope: { name: "s", version: "1" }, metrics, schemaUrl: "u" }],
        schemaUrl: "v",
      },
    ],
  });
  const taken = {
    attributes: [
      { key: "host", value: { stringValue: "new" } },
      { key: "zone", value: { intValue: "1" } },
      { key: "metric.group", value: { stringValue: "k8s" } },
    ],
    droppedAttributesCount: 2,
  };

  test("matching metrics move to a resource of their own", () => {
    const metrics = [
      gauge("k8s.a", point({}, 1n)),
      gauge("b", point({}, 2n)),
      gauge("k8s.c", point({}, 3n)),
    ];
    const result = group().process(payloadOf("metrics", request(metrics)));
    const scopeOf = (of: object[]) => [
      { scope: { name: "s", version: "1" }, metrics: of, schemaUrl: "u" },
    ];
    expect(objectOf(result)).toEqual({
      resourceMetrics: [
        { resource, scopeMetrics: scopeOf([metrics[1]!]), schemaUrl: "v" },
        { resource: taken, scopeMetrics: scopeOf([metrics[0]!, metrics[2]!]), schemaUrl: "v" },
      ],
    });
  });

  test("a resource that loses all goes; without a match nothing changes", () => {
    const all = group().process(payloadOf("metrics", request([gauge("k8s.a", point({}, 1n))])));
    expect((objectOf(all) as { resourceMetrics: unknown[] }).resourceMetrics).toHaveLength(1);
    const payload = payloadOf("metrics", request([gauge("b", point({}, 1n))]));
    expect(group().process(payload)).toBe(payload);
  });

  test("points that are not meant stay", () => {
    const { process } = group({ experimental_match_labels: { a: "1" } });
    const result = process(
      payloadOf("metrics", request([gauge("k8s.a", point({ a: "1" }, 1n), point({ a: "2" }, 2n))])),
    );
    expect(metricsOf(result).map(valuesOf)).toEqual([[[{ a: "2" }, "2"]], [[{ a: "1" }, "1"]]]);
  });
});

describe("bytes", () => {
  test("parts without a match stay the same objects, and with them their seams", () => {
    const { process } = transformer({ include: "a", action: "update", new_name: "b" });
    const parts = ["x", "a", "y"].map((name) =>
      payloadOf("metrics", metricsRequest([gauge(name, point({}, 1n))])),
    );
    const payload = concat(parts);
    const result = process(payload)!;
    expect([result.parts[0], result.parts[2]]).toEqual([payload.parts[0], payload.parts[2]]);
    expect(result.parts[0]).toBe(payload.parts[0]);
    expect(result.seams).toEqual(payload.seams);
  });

  test("random requests: renaming changes names only, adding a label only labels", () => {
    const rename = transformer({
      include: "^.*$",
      match_type: "regexp",
      action: "update",
      new_name: "n",
    });
    const label = transformer({
      include: "(?s).*",
      match_type: "regexp",
      action: "update",
      operations: [{ action: "add_label", new_label: "added!", new_value: "v" }],
    });
    for (let seed = 0; seed < 200; seed++) {
      const bytes = randomRequest("metrics", seed, { order: "shuffled", unknown: true });
      const payload = createPayload("metrics", [bytes], [verify("metrics", bytes)]);
      const renamed = rename.process(payload);
      expect(renamed === undefined ? [] : flattenPayload(renamed).map(({ item }) => item)).toEqual(
        flattenPayload(payload).map(({ item }) => item),
      );
      const labelled = label.process(payload);
      const around = ({
        resource,
        scope,
        metric,
      }: {
        resource: string;
        scope: string;
        metric: string;
      }) => JSON.stringify([resource, scope, metric]);
      expect(labelled === undefined ? [] : flattenPayload(labelled).map(around)).toEqual(
        flattenPayload(payload).map(around),
      );
    }
  });

  const all = { include: "(?s)^.*$", match_type: "regexp" };
  const some = { include: "a", match_type: "regexp" };
  test.each<[string, object[], (items: number) => number]>([
    ["insert", [{ ...all, action: "insert", new_name: "copy" }], (items) => 2 * items],
    ["group", [{ ...some, action: "group", group_resource_labels: { g: "1" } }], (items) => items],
    [
      "chain",
      [
        {
          ...some,
          action: "insert",
          new_name: "a $0",
          operations: [{ action: "toggle_scalar_data_type" }],
        },
        {
          ...all,
          action: "update",
          operations: [{ action: "experimental_scale_value", experimental_scale: 2 }],
        },
        {
          ...some,
          action: "update",
          operations: [{ action: "aggregate_labels", label_set: [], aggregation_type: "mean" }],
        },
        {
          ...some,
          action: "combine",
          new_name: "c",
          aggregation_type: "sum",
          submatch_case: "upper",
        },
        { ...some, action: "group", group_resource_labels: {} },
      ],
      () => Number.NaN,
    ],
  ])("random requests: %s gives valid ones and loses nothing", (_name, transforms, wanted) => {
    const tested = transformer(...transforms);
    for (let seed = 0; seed < 150; seed++) {
      const bytes = randomRequest("metrics", seed, { order: "shuffled", unknown: true });
      const payload = createPayload("metrics", [bytes], [verify("metrics", bytes)]);
      const items = wanted(payload.itemCount);
      // The number of items that is said is compared with what is there by `process`.
      const result = tested.process(payload)?.itemCount ?? 0;
      if (!Number.isNaN(items)) expect(result).toBe(items);
      expect(payload.itemCount === 0 || result > 0).toBe(true);
    }
  });

  test("labels with other fields between them are found, and nothing is lost", () => {
    const out = new Writer();
    const handles = [out.begin(1), out.begin(2), out.begin(2)];
    out.string(1, "m");
    handles.push(out.begin(5), out.begin(1));
    out.raw(encodeAttribute(7, "a", "1"));
    out.tag(3, wireFixed64);
    out.fixed64(2n);
    out.raw(encodeAttribute(7, "b", "2"));
    out.tag(6, wireFixed64);
    out.fixed64(5n);
    for (const handle of handles.toReversed()) out.end(handle);
    const { process } = transformer({
      include: "m",
      action: "update",
      operations: [
        { action: "update_label", label: "a", new_label: "c" },
        { action: "experimental_scale_value", experimental_scale: 2 },
      ],
    });
    const result = process(createPayload("metrics", [out.take()], [1]));
    expect(pointsOf(metricsOf(result)[0])).toEqual([
      { labels: { c: "1", b: "2" }, timeUnixNano: "2", asInt: "10" },
    ]);
  });
});

test("label sets that never repeat stay within the bound of the cache", () => {
  const { process, settings } = transformer({
    include: "^load",
    match_type: "regexp",
    action: "update",
    operations: [
      { action: "add_label", new_label: "a", new_value: "b" },
      { action: "aggregate_labels", label_set: ["batch_index"], aggregation_type: "sum" },
    ],
  });
  for (let i = 0; i < 60; i++) process(createPayload("metrics", [shapes.testbed.make(i)], [700]));
  const held = settings.meter.value("rmt_attribute_cache_bytes", { processor: "test" });
  expect(held).toBeGreaterThan(0);
  expect(held).toBeLessThan(64 * 1024 * 1024);
});

test("a label of ten megabytes", () => {
  const huge = "x".repeat(10_000_000);
  const { run } = transformer({
    include: "m",
    match_type: "regexp",
    action: "update",
    experimental_match_labels: { a: "(x+x+)+y|x$" },
    operations: [{ action: "update_label", label: "a", new_label: "b" }],
  });
  expect(pointsOf(run([gauge("m", point({ a: huge }, 1n))])[0])[0]).toMatchObject({
    labels: { b: huge },
  });
});
