import { describe, expect, test } from "@jest/globals";
import { testbedMetrics } from "../../../bench/shapes.ts";
import { config } from "../../../processors/relabel/config.ts";
import { Relabeler } from "../../../processors/relabel/relabeler.ts";
import { applyRules, compileRules } from "../../../processors/relabel/rules.ts";
import { type Logger, silentLogger } from "../../../src/log.ts";
import { countItems } from "../../../src/pdata/count.ts";
import { createPayload, type Payload } from "../../../src/pdata/payload.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { Writer } from "../../../src/pdata/wire.ts";
import {
  attributes,
  gauge,
  type MetricJson,
  metricsOf,
  metricsPayload,
  pointsOf,
} from "../../support/metrics-json.ts";
import { flattenPayload } from "../../support/otlp-flatten.ts";
import { lengthDelimited } from "../../support/otlp-random.ts";
import { type TestSettings, testSettings } from "../../support/settings.ts";

type Rules = readonly Readonly<Record<string, unknown>>[];

function relabelerOf(rules: Rules, settings: TestSettings = testSettings()): Relabeler {
  return new Relabeler(config.parse({ relabel_configs: rules }).relabel_configs, settings);
}

const relabel = (rules: Rules, payload: Payload<"metrics">) => relabelerOf(rules).relabel(payload);

/** The output's points as `metric{point attributes} of {resource attributes}`. */
function run(rules: Rules, ...payloads: Payload<"metrics">[]): string[] {
  const relabeler = relabelerOf(rules);
  return payloads.flatMap((payload) => shown(relabeler.relabel(payload)));
}

const shown = (payload: Payload<"metrics"> | undefined) =>
  pointsOf(payload).map(({ metric, point, resource }) => `${metric}{${point}} of {${resource}}`);

const shop = { "service.name": "shop", "host.name": "a1" };

describe("labels of points", () => {
  test("a new label becomes an attribute of the point", () => {
    const payload = metricsPayload(metricsOf(shop, gauge("m", { a: "1" }, {})));
    expect(run([{ target_label: "team", replacement: "x" }], payload)).toEqual([
      "m{a=1,team=x} of {service.name=shop,host.name=a1}",
      "m{team=x} of {service.name=shop,host.name=a1}",
    ]);
  });

  test("names may have dots, and a group of the regex makes the value", () => {
    const payload = metricsPayload(metricsOf({}, gauge("m", { "http.route": "/v1/items/7" })));
    const rule = {
      source_labels: ["http.route"],
      regex: "/(v\\d)/.*",
      target_label: "api.version",
      replacement: "$1",
    };
    expect(run([rule], payload)).toEqual(["m{http.route=/v1/items/7,api.version=v1} of {}"]);
  });

  test("a value changes where the attribute stands, the order stays", () => {
    const payload = metricsPayload(metricsOf({}, gauge("m", { a: "1", b: "x", c: "3" })));
    const rule = { source_labels: ["b"], target_label: "b", action: "uppercase" };
    expect(run([rule], payload)).toEqual(["m{a=1,b=X,c=3} of {}"]);
  });

  test("an empty result deletes, also a label that came empty", () => {
    const payload = metricsPayload(metricsOf({}, gauge("m", { a: "1", b: "2" }, { a: "" })));
    expect(run([{ target_label: "a", replacement: "" }], payload)).toEqual([
      "m{b=2} of {}",
      "m{} of {}",
    ]);
  });

  test("an attribute keeps its type unless its text changes", () => {
    const payload = metricsPayload(metricsOf({}, gauge("m", { code: 200, n: 5 })));
    const rules = [
      { source_labels: ["code"], regex: "(\\d+)", target_label: "code" },
      { source_labels: ["n"], regex: "5", target_label: "n", replacement: "6" },
    ];
    const [item] = flattenPayload(relabel(rules, payload)!);
    const [before] = flattenPayload(payload);
    const changed = flattenPayload(
      metricsPayload(
        metricsOf(
          {},
          {
            name: "m",
            gauge: {
              dataPoints: [
                {
                  timeUnixNano: "1800000000000000000",
                  attributes: [...attributes({ code: 200 }), ...attributes({ n: "6" })],
                  asDouble: 1,
                },
              ],
            },
          },
        ),
      ),
    );
    expect(item).toEqual(changed[0]);
    expect(item).not.toEqual(before);
  });

  test("of two attributes with one key the last counts, and one is left after a change", () => {
    const point = {
      attributes: [...attributes({ a: "1" }), ...attributes({ a: "2" })],
      asDouble: 1,
    };
    const metric: MetricJson = { name: "m", gauge: { dataPoints: [point] } };
    const rule = { source_labels: ["a"], target_label: "a", replacement: "$1!" };
    expect(run([rule], metricsPayload(metricsOf({}, metric)))).toEqual(["m{a=2!} of {}"]);
  });

  test.each([
    ["lowercase", "ÄΣΑΣ İ", "äσασ i"],
    ["uppercase", "straße", "STRAßE"],
    ["lowercase", "ABC", "abc"],
    ["uppercase", "ᾀᾧᾳῃῳ ᾲ", "ᾈᾯᾼῌῼ ᾲ"],
  ])("%s maps each character to one, as Go does: %s", (action, from, to) => {
    const payload = metricsPayload(metricsOf({}, gauge("m", { a: from })));
    expect(run([{ source_labels: ["a"], target_label: "a", action }], payload)).toEqual([
      `m{a=${to}} of {}`,
    ]);
  });
});

describe("labels that are mapped to one name", () => {
  const mapped = (rules: Rules, values: Record<string, string>) => {
    const labels = new Map(Object.entries(values));
    applyRules(compileRules(config.parse({ relabel_configs: rules }).relabel_configs), labels);
    return labels.get("to");
  };
  const map = { action: "labelmap", regex: "[a-c]", replacement: "to" };

  test("the value of the greatest name counts, in whatever order they came", () => {
    expect(mapped([map], { c: "3", a: "1", b: "2" })).toBe("3");
  });

  test("one that a rule has set stands behind those that came", () => {
    const set = { target_label: "a", replacement: "new" };
    expect(mapped([set, map], { a: "1", b: "2", c: "3" })).toBe("new");
  });
});

describe("labels of resources", () => {
  const payload = metricsPayload(
    metricsOf(shop, gauge("m", { pod: "p1" }, { pod: "p2" }, { pod: "p1" }), gauge("n", {})),
  );

  test("an attribute of the point stands before one of the resource", () => {
    const both = metricsPayload(metricsOf({ env: "prod" }, gauge("m", { env: "test" }, {})));
    const rule = { source_labels: ["env"], target_label: "seen" };
    expect(run([rule], both)).toEqual([
      "m{env=test,seen=test} of {env=prod}",
      "m{seen=prod} of {env=prod}",
    ]);
  });

  test("a label that only the resource has changes there", () => {
    const rule = { target_label: "host.name", replacement: "b2" };
    const changed = relabel([rule], payload)!;
    expect(shown(changed)).toEqual([
      "m{pod=p1} of {service.name=shop,host.name=b2}",
      "m{pod=p2} of {service.name=shop,host.name=b2}",
      "m{pod=p1} of {service.name=shop,host.name=b2}",
      "n{} of {service.name=shop,host.name=b2}",
    ]);
    expect(countContainers(changed)).toBe(1);
  });

  test("points that no longer share a resource get one each; those with the same stand together", () => {
    const rule = { source_labels: ["pod"], regex: "(.+)", target_label: "host.name" };
    const changed = relabel([rule], payload)!;
    expect(shown(changed)).toEqual([
      "m{pod=p1} of {service.name=shop,host.name=p1}",
      "m{pod=p1} of {service.name=shop,host.name=p1}",
      "m{pod=p2} of {service.name=shop,host.name=p2}",
      "n{} of {service.name=shop,host.name=a1}",
    ]);
    expect(countContainers(changed)).toBe(3);
    expect(changed.itemCount).toBe(4);
  });

  test("a label that goes, goes at the point and at the resource", () => {
    const both = metricsPayload(metricsOf({ env: "prod" }, gauge("m", { env: "test", a: "1" })));
    expect(run([{ regex: "env", action: "labeldrop" }], both)).toEqual(["m{a=1} of {}"]);
  });

  test("schema URL and unknown fields of a container stay", () => {
    const request = { ...metricsOf(shop, gauge("m", { pod: "p" })) };
    const withUrl = {
      resourceMetrics: request.resourceMetrics.map((r) => ({ ...r, schemaUrl: "https://x/1" })),
    };
    const changed = relabel(
      [{ regex: "host.name", action: "labeldrop" }],
      metricsPayload(withUrl),
    )!;
    const text = Buffer.concat(changed.parts).toString("latin1");
    expect(text).toContain("https://x/1");
    expect(text).not.toContain("host.name");
  });

  function countContainers(of: Payload): number {
    return of.parts.reduce((sum, part) => {
      let count = 0;
      for (let p = 0; p < part.length; count++) {
        const [length, at] = varintAt(part, p + 1);
        p = at + length;
      }
      return sum + count;
    }, 0);
  }

  function varintAt(bytes: Uint8Array, start: number): [number, number] {
    let value = 0;
    for (let p = start, shift = 0; ; p++, shift += 7) {
      value |= (bytes[p]! & 127) << shift;
      if (bytes[p]! < 128) return [value, p + 1];
    }
  }
});

describe("names", () => {
  test("__name__ is OTLP's name, without suffixes", () => {
    const histogram: MetricJson = {
      name: "http.duration",
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [{ count: "3", bucketCounts: ["1", "2"], explicitBounds: [1] }],
      },
    };
    const keep = [{ source_labels: ["__name__"], regex: "http\\.duration", action: "keep" }];
    const payload = metricsPayload(metricsOf({}, histogram));
    expect(relabel(keep, payload)).toBe(payload);
    const byLe = [{ source_labels: ["le"], regex: "", action: "keep" }];
    expect(relabel(byLe, payload)).toBe(payload);
  });

  test("a metric whose points get several names becomes several", () => {
    const payload = metricsPayload(
      metricsOf({}, gauge("m", { kind: "in" }, { kind: "out" }, { kind: "in" }), gauge("n", {})),
    );
    const rule = {
      source_labels: ["__name__", "kind"],
      regex: "m;(.+)",
      target_label: "__name__",
      replacement: "m.$1",
    };
    expect(run([rule], payload)).toEqual([
      "m.in{kind=in} of {}",
      "m.in{kind=in} of {}",
      "m.out{kind=out} of {}",
      "n{} of {}",
    ]);
  });

  test("unit, description, temporality and values stay with a new name", () => {
    const sum: MetricJson = {
      name: "a",
      description: "things",
      unit: "{thing}",
      sum: {
        dataPoints: [{ asInt: "5", attributes: attributes({ k: "v" }) }],
        aggregationTemporality: 2,
        isMonotonic: true,
      },
    };
    const renamed = relabel(
      [{ target_label: "__name__", replacement: "b" }],
      metricsPayload(metricsOf(shop, sum)),
    )!;
    expect(flattenPayload(renamed)).toEqual(
      flattenPayload(metricsPayload(metricsOf(shop, { ...sum, name: "b" }))),
    );
  });

  test("a point without a name is dropped and counted", () => {
    const settings = testSettings();
    const relabeler = relabelerOf([{ regex: "a", action: "labelkeep" }], settings);
    const payload = metricsPayload(metricsOf({}, gauge("m", { a: "1" }, { b: "2" })));
    expect(relabeler.relabel(payload)).toBeUndefined();
    expect(settings.dropped).toEqual(new Map([["empty_name", 2]]));
  });

  test("an attribute that is called __name__ is not the name, and stays", () => {
    const payload = metricsPayload(metricsOf({}, gauge("m", { __name__: "other" })));
    const rule = { source_labels: ["__name__"], target_label: "seen" };
    expect(run([rule], payload)).toEqual(["m{__name__=other,seen=m} of {}"]);
  });
});

describe("what goes", () => {
  const payload = metricsPayload(
    metricsOf(shop, gauge("m", { a: "1" }, { a: "2" })),
    metricsOf(shop, gauge("n", { a: "2" })),
    metricsOf(shop, gauge("o", { a: "1" }, { a: "3" })),
  );

  test("what the rules drop is counted; requests that are empty then vanish", () => {
    const settings = testSettings();
    const rule = { source_labels: ["a"], regex: "2", action: "drop" };
    const left = relabelerOf([rule], settings).relabel(payload)!;
    expect(settings.dropped).toEqual(new Map([["filtered", 2]]));
    expect(left.itemCount).toBe(3);
    expect(left.partItems).toEqual([1, 2]);
    expect(left.seams).toEqual([0]);
  });

  test("nothing changes: the payload is the same object", () => {
    expect(relabel([{ source_labels: ["a"], regex: "9", action: "drop" }], payload)).toBe(payload);
  });

  test("dropping and moving in one payload", () => {
    const rules = [
      { source_labels: ["a"], regex: "2", action: "drop" },
      { source_labels: ["a"], regex: "3", target_label: "__name__", replacement: "p" },
      { source_labels: ["a"], target_label: "host.name" },
    ];
    expect(run(rules, payload)).toEqual([
      "m{a=1} of {service.name=shop,host.name=1}",
      "o{a=1} of {service.name=shop,host.name=1}",
      "p{a=3} of {service.name=shop,host.name=3}",
    ]);
  });
});

describe("bytes", () => {
  const rules = [
    { target_label: "new", replacement: "x" },
    { regex: "old", action: "labeldrop" },
    { source_labels: ["mid"], target_label: "mid", action: "uppercase" },
  ];

  test("the input is never written to", () => {
    const payload = metricsPayload(metricsOf(shop, gauge("m", { old: "1", mid: "m" })));
    const before = Buffer.concat(payload.parts);
    relabel([...rules, { target_label: "__name__", replacement: "b" }], payload);
    relabel([{ target_label: "host.name", replacement: "b" }], payload);
    expect(Buffer.concat(payload.parts)).toEqual(before);
  });

  test("attribute fields with others between them are found, unknown fields stay", () => {
    const attribute = (key: string, value: string) => {
      const out = new Writer();
      out.string(1, key);
      out.lengthDelimited(2, lengthDelimited(1, Buffer.from(value)));
      return lengthDelimited(7, out.take());
    };
    const unknown = lengthDelimited(99, Buffer.from("unknown"));
    const time = Buffer.from("190000000000000000", "hex");
    const point = Buffer.concat([
      attribute("old", "1"),
      time,
      attribute("mid", "m"),
      unknown,
      attribute("last", "z"),
    ]);
    const metric = Buffer.concat([
      lengthDelimited(1, Buffer.from("m")),
      lengthDelimited(5, lengthDelimited(1, point)),
    ]);
    const request = lengthDelimited(1, lengthDelimited(2, lengthDelimited(2, metric)));
    const payload = createPayload("metrics", [request], [verify("metrics", request)]);
    const out = relabel(rules, payload)!;
    expect(shown(out)).toEqual(["m{mid=M,last=z,new=x} of {}"]);
    expect(Buffer.concat(out.parts).includes(unknown)).toBe(true);
    expect(Buffer.concat(out.parts).includes(time)).toBe(true);
  });

  test("a metric with two data members counts with its last, as everywhere", () => {
    const data = (number: number, key: string) =>
      lengthDelimited(
        number,
        lengthDelimited(
          1,
          lengthDelimited(
            7,
            Buffer.concat([lengthDelimited(1, Buffer.from(key)), Buffer.from("12030a0131", "hex")]),
          ),
        ),
      );
    const metric = Buffer.concat([
      lengthDelimited(1, Buffer.from("m")),
      data(5, "first"),
      data(7, "last"),
    ]);
    const request = lengthDelimited(1, lengthDelimited(2, lengthDelimited(2, metric)));
    const payload = createPayload("metrics", [request], [1]);
    expect(run([{ target_label: "x", replacement: "y" }], payload)).toEqual([
      "m{last=1,x=y} of {}",
    ]);
    expect(run([{ target_label: "__name__", replacement: "n" }], payload)).toEqual([
      "n{last=1} of {}",
    ]);
  });

  test("a series that is known gets what it got at first", () => {
    const payload = metricsPayload(metricsOf(shop, gauge("m", { old: "1", mid: "m" })));
    const [first, second] = run(rules, payload, payload);
    expect(first).toBe("m{mid=M,new=x} of {service.name=shop,host.name=a1}");
    expect(second).toBe(first);
  });
});

describe("series that become equal", () => {
  test("are counted and both go on", () => {
    const settings = testSettings({ id: "relabel" });
    const relabeler = relabelerOf([{ regex: "pod", action: "labeldrop" }], settings);
    const payload = metricsPayload(
      metricsOf({}, gauge("m", { pod: "1", a: "x" }, { pod: "2", a: "x" }, { a: "x" }, { a: "y" })),
    );
    const counted = () =>
      settings.meter.value("rmt_relabel_collided_series", { processor: "relabel" });
    expect(relabeler.relabel(payload)?.itemCount).toBe(4);
    expect(counted()).toBe(2);
    relabeler.relabel(payload);
    expect(counted()).toBe(2);
  });

  test("the same series in another order of its attributes is no other", () => {
    const settings = testSettings({ id: "relabel" });
    const relabeler = relabelerOf([{ regex: "pod", action: "labeldrop" }], settings);
    relabeler.relabel(
      metricsPayload(metricsOf({}, gauge("m", { a: "1", b: "2" }, { b: "2", a: "1" }))),
    );
    expect(settings.meter.value("rmt_relabel_collided_series", { processor: "relabel" })).toBe(0);
  });
});

describe("the log", () => {
  function warnings() {
    const said: unknown[] = [];
    const log: Logger = { ...silentLogger, warn: (_, fields) => said.push(fields) };
    return { said, settings: testSettings({ log }) };
  }

  test("explains each kind of drop once, and names a metric; what rules filter is meant", () => {
    const { said, settings } = warnings();
    const rules = [
      { source_labels: ["a"], regex: "(long)+z", action: "drop" },
      { regex: "a|__name__|pod", action: "labelkeep" },
      { source_labels: ["a"], regex: "nameless", target_label: "__name__", replacement: "" },
    ];
    const relabeler = relabelerOf(rules, settings);
    const texts = ["longz", "nameless", "x".repeat(20_000), "y".repeat(20_000)];
    const points = texts.map((a) => ({ a }));
    relabeler.relabel(metricsPayload(metricsOf({}, gauge("m", ...points))));
    relabeler.relabel(metricsPayload(metricsOf({}, gauge("n", ...points))));
    expect(said).toEqual([
      { reason: "empty_name", metric: "m" },
      { reason: "label_too_long", metric: "m" },
    ]);
    expect(settings.dropped.get("label_too_long")).toBe(4);
  });

  test("explains series that become equal once", () => {
    const { said, settings } = warnings();
    const relabeler = relabelerOf([{ regex: "pod", action: "labeldrop" }], settings);
    const points = ["1", "2", "3"].map((pod) => ({ pod }));
    relabeler.relabel(metricsPayload(metricsOf({}, gauge("m", ...points), gauge("n", ...points))));
    expect(said).toEqual([{ reason: "collided", metric: "m" }]);
  });
});

describe("hostile input", () => {
  test("a text too long for a regex drops its point; rules without a regex work", () => {
    const settings = testSettings();
    const long = "x".repeat(2 * 1024 * 1024);
    const payload = metricsPayload(metricsOf({}, gauge("m", { a: long }, { a: "short" })));
    const regex = { source_labels: ["a"], regex: "(a+)+z", target_label: "b" };
    expect(relabelerOf([regex], settings).relabel(payload)?.itemCount).toBe(1);
    expect(settings.dropped).toEqual(new Map([["label_too_long", 1]]));
    expect(relabel([{ source_labels: ["a"], target_label: "b" }], payload)?.itemCount).toBe(2);
  });

  test("frames are not multiplied without bound", () => {
    const settings = testSettings();
    const points = Array.from({ length: 200 }, (_, i) => ({ id: `n${i}` }));
    const metric = { ...gauge("m", ...points), description: "d".repeat(1024 * 1024) };
    const rule = { source_labels: ["id"], target_label: "__name__" };
    const out = relabelerOf([rule], settings).relabel(metricsPayload(metricsOf({}, metric)))!;
    const lost = settings.dropped.get("output_too_large")!;
    expect(lost).toBeGreaterThan(0);
    expect(out.itemCount + lost).toBe(200);
    expect(out.byteLength).toBeLessThan(24 * 1024 * 1024);
    expect(out.itemCount).toBe(
      out.parts.reduce((sum, part) => sum + countItems("metrics", part), 0),
    );
  });

  const mebibyte = 1024 * 1024;
  const many = Array.from({ length: 200 }, (_, i) => ({ id: `n${i}` }));

  test.each([
    ["a label of the points", { source_labels: ["big"], target_label: "copy" }],
    ["another one by its name", { action: "labelmap", regex: "big", replacement: "copy" }],
    ["their name", { source_labels: ["big"], target_label: "__name__" }],
    ["another label of the resource", { source_labels: ["big", "id"], target_label: "host" }],
  ])("a long label of a resource does not become %s without bound", (_, rule) => {
    const settings = testSettings();
    const resource = { big: "x".repeat(mebibyte), host: "h" };
    const payload = metricsPayload(metricsOf(resource, gauge("m", ...many)));
    const out = relabelerOf([rule], settings).relabel(payload);
    const lost = [...settings.dropped.values()].reduce((sum, items) => sum + items, 0);
    expect(lost).toBeGreaterThan(150);
    expect((out?.itemCount ?? 0) + lost).toBe(200);
    expect(out?.byteLength ?? 0).toBeLessThan(24 * mebibyte);
  });

  test("the room for long labels is one of each request", () => {
    const settings = testSettings();
    const relabeler = relabelerOf([{ source_labels: ["big"], target_label: "copy" }], settings);
    const resource = { big: "x".repeat(mebibyte) };
    for (let n = 0; n < 3; n++) {
      const points = many.slice(0, 10).map(({ id }) => ({ id: `${n}${id}` }));
      const payload = metricsPayload(metricsOf(resource, gauge("m", ...points)));
      expect(relabeler.relabel(payload)?.itemCount).toBe(10);
    }
    expect(settings.dropped).toEqual(new Map());
  });

  test.each([
    { action: "hashmod", source_labels: ["a"], modulus: 4, target_label: "b" },
    { action: "uppercase", source_labels: ["a"], target_label: "b" },
    { action: "replace", source_labels: ["a", "id"], target_label: "b" },
    { action: "dropequal", source_labels: ["a", "id"], target_label: "b" },
  ])("a text too long to read drops its point: $action $source_labels", (rule) => {
    const settings = testSettings();
    const payload = metricsPayload(
      metricsOf({}, gauge("m", { a: "x".repeat(20_000), id: "1" }, { a: "short", id: "2" })),
    );
    expect(relabelerOf([rule], settings).relabel(payload)?.itemCount).toBe(1);
    expect(settings.dropped).toEqual(new Map([["label_too_long", 1]]));
  });

  test("a long label is copied and compared as it is", () => {
    const a = "x".repeat(20_000);
    const payload = metricsPayload(metricsOf({}, gauge("m", { a, id: "1" })));
    const rules = [
      { source_labels: ["a"], target_label: "b" },
      { action: "keepequal", source_labels: ["a"], target_label: "b" },
    ];
    expect(run(rules, payload)).toEqual([`m{a=${a},id=1,b=${a}} of {}`]);
  });

  test("a point with too many labels is dropped, its neighbours are not", () => {
    const settings = testSettings();
    const labels = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, "v"]));
    const payload = metricsPayload(
      metricsOf(
        labels(1020),
        gauge("m", { x1: "1" }, { x1: "1", x2: "2", x3: "3", x4: "4", x5: "5" }),
      ),
      metricsOf({}, gauge("m", labels(1025), labels(1024))),
    );
    const relabeler = relabelerOf([{ target_label: "new", replacement: "1" }], settings);
    expect(relabeler.relabel(payload)?.itemCount).toBe(2);
    expect(settings.dropped).toEqual(new Map([["too_many_labels", 2]]));
  });

  test("series that never come again do not grow memory", () => {
    const settings = testSettings({ id: "relabel" });
    const { relabel_configs: rules } = config.parse({
      relabel_configs: [{ target_label: "x", replacement: "y" }],
    });
    const limit = 1024 * 1024;
    const relabeler = new Relabeler(rules, settings, limit);
    const held = () => settings.meter.value("rmt_relabel_cache_bytes", { processor: "relabel" });
    for (let n = 0; n < 12; n++) {
      relabeler.relabel(createPayload("metrics", [testbedMetrics(n)], [700]));
      // The memory of collisions is bounded by itself.
      expect(held()).toBeLessThanOrEqual(2 * limit);
    }
    expect(held()).toBeGreaterThan(limit / 4);
  });
});
