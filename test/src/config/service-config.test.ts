import { describe, expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { stringify } from "yaml";
import { int, secret, section } from "../../../src/config/fields.ts";
import { parseId, parsePipelineId } from "../../../src/config/ids.ts";
import { formatNotice, formatProblems } from "../../../src/config/problems.ts";
import { resolveConfig, resolveLoaded } from "../../../src/config/service-config.ts";
import { editDistance, nearest } from "../../../src/config/suggest.ts";
import { cpuTimer } from "../../support/cpu-time.ts";
import { anything, nopRegistry, registryOf, stubFactory } from "../../support/nop-registry.ts";
import { load, rejection, resolve } from "./support.ts";

const body = section({ size: int().default(1), token: secret().optional() });
const registry = registryOf([
  stubFactory("receiver", { type: "otlp", config: body }),
  stubFactory("processor", { type: "batch", config: body }),
  stubFactory("exporter", { type: "otlp_http", aliases: ["otlphttp"], config: body }),
  stubFactory("exporter", { type: "debug", config: anything }),
  stubFactory("connector", { type: "forward" }),
  stubFactory("extension", { type: "zpages" }),
]);

/** A right configuration with some parts replaced. */
const config = (parts: Partial<Record<string, string>> = {}) => {
  const all = {
    receivers: "{otlp: }",
    processors: "{batch: }",
    exporters: "{otlp_http/eu: , debug: }",
    connectors: "{}",
    extensions: "{zpages: }",
    service:
      "{extensions: [zpages], pipelines: {traces: {receivers: [otlp], processors: [batch], exporters: [otlp_http/eu, debug]}}}",
    ...parts,
  };
  return Object.entries(all)
    .map(([key, value]) => `${key}: ${value}`)
    .join("\n");
};
const service = (pipelines: string) => `{extensions: [zpages], pipelines: ${pipelines}}`;

test("a right configuration is resolved with everything the engine needs", async () => {
  const { config: resolved, problems } = await resolve(
    config({
      exporters: "{otlphttp/eu: {size: 5}, debug: }",
      service: service("{traces/a: {receivers: [otlp], exporters: [ otlphttp / eu , debug]}}"),
    }),
    registry,
  );
  expect(formatProblems(problems)).toBe("");
  expect([...resolved!.components.keys()]).toEqual([
    "receiver:otlp",
    "processor:batch",
    "exporter:otlphttp/eu",
    "exporter:debug",
    "extension:zpages",
  ]);
  expect(resolved!.components.get("exporter:otlphttp/eu")).toMatchObject({
    id: { kind: "exporter", type: "otlp_http", text: "otlphttp/eu" },
    config: { size: 5 },
    factory: { type: "otlp_http" },
  });
  expect(resolved!.pipelines).toEqual([
    {
      id: "traces/a",
      signal: "traces",
      receivers: ["otlp"],
      processors: [],
      exporters: ["otlphttp/eu", "debug"],
    },
  ]);
  expect(resolved!.extensions).toEqual(["zpages"]);
  expect(resolved!.notices.map(({ level, message }) => `${level}: ${message}`)).toEqual([
    'warn: "otlphttp" alias is deprecated; use "otlp_http" instead',
    'info: processor "batch" is configured but used in no pipeline',
  ]);
});

describe("texts of mistakes", () => {
  test.each([
    ["an empty file", "", "invalid configuration: empty configuration file"],
    ["no receivers", config({ receivers: "{}" }), "no receiver configuration specified in config"],
    ["no exporters", config({ exporters: "" }), "no exporter configuration specified in config"],
    [
      "no pipelines",
      config({ service: "{}" }),
      "service::pipelines: service must have at least one pipeline",
    ],
    [
      "no service",
      config({ service: "" }),
      "service::pipelines: service must have at least one pipeline",
    ],
    [
      "no receiver in it",
      config({ service: service("{traces: {exporters: [debug]}}") }),
      "service::pipelines::traces: must have at least one receiver",
    ],
    [
      "no exporter in it",
      config({ service: service("{traces: }") }),
      "service::pipelines::traces: must have at least one exporter",
    ],
    [
      "a processor twice",
      config({
        service: service(
          "{traces: {receivers: [otlp], processors: [batch, ' batch'], exporters: [debug]}}",
        ),
      }),
      'service::pipelines::traces: references processor "batch" multiple times',
    ],
    [
      "an unknown receiver",
      config({ service: service("{traces: {receivers: [oltp], exporters: [debug]}}") }),
      'service::pipelines::traces: references receiver "oltp" which is not configured',
    ],
    [
      "an unknown extension",
      config({
        service:
          "{extensions: [zpage], pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}",
      }),
      'service::extensions: references extension "zpage" which is not configured',
    ],
    [
      "an unknown signal",
      config({ service: service("{metric: {receivers: [otlp], exporters: [debug]}}") }),
      'unknown pipeline signal: "metric"',
    ],
    [
      "profiles",
      config({ service: service("{profiles: {receivers: [otlp], exporters: [debug]}}") }),
      "profiling signal support is at alpha level",
    ],
    [
      "a pipeline twice",
      config({
        service: service("{traces/a: {receivers: [otlp], exporters: [debug]}, traces / a: {}}"),
      }),
      'duplicate name "traces / a" after unmarshaling traces/a',
    ],
    ["a top-level key", config({ recievers: "{}" }), "'' has invalid keys: recievers"],
    [
      "a service key",
      config({ service: "{pipeline: {}}" }),
      "'service' has invalid keys: pipeline",
    ],
    [
      "a pipeline key",
      config({ service: service("{traces: {receiver: [otlp]}}") }),
      "'pipelines.traces' has invalid keys: receiver",
    ],
    [
      "a list for a section",
      config({ receivers: "[otlp]" }),
      "'receivers' expected a map, got 'slice'",
    ],
    [
      "a text for a pipeline",
      config({ service: service("{traces: otlp}") }),
      "'pipelines.traces' expected a map or struct, got \"string\"",
    ],
    [
      "a number for an id",
      config({ service: service("{traces: {receivers: [5], exporters: [debug]}}") }),
      "'pipelines.traces.receivers[0]' expected type 'component.ID', got unconvertible type 'int'",
    ],
    [
      "a map for ids",
      config({ service: service("{traces: {receivers: {a: b}, exporters: [debug]}}") }),
      "'pipelines.traces.receivers' source data must be an array or slice, got map",
    ],
    [
      "two spellings of an id",
      config({ receivers: "{otlp/a: , otlp / a: , otlp: }" }),
      `'receivers' duplicate name "otlp / a" after unmarshaling otlp/a`,
    ],
    [
      "an empty name",
      config({ receivers: "{otlp/: , otlp: }" }),
      `'receivers' in "otlp/" id: the part after / should not be empty`,
    ],
    [
      "logging",
      config({ exporters: "{logging: }" }),
      "the logging exporter has been deprecated, use the debug exporter instead",
    ],
    [
      "telemetry",
      config({ service: "{telemetry: {logs: {levl: info}}}" }),
      "'telemetry.logs' has invalid keys: levl",
    ],
  ])("%s", async (_name, text, expected) => {
    expect(await rejection(text, registry)).toContain(expected);
  });

  test("a faulty body, as the Collector introduces it, then the place", async () => {
    const text = "receivers:\n  otlp:\n    siez: 5\n";
    expect(
      await rejection(text + config({ receivers: "" }).replace("receivers: \n", ""), registry),
    ).toBe(`failed to get config: cannot unmarshal the configuration: decoding failed due to the following error(s):

'receivers' error reading configuration for "otlp": decoding failed due to the following error(s):

'' has invalid keys: siez
  at config-0.yaml:3:5 (receivers::otlp::siez)
    3 |     siez: …
      |     ^^^^
  did you mean "size"? valid keys: size, token`);
  });

  test.each([
    ["exporters", "otlp_htpp", 'did you mean "otlp_http"?'],
    ["exporters", "datadog", "datadog is a Collector component this version does not have"],
    [
      "exporters",
      "loadbalancing",
      "loadbalancing (now load_balancing) is a Collector component this version does not have",
    ],
    ["receivers", "batch", "batch is a processor, not a receiver"],
    ["processors", "zpages", "zpages is an extension, not a processor"],
    ["exporters", "filelog", "filelog is a receiver, not an exporter"],
  ])("%s: %s: %s", async (section_, type, hint) => {
    const text = await rejection(config({ [section_]: `{${type}/1: {token: hunter2}}` }), registry);
    expect(text).toContain(
      `'${section_}' unknown type: "${type}" for id: "${type}/1" (valid values: [`,
    );
    expect(text).toContain(hint);
    expect(text).not.toContain("hunter2");
  });

  test("an id configured elsewhere is pointed out", async () => {
    const pipelines = "{traces: {receivers: [otlp], processors: [debug], exporters: [debug]}}";
    expect(await rejection(config({ service: service(pipelines) }), registry)).toContain(
      "debug is configured in exporters",
    );
  });

  test("every mistake of the whole document comes in one run", async () => {
    const text = config({
      recievers: "{}",
      receivers: "{otlp: {size: a}, otlp/b: {siez: 1}, jaeger: }",
      processors: "{batch: {size: b}, nope: }",
      exporters: "{otlp_http/eu: {size: c, token: [d]}, logging: }",
      service:
        "{extensions: [gone], telemetry: {logs: {level: loud}}, pipelines: {metric: {}, traces: {receivers: [absent], exporters: [otlp_http/eu]}}}",
    });
    const { problems } = await resolve(text, registry);
    expect(problems.map(({ path }) => path.join("::")).toSorted()).toEqual([
      "exporters::logging",
      "exporters::otlp_http/eu::size",
      "exporters::otlp_http/eu::token",
      "processors::batch::size",
      "processors::nope",
      "receivers::jaeger",
      "receivers::otlp/b::siez",
      "receivers::otlp::size",
      "recievers",
      "service::extensions",
      "service::pipelines::metric",
      "service::pipelines::traces::receivers",
      "service::telemetry::logs::level",
    ]);
    for (const { at } of problems) expect(at).toBeDefined();
  });
});

const graph = (connectors: string, pipelines: string) =>
  config({ connectors, service: service(pipelines) });

describe("connectors", () => {
  test("join pipelines of the signals they support", async () => {
    const text = graph(
      "{forward: }",
      "{traces/a: {receivers: [otlp], exporters: [forward]}, traces/b: {receivers: [forward], exporters: [debug]}}",
    );
    expect((await resolve(text, registry)).problems).toEqual([]);
  });

  test.each([
    [
      "used as exporter only",
      "{forward: }",
      "{logs/in2: {receivers: [otlp], exporters: [forward]}, logs/in3: {receivers: [otlp], exporters: [forward]}}",
      'failed to build pipelines: connector "forward" used as exporter in [logs/in2 logs/in3] pipeline but not used in any supported receiver pipeline',
    ],
    [
      "used as receiver only",
      "{forward: }",
      "{logs: {receivers: [forward], exporters: [debug]}}",
      'failed to build pipelines: connector "forward" used as receiver in [logs] pipeline but not used in any supported exporter pipeline',
    ],
    [
      "an id that is an exporter too",
      "{forward: , debug: }",
      "{logs: {receivers: [otlp], exporters: [debug]}}",
      `'connectors' unknown type: "debug"`,
    ],
  ])("%s", async (_name, connectors, pipelines, expected) => {
    expect(await rejection(graph(connectors, pipelines), registry)).toContain(expected);
  });

  test("an ambiguous id", async () => {
    const text = `
receivers: {nop: }
exporters: {nop: }
connectors: {nop: }
service: {pipelines: {traces: {receivers: [nop], exporters: [nop]}}}`;
    const shown = await rejection(text, nopRegistry);
    for (const kind of ["exporter", "receiver"]) {
      expect(shown).toContain(
        `connectors::nop: ambiguous ID: Found both "nop" ${kind} and "nop" connector. Change one of the components' IDs to eliminate ambiguity (e.g. rename "nop" connector to "nop/connector")`,
      );
    }
  });

  test("a signal pair that is not supported", async () => {
    const factory = stubFactory("connector", { type: "count" });
    const pairs = [{ from: "traces", to: "metrics", stability: "beta" }] as const;
    const one = registryOf([
      stubFactory("receiver"),
      stubFactory("exporter"),
      { ...factory, pairs } as typeof factory,
    ]);
    const text = `
receivers: {nop: }
exporters: {nop: }
connectors: {count: }
service: {pipelines: {traces: {receivers: [nop], exporters: [count]}, logs: {receivers: [count], exporters: [nop]}}}`;
    const shown = await rejection(text, one);
    expect(shown).toContain('connector "count" used as exporter in [traces] pipeline but');
    expect(shown).toContain("count leads traces to metrics");
    expect(shown).toContain("count does not give logs");
  });

  test.each([
    [
      "through a processor",
      "{traces/1: {receivers: [nop], exporters: [nop/c]}, traces/2: {receivers: [nop/c], processors: [nop], exporters: [nop/c]}}",
      'connector "nop/c" (traces to traces) -> processor "nop" in pipeline "traces/2" -> connector "nop/c" (traces to traces)',
    ],
    [
      "over two connectors and signals",
      "{traces: {receivers: [nop, nop/b], exporters: [nop/a]}, logs: {receivers: [nop/a], exporters: [nop/b]}}",
      'connector "nop/a" (traces to logs) -> connector "nop/b" (logs to traces) -> connector "nop/a" (traces to logs)',
    ],
  ])("a cycle %s", async (_name, pipelines, cycle) => {
    const text = `
receivers: {nop: }
processors: {nop: }
exporters: {nop: }
connectors: {nop/a: , nop/b: , nop/c: }
service: {pipelines: ${pipelines}}`;
    expect(await rejection(text, nopRegistry)).toContain(
      `failed to build pipelines: cycle detected: ${cycle}\n`,
    );
  });
});

const fingerprint = async (exporter: string, env = {}) => {
  const { config: resolved } = await resolve(
    config({ exporters: `{otlp_http/eu: ${exporter}, debug: }` }),
    registry,
    env,
  );
  return resolved!.components.get("exporter:otlp_http/eu")!.fingerprint;
};

describe("fingerprints", () => {
  test("differ exactly when the resolved input does, and hold no secret", async () => {
    const one = await fingerprint("{size: 5, token: hunter2}");
    expect(await fingerprint("{token: '${T}', size: 5}", { T: "hunter2" })).toBe(one);
    expect(await fingerprint("{token: hunter2, size: 5}")).toBe(one);
    expect(await fingerprint("{token: hunter3, size: 5}")).not.toBe(one);
    expect(one).not.toContain("hunter2");
  });
});

describe("ids", () => {
  test.each([
    ["otlp", "otlp"],
    [" otlp / a b".replace(" b", ""), "otlp/a"],
    ["otlp/a/b", "otlp/a/b"],
    ["otlp/näme", "otlp/näme"],
    [`otlp/${"n".repeat(1024)}`, `otlp/${"n".repeat(1024)}`],
  ])("%s", (text, expected) => {
    expect(parseId(text)).toMatchObject({ text: expected, type: "otlp" });
  });
  test.each([
    ["", "id must not be empty"],
    ["/a", 'in "/a" id: the part before / should not be empty'],
    ["a/ ", 'in "a/ " id: the part after / should not be empty'],
    ["1a", 'invalid character(s) in type "1a"'],
    ["a-b", 'invalid character(s) in type "a-b"'],
    ["a".repeat(64), "invalid character(s) in type"],
    ["a/b c", 'invalid character(s) in name "b c"'],
    ["a/b+", 'invalid character(s) in name "b+"'],
    [`a/${"n".repeat(1025)}`, "is longer than 1024 characters (1025 characters)"],
  ])("%s is none", (text, expected) => {
    expect(parseId(text)).toEqual({ error: expect.stringContaining(expected) });
  });
  test("pipeline ids begin with a signal", () => {
    expect(parsePipelineId(" metrics / x")).toEqual({ signal: "metrics", text: "metrics/x" });
    expect(parsePipelineId("Metrics")).toEqual({
      error: 'in "Metrics" id: unknown pipeline signal: "Metrics"',
    });
  });
});

describe("suggestions", () => {
  test.each([
    ["kitten", "sitting", 3],
    ["ab", "ba", 1],
    ["", "abc", 3],
    ["same", "same", 0],
  ])("distance of %s and %s", (a, b, distance) => {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  });
  test("the nearest within reach; case and separators are free", () => {
    expect(nearest("sendingQueue", ["sending_queue", "retry"])).toBe("sending_queue");
    expect(nearest("zzzz", ["sending_queue"])).toBeUndefined();
    expect(nearest("x".repeat(1_000_000), ["x"])).toBeUndefined();
  });
});

test("any tree gives a config or problems, never an exception", async () => {
  const word = fc.constantFrom(
    "receivers",
    "exporters",
    "service",
    "pipelines",
    "traces",
    "otlp",
    "telemetry",
    "logs",
    "metrics",
    "readers",
    "debug",
    "size",
    "resource",
    "constructor",
  );
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small", maxDepth: 6 },
      fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(word, tie("tree"), { maxKeys: 4 }),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(fc.dictionary(word, tree, { maxKeys: 5 }), async (value) => {
      const loaded = load(JSON.stringify(value));
      const { config: resolved, problems } = await resolveConfig(loaded.root, registry);
      expect(resolved === undefined).toBe(problems.length > 0);
      formatProblems(problems);
    }),
    { numRuns: 500 },
  );
});

const paths = async (text: string) => {
  const { config: resolved, problems } = await resolveLoaded(load(text), registry);
  expect(resolved).toBeUndefined();
  return problems.map(({ path }) => path.join("::")).toSorted();
};

describe("mistakes of loading", () => {
  test("inside a body come together with all others, which they do not cause", async () => {
    const exporters = "{otlp_http/eu: {size: '${file:no}', token: '${x.y}', siez: 1}, debug: }";
    expect(await paths(config({ exporters, extensions: "{}" }))).toEqual([
      "exporters::otlp_http/eu::siez",
      "exporters::otlp_http/eu::size",
      "exporters::otlp_http/eu::token",
      "service::extensions",
    ]);
  });

  test("of a whole section stand alone", async () => {
    expect(await paths(config({ exporters: "${file:no}", nope: "{}" }))).toEqual(["exporters"]);
    expect(await paths("a: [")).toEqual([""]);
  });

  test("none: the configuration is resolved", async () => {
    expect((await resolveLoaded(load(config()), registry)).config).toBeDefined();
  });
});

test("thousands of mistakes are all told, in reasonable time", async () => {
  const keys = Array.from({ length: 3000 }, (_, index) => `    unknown_${index}: 1`).join("\n");
  const usedMs = cpuTimer();
  const text = await rejection(`receivers:\n  otlp:\n${keys}\n`, registry);
  expect(text.match(/has invalid keys/gu)).toHaveLength(3000);
  expect(usedMs()).toBeLessThan(5000);
});

test("whatever stands in bodies, no text shows what is secret or unknown", async () => {
  const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
    tree: fc.oneof(
      { depthSize: "small", maxDepth: 4 },
      fc.constantFrom("hunter2", "a: hunter2", "hunter2\nhunter2", "${env:X}hunter2", "#hunter2"),
      fc.array(tie("tree"), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom("a", "b", "token"), tie("tree"), { maxKeys: 3 }),
    ),
  }));
  const bodyTree = fc.dictionary(fc.constantFrom("token", "tokn", "other"), tree, { maxKeys: 3 });
  const print = fc.constantFrom<(value: unknown) => string>(JSON.stringify, (value) =>
    stringify(value),
  );
  await fc.assert(
    fc.asyncProperty(bodyTree, bodyTree, print, async (known, unknown, text) => {
      const document = { receivers: { otlp: known }, exporters: { nope: unknown } };
      const { problems, notices } = await resolveLoaded(load(text(document)), registry);
      const shown = formatProblems(problems) + notices.map(formatNotice).join("\n");
      expect(shown).toContain("must have at least one pipeline");
      expect(shown).not.toContain("hunter2");
    }),
    { numRuns: 500 },
  );
});
