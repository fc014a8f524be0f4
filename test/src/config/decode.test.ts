import { describe, expect, test } from "@jest/globals";
import { decode } from "../../../src/config/decode.ts";
import {
  accepted,
  duration,
  durationWithDefault,
  int,
  optionalSection,
  refused,
  Secret,
  secret,
  section,
  uint,
  z,
} from "../../../src/config/fields.ts";
import { sendingQueue } from "../../../src/config/fragments/delivery.ts";
import { formatNotice, formatProblems } from "../../../src/config/problems.ts";
import { child } from "../../../src/config/tree.ts";
import { load } from "./support.ts";

/** Decodes the value of `x` in a text. */
const read = (schema: z.ZodType, text: string, env: Record<string, string> = {}) => {
  const loaded = load(text, env);
  expect(loaded.errors).toEqual([]);
  return decode(schema, child(loaded.root, "x"), ["kind", "x"], loaded.root.at);
};
const value = (schema: z.ZodType, text: string, env: Record<string, string> = {}) => {
  const decoded = read(schema, text, env);
  expect(formatProblems(decoded.issues)).toBe("");
  return decoded.value;
};
const messages = (schema: z.ZodType, text: string, env: Record<string, string> = {}) =>
  read(schema, text, env).issues.map(({ message }) => message);

const inner = section({ a: int().default(1), b: z.string().default("d") });
const full = { a: 1, b: "d" };

describe("sections", () => {
  const schema = section({
    off: optionalSection("default", inner),
    on: optionalSection("some", inner),
    none: optionalSection("none", inner),
    plain: inner.prefault({}),
    nested: section({ deep: optionalSection("some", inner) }).prefault({}),
  });
  const always = { on: full, plain: full, nested: { deep: full } };

  test.each([
    ["x:", always],
    ["x: {}", always],
    ["y: {}", always],
    ["x: {off: , on: , none: , plain: , nested: }", { ...always, off: full }],
    ["x: {off: {}, on: {}, none: {}}", { ...always, off: full, none: full }],
    ["x: {off: {a: 5}}", { ...always, off: { a: 5, b: "d" } }],
    ["x: {off: {enabled: true, a: 5}}", { ...always, off: { a: 5, b: "d" } }],
    ["x: {off: {enabled: false, a: 5}}", always],
    ["x: {on: {enabled: false}, nested: {deep: {enabled: false}}}", { plain: full, nested: {} }],
    ["x: {off: {enabled: }}", { ...always, off: full }],
  ])("%s", (text, expected) => {
    expect(value(schema, text)).toEqual(expected);
  });

  test("enabled comes from a variable too, and must be a bool", () => {
    expect(value(schema, "x: {on: {enabled: '${E}'}}", { E: "false" })).toMatchObject({
      plain: full,
    });
    expect(messages(schema, "x: {off: {enabled: 'no'}}")).toEqual([
      "'off.enabled' expected type 'bool', got unconvertible type 'string'",
    ]);
    expect(messages(schema, "x: {none: {enabled: true}}")).toEqual([
      "'none' has invalid keys: enabled",
    ]);
  });

  test("what is switched off is checked for keys and types nevertheless", () => {
    expect(messages(schema, "x: {off: {enabled: false, c: 1, a: z}}")).toEqual([
      "'off' has invalid keys: c",
      "'off.a' expected type 'int', got unconvertible type 'string'",
    ]);
  });

  test("sending_queue is on by default, its batch only when named", () => {
    const queue = section({ sending_queue: optionalSection("some", sendingQueue) });
    expect(value(queue, "x:")).toMatchObject({ sending_queue: { queue_size: 1000 } });
    expect(value(queue, "x: {sending_queue: {batch: }}")).toMatchObject({
      sending_queue: { batch: { min_size: 8192, partition: { metadata_keys: [] } } },
    });
    expect(value(queue, "x: {sending_queue: {enabled: false}}")).toEqual({});
  });
});

describe("values", () => {
  const schema = section({
    s: z.string().default("default"),
    o: z.string().optional(),
    i: int().default(7),
    u: uint().default(7),
    f: z.number().default(0.5),
    b: z.boolean().default(true),
    d: durationWithDefault("10s"),
    e: z.enum(["one", "two"]).default("one"),
    l: z.array(z.string()).default(["default"]),
    m: z.record(z.string(), z.string()).default({ k: "default" }),
    n: z.record(z.string(), z.number()).default({}),
    any: z.unknown().optional(),
    un: z.union([z.string(), z.number()]).optional(),
    ml: z.union([z.record(z.string(), z.string()), z.array(inner)]).optional(),
  });

  test.each([
    ["x: {s: , i: , b: , d: , e: , l: , m: }", {}, {}],
    ["x: {i: 0123, f: 2, u: 0x1f}", {}, { i: 83, f: 2, u: 31 }],
    ["x: {l: []}", {}, { l: [] }],
    ["x: {m: {}}", {}, { m: {} }],
    ['x: {l: "a,b"}', {}, { l: ["a", "b"] }],
    ['x: {l: ""}', {}, { l: [] }],
    ["x: {l: a}", {}, { l: ["a"] }],
    ["x: {l: [a, ~]}", {}, { l: ["a", ""] }],
    ["x: {m: {a: ~}, n: {b: ~}}", {}, { m: { a: "" }, n: { b: 0 } }],
    ["x: {d: 1m30s}", {}, { d: 90_000 }],
    ["x: {d: 0}", {}, { d: 0 }],
    ["x: {any: {a: [1, null]}}", {}, { any: { a: [1, null] } }],
    ["x: {un: 5}", {}, { un: 5 }],
    ["x: {un: '5'}", {}, { un: "5" }],
    ["x: {ml: {a: b}}", {}, { ml: { a: "b" } }],
    ["x: {ml: [{a: 2}]}", {}, { ml: [{ a: 2, b: "d" }] }],
    // Values behind references: the text for strings, the parsed value for everything else.
    ["x: {s: '${V}', i: '${V}', any: '${V}'}", { V: "0123" }, { s: "0123", i: 83, any: 83 }],
    ["x: {l: '${V}'}", { V: "[a, b]" }, { l: ["a", "b"] }],
    ["x: {l: '${V}'}", { V: "a,b" }, { l: ["a", "b"] }],
    ["x: {l: ['${V}']}", { V: "1" }, { l: ["1"] }],
    ["x: {m: '${V}'}", { V: "{a: b}" }, { m: { a: "b" } }],
    ["x: {m: {k: '${V}'}}", { V: "true" }, { m: { k: "true" } }],
    ["x: {s: '${V}'}", { V: "{a: b}" }, { s: "{a: b}" }],
    ["x: {d: '${V}', e: '${W}'}", { V: "5s", W: "two" }, { d: 5000, e: "two" }],
    ["x: {un: '${V}'}", { V: "5" }, { un: 5 }],
    // Unset: the zero value, as Go decodes it; lists and maps keep their default.
    ["x: {s: '${N}', i: '${N}', b: '${N}', d: '${N}'}", {}, { s: "", i: 0, b: false, d: 0 }],
    ["x: {l: '${N}', m: '${N}', o: '${N}'}", {}, {}],
  ])("%s with %j", (text, env, expected) => {
    const defaults = value(schema, "x:") as object;
    expect(value(schema, text, env)).toEqual({ ...defaults, ...expected });
  });

  test.each([
    ["x: {s: 5}", "'s' expected type 'string', got unconvertible type 'int'"],
    ["x: {s: [a]}", "'s' expected type 'string', got unconvertible type '[]interface {}'"],
    ["x: {i: '5'}", "'i' expected type 'int', got unconvertible type 'string'"],
    ["x: {i: 1.5}", "'i' expected type 'int', got unconvertible type 'float64'"],
    [
      "x: {i: 12345678901234567890}",
      "'i' cannot parse value as 'int': 12345678901234567890 overflows int",
    ],
    ["x: {u: -2}", "'u' cannot parse value as 'uint32': -2 overflows uint"],
    ["x: {b: yes}", "'b' expected type 'bool', got unconvertible type 'string'"],
    ["x: {b: 1}", "'b' expected type 'bool', got unconvertible type 'int'"],
    ["x: {d: true}", "'d' expected type 'time.Duration', got unconvertible type 'bool'"],
    ["x: {d: 5x}", `'d' time: unknown unit "x" in duration "5x"`],
    ["x: {l: 5}", "'l' source data must be an array or slice, got int"],
    ["x: {l: {a: b}}", "'l' source data must be an array or slice, got map"],
    ["x: {l: [1]}", "'l[0]' expected type 'string', got unconvertible type 'int'"],
    ["x: {m: [1]}", "'m' expected a map, got 'slice'"],
    ["x: {m: {a: 1}}", "'m.a' expected type 'string', got unconvertible type 'int'"],
    ["x: {e: onne}", `'e' unsupported value "onne" (valid values: [one two])`],
    [
      "x: {un: [1]}",
      "'un' expected type 'string' or 'float64', got unconvertible type '[]interface {}'",
    ],
    ["x: {ml: [{c: 1}]}", "'ml[0]' has invalid keys: c"],
    ["x: [1]", `'' expected a map or struct, got "slice"`],
    ["x: {S: 5}", "'' has invalid keys: S"],
  ])("%s is a mistake", (text, message) => {
    expect(messages(schema, text)).toEqual([message]);
  });
});

describe("places and hints", () => {
  const schema = section({
    protocols: section({ http: optionalSection("default", inner) }),
    mode: z.enum(["strict", "regexp"]).default("strict"),
  });

  test("a misspelt key: line, caret, suggestion and what is valid", () => {
    const text = "x:\n  protocols:\n    http:\n      aa: 1 # note\n  moed: strict\n";
    expect(formatProblems(read(schema, text).issues)).toContain(
      `'protocols.http' has invalid keys: aa
  at config-0.yaml:4:7 (kind::x::protocols::http::aa)
    4 |       aa: …
      |       ^^
  did you mean "a"? valid keys: a, b, enabled`,
    );
    expect(formatProblems(read(schema, text).issues)).toContain('did you mean "mode"?');
  });

  test("a key that is indented too little says where it belongs", () => {
    const { issues } = read(schema, "x: {http: {a: 1}, protocols: {b: 1}}");
    expect(issues.map(({ hint }) => hint)).toEqual([
      '"http" belongs into protocols: check the indentation',
      '"b" belongs into protocols::http: check the indentation',
    ]);
  });

  test("a misspelt value gets the nearest one", () => {
    expect(read(schema, "x: {protocols: {}, mode: regex}").issues[0]!.hint).toBe(
      'did you mean "regexp"? valid values: regexp, strict',
    );
  });

  test("what is missing points at the map it is missing in", () => {
    const [issue] = read(section({ a: section({ b: z.string() }) }), "x:\n  a: {}\n").issues;
    expect(issue).toMatchObject({ message: "kind::x::a::b: must be specified", at: { line: 2 } });
  });
});

describe("effects", () => {
  const schema = section({
    gone: refused("there is no such hardware").describe("x"),
    idle: accepted(z.string(), "connections are not pooled").describe("x"),
    timeout: duration().optional(),
  });

  test("refused keys are mistakes with the reason, unless null or off", () => {
    expect(messages(schema, "x: {gone: {a: 1}}")).toEqual([
      "'gone' is not supported: there is no such hardware",
    ]);
    expect(messages(schema, "x: {gone: }")).toEqual([]);
    expect(messages(schema, "x: {gone: {enabled: false}}")).toEqual([]);
  });

  test("accepted keys and durations without unit are noticed, with reason and place", () => {
    const { notices } = read(schema, "x: {idle: a, timeout: 5}");
    expect(notices.map(formatNotice)).toEqual([
      "kind::x::idle: idle has no effect: connections are not pooled (config-0.yaml:1:5)",
      "kind::x::timeout: a duration without a unit is in nanoseconds: 5 means 5ns; write for example 5s (config-0.yaml:1:14)",
    ]);
    expect(read(schema, "x: {timeout: 0}").notices).toEqual([]);
  });
});

describe("checks by zod", () => {
  const schema = section({
    n: z.number().min(0).max(1).default(0.5),
    p: z.number().positive().default(1),
    k: z.string().min(1).default("k"),
    t: z.string().default("t"),
    end: z.string().default(""),
    inner: section({ lo: int().default(1), hi: int().default(2) })
      .superRefine((range, context) => {
        if (range.lo > range.hi)
          context.addIssue({ code: "custom", message: "lo must not exceed hi" });
      })
      .prefault({}),
  }).superRefine((config, context) => {
    if (config.end === "") {
      context.addIssue({ code: "custom", message: "endpoint must be specified", path: ["end"] });
    }
  });

  test("have the full path and come all in one run", () => {
    const text = "x: {n: 2, p: 0, k: '', t: 5, z: 1, inner: {lo: 3}}";
    expect(messages(schema, text).toSorted()).toEqual([
      "'' has invalid keys: z",
      "'t' expected type 'string', got unconvertible type 'int'",
      "kind::x: endpoint must be specified",
      "kind::x::inner: lo must not exceed hi",
      "kind::x::k: must not be empty",
      "kind::x::n: must be at most 1",
      "kind::x::p: must be positive",
    ]);
  });

  test("say nothing about what was already found wrong", () => {
    expect(messages(schema, "x: {end: [1]}")).toEqual([
      "'end' expected type 'string', got unconvertible type '[]interface {}'",
    ]);
  });
});

describe("secrets", () => {
  const schema = section({
    token: secret().optional(),
    pin: z
      .string()
      .regex(/^[0-9]+$/u, "must be digits")
      .transform((text) => new Secret(text))
      .meta({ secret: true })
      .optional(),
    headers: z.record(z.string(), secret()).default({}),
    list: z.array(section({ name: z.string(), value: secret() })).default([]),
  });

  test("are read, also from a variable, and never print themselves", () => {
    const config = value(schema, "x: {token: '${T}', headers: {a: hunter2}}", { T: "0123" });
    expect((config as { token: Secret }).token.reveal()).toBe("0123");
    expect(JSON.stringify(config)).not.toContain("hunter2");
  });

  test.each([
    "x: {token: [hunter2]}",
    "x: {token: {a: hunter2}}",
    "x: {pin: hunter2}",
    "x: {headers: {a: {b: hunter2}, c: hunter2}}",
    "x: {tokn: hunter2}",
    "x: {list: [{name: 5, value: hunter2}], zz: 1}",
    "x: {list: hunter2}",
    'x:\n  token: ["hunter2"] # once hunter2\n',
    "x:\n  headers: {a: hunter2, b: 5}\n",
    "x:\n  tokn: |\n    hunter2\n    hunter2\n",
  ])("are in no text: %s", (text) => {
    const { issues } = read(schema, text);
    expect(issues.length).toBeGreaterThan(0);
    expect(formatProblems(issues)).not.toContain("hunter2");
  });
});
