/** How metrics are called: units and types, namespace, strategies, and what a scraper's escaping makes of it. */
import { describe, expect, test } from "@jest/globals";
import {
  accept,
  distribution,
  exporterStarter,
  gauge,
  lines,
  type Running,
  request,
  sum,
  value,
} from "./support.ts";

const start = exporterStarter({ without_scope_info: true });

const escaping = (scheme: string) => ({ accept: `text/plain;version=1.0.0;escaping=${scheme}` });
const gaugeOf = (name: string, unit: string) => ({ unit, ...gauge(name, [value(1)]) });
const counterOf = (name: string, unit: string) => ({ unit, ...sum(name, [value(1)]) });

describe("names", () => {
  test.each([
    [gaugeOf("http.server.duration", "s"), "http_server_duration_seconds"],
    [gaugeOf("request.size", "By"), "request_size_bytes"],
    [gaugeOf("speed", "m/s"), "speed_meters_per_second"],
    [gaugeOf("rate", "{packet}/s"), "rate_per_second"],
    [gaugeOf("queue", "{items}"), "queue"],
    [gaugeOf("share", "1"), "share_ratio"],
    [gaugeOf("share.ratio", "1"), "share_ratio"],
    [gaugeOf("memory.bytes.used", "By"), "memory_bytes_used"],
    [gaugeOf("size", "kBy"), "size_kilobytes"],
    [gaugeOf("load", "%"), "load_percent"],
    [gaugeOf("odd", "foo bar"), "odd_foo_bar"],
    [gaugeOf("2xx", ""), "_2xx"],
    [gaugeOf("a::b", ""), "a::b"],
    [gaugeOf("a__b..c", ""), "a_b_c"],
    [counterOf("hits", "1"), "hits_total"],
    [counterOf("hits.total", ""), "hits_total"],
    [counterOf("total.hits", ""), "hits_total"],
    [counterOf("io", "By"), "io_bytes_total"],
    [{ unit: "ms", ...sum("gone", [value(1)], { isMonotonic: false }) }, "gone_milliseconds"],
    [distribution("summary", "t", [{}], {}), "t_sum"],
  ])("%j", async (metric, name) => {
    const r = await start();
    await r.push(request([metric]));
    expect((await lines(r))[0]!.split(" ")[0]).toBe(name);
  });

  test.each([
    ["UnderscoreEscapingWithSuffixes", "http_req_bytes_total", "http_req_bytes_total"],
    ["UnderscoreEscapingWithoutSuffixes", "http_req", "http_req"],
    ["NoUTF8EscapingWithSuffixes", "http_req_bytes_total", '"http.req_bytes_total"'],
    ["NoTranslation", "http_req", '"http.req"'],
  ] as const)("translation_strategy %s", async (strategy, classic, utf8) => {
    const r = await start({ translation_strategy: strategy, add_metric_suffixes: false });
    await r.push(request([counterOf("http.req", "By")]));
    expect(await lines(r)).toEqual([`${classic} 1`]);
    const quoted = utf8.startsWith('"') ? `{${utf8}}` : utf8;
    expect((await r.scrape(accept.utf8)).text).toBe(`# TYPE ${utf8} counter\n${quoted} 1\n`);
  });

  test("namespace stands before every name, target_info included", async () => {
    const r = await start({ namespace: "my-shop" });
    const resource = { "service.name": "s", host: "h" };
    await r.push(request([gaugeOf("g", "s"), counterOf("2xx", "")], { resource }));
    expect(await lines(r)).toEqual([
      'my_shop_2xx_total{job="s"} 1',
      'my_shop_g_seconds{job="s"} 1',
      'my_shop_target_info{host="h",job="s"} 1',
    ]);
  });
});

describe("escaping", () => {
  const push = (r: Running) =>
    r.push(
      request([
        gauge("weiß.e.r", [value(1, { "a.b": "x", "c:d": "y", plain_label: "z" })]),
        gauge("plain_name", [value(2, { plain_label: "z" })]),
        distribution("histogram", "h.x", [
          { count: 1, sum: 1, bucketCounts: [1, 0], explicitBounds: [1] },
        ]),
      ]),
    );

  test.each([
    [
      "allow-utf-8",
      [
        '{"h.x_bucket",le="1"} 1',
        '{"h.x_bucket",le="+Inf"} 1',
        '{"h.x_sum"} 1',
        '{"h.x_count"} 1',
        'plain_name{plain_label="z"} 2',
        '{"weiß.e.r","a.b"="x","c:d"="y",plain_label="z"} 1',
      ],
    ],
    [
      "underscores",
      [
        'h_x_bucket{le="1"} 1',
        'h_x_bucket{le="+Inf"} 1',
        "h_x_sum 1",
        "h_x_count 1",
        'plain_name{plain_label="z"} 2',
        'wei__e_r{a_b="x",c_d="y",plain_label="z"} 1',
      ],
    ],
    [
      "dots",
      [
        'h_dot_x_bucket{le="1"} 1',
        'h_dot_x_bucket{le="+Inf"} 1',
        "h_dot_x_sum 1",
        "h_dot_x_count 1",
        // Names that need no escape stay as they are, as in every client library.
        'plain_name{plain_label="z"} 2',
        'wei___dot_e_dot_r{a_dot_b="x",c__d="y",plain_label="z"} 1',
      ],
    ],
    [
      "values",
      [
        'U__h_2e_x_bucket{le="1"} 1',
        'U__h_2e_x_bucket{le="+Inf"} 1',
        "U__h_2e_x_sum 1",
        "U__h_2e_x_count 1",
        'plain_name{plain_label="z"} 2',
        'U__wei_df__2e_e_2e_r{U__a_2e_b="x",U__c_3a_d="y",plain_label="z"} 1',
      ],
    ],
  ])("%s", async (scheme, expected) => {
    const r = await start({ translation_strategy: "NoTranslation" });
    await push(r);
    expect(await lines(r, escaping(scheme))).toEqual(expected);
  });

  test("labels that one escaping makes equal are joined", async () => {
    const r = await start({ translation_strategy: "NoTranslation" });
    await r.push(request([gauge("g", [value(1, { "a.b": "1", "a/b": "2", a_b: "3" })])]));
    expect(await lines(r)).toEqual(['g{a_b="1;2;3"} 1']);
    expect(await lines(r, accept.utf8)).toEqual(['g{"a.b"="1","a/b"="2",a_b="3"} 1']);
  });

  test("a label that an escaping makes __name__ is left out", async () => {
    const r = await start({ translation_strategy: "NoTranslation" });
    await r.push(request([gauge("g", [value(1, { "..name..": "evil", k: "v" })])]));
    expect(await lines(r)).toEqual(['g{k="v"} 1']);
    expect(await lines(r, accept.utf8)).toEqual(['g{"..name.."="evil",k="v"} 1']);
  });

  test("of names that one escaping makes equal the first is shown", async () => {
    const r = await start({ translation_strategy: "NoTranslation" });
    await r.push(request([gauge("a.b", [value(1)]), sum("a_b", [value(2)])]));
    expect((await r.scrape()).text).toBe("# TYPE a_b gauge\na_b 1\n");
    expect(await lines(r, accept.utf8)).toEqual(['{"a.b"} 1', "a_b 2"]);
  });

  test("quotes, backslashes and line breaks in names and values come back whole", async () => {
    const r = await start({ translation_strategy: "NoTranslation" });
    const odd = 'q"\\\n","x"="y';
    await r.push(request([gauge(odd, [value(1, { [odd]: odd, "z.z": odd })])]));
    const escaped = 'q\\"\\\\\\n\\",\\"x\\"=\\"y';
    expect(await lines(r, accept.utf8)).toEqual([
      `{"${escaped}","${escaped}"="${escaped}","z.z"="${escaped}"} 1`,
    ]);
    const plain = "q______x___y";
    expect(await lines(r)).toEqual([`${plain}{${plain}="${escaped}",z_z="${escaped}"} 1`]);
  });
});
