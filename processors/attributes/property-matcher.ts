/** One include or exclude section, made ready to be asked level by level. */
import { AttributeSet } from "../../src/attribute-actions/attribute-set.ts";
import { textOfValue, valueFromConfig, valueOf } from "../../src/attribute-actions/values.ts";
import { type AttributeValue, attributesField, readAnyValue } from "../../src/pdata/attributes.ts";
import { Cursor } from "../../src/pdata/wire.ts";
import { Regex } from "../../src/regex/regex.ts";
import type { MatchConfig } from "./match-config.ts";

type TextTest = (text: string) => boolean;
/** Whether the message at [start, end) has a property. */
type MessageTest = (bytes: Uint8Array, start: number, end: number) => boolean;
type SetTest = (set: AttributeSet) => boolean;

const serviceName = Buffer.from("service.name");
/** What the Collector takes for the name of a service that has none. */
const noServiceName = "<nil-service-name>";

/** Tests of a section; undefined: it says nothing about that level. */
export interface PropertyMatcher {
  readonly resource: MessageTest | undefined;
  readonly scope: MessageTest | undefined;
  readonly metric: MessageTest | undefined;
  readonly item: MessageTest | undefined;
  readonly attributes: SetTest | undefined;
}

/** Of a section that names only what its signal has (`signalProblem`); undefined: it is absent. */
export function propertyMatcher(match: MatchConfig | undefined): PropertyMatcher | undefined {
  if (match === undefined) return undefined;
  return {
    resource: all([serviceTest(match.services, match), resourceTest(match)]),
    scope: scopeTest(match),
    metric: fieldTest(1, match.metric_names, match),
    item: itemTest(match),
    attributes: attributesTest(match.attributes, match),
  };
}

function all(tests: readonly (MessageTest | undefined)[]): MessageTest | undefined {
  const given = tests.filter((test) => test !== undefined);
  if (given.length === 0) return undefined;
  return (bytes, start, end) => given.every((test) => test(bytes, start, end));
}

/** Whether a text is one of those given; undefined: none is given. */
function textTest(texts: readonly string[], { match_type }: MatchConfig): TextTest | undefined {
  if (texts.length === 0) return undefined;
  if (match_type === "strict") {
    const set = new Set(texts);
    return (text) => set.has(text);
  }
  const regexes = texts.map((text) => Regex.compile(text));
  return (text) => regexes.some((regex) => regex.test(text));
}

function serviceTest(services: readonly string[], match: MatchConfig): MessageTest | undefined {
  const test = textTest(services, match);
  if (test === undefined) return undefined;
  const set = new AttributeSet();
  return (bytes, start, end) => {
    set.load(bytes, start, end, attributesField("Resource"));
    const at = set.find(serviceName);
    return test(at < 0 ? noServiceName : textOfValue(valueOf(set.value(at))));
  };
}

function resourceTest(match: MatchConfig): MessageTest | undefined {
  const test = attributesTest(match.resources, match);
  if (test === undefined) return undefined;
  const set = new AttributeSet();
  return (bytes, start, end) => test(set.load(bytes, start, end, attributesField("Resource")));
}

/** One of the libraries. */
function scopeTest(match: MatchConfig): MessageTest | undefined {
  if (match.libraries.length === 0) return undefined;
  const tests = match.libraries.map(({ name, version }) => ({
    name: textTest([name], match)!,
    version: version === undefined ? undefined : textTest([version], match),
  }));
  return (bytes, start, end) => {
    const name = textAt(bytes, start, end, 1);
    const version = textAt(bytes, start, end, 2);
    return tests.some((test) => test.name(name) && test.version?.(version) !== false);
  };
}

function itemTest(match: MatchConfig): MessageTest | undefined {
  return all([
    fieldTest(5, match.span_names, match),
    spanKindTest(match),
    bodyTest(match),
    fieldTest(3, match.log_severity_texts, match),
    severityNumberTest(match),
  ]);
}

/** A test of a string field. */
function fieldTest(
  number: number,
  texts: readonly string[],
  match: MatchConfig,
): MessageTest | undefined {
  const test = textTest(texts, match);
  return test && ((bytes, start, end) => test(textAt(bytes, start, end, number)));
}

const spanKinds = [
  "SPAN_KIND_UNSPECIFIED",
  "SPAN_KIND_INTERNAL",
  "SPAN_KIND_SERVER",
  "SPAN_KIND_CLIENT",
  "SPAN_KIND_PRODUCER",
  "SPAN_KIND_CONSUMER",
];

function spanKindTest(match: MatchConfig): MessageTest | undefined {
  const test = textTest(match.span_kinds, match);
  return test && ((bytes, start, end) => test(spanKinds[integerAt(bytes, start, end, 6)] ?? ""));
}

function bodyTest(match: MatchConfig): MessageTest | undefined {
  const test = textTest(match.log_bodies, match);
  if (test === undefined) return undefined;
  return (bytes, start, end) => {
    const c = new Cursor().reset(bytes, start, end);
    let body: AttributeValue;
    while (c.next()) if (c.number === 5) body = readAnyValue(bytes, c.valueStart, c.valueEnd);
    return test(body === undefined ? "" : textOfValue(body));
  };
}

function severityNumberTest({ log_severity_number }: MatchConfig): MessageTest | undefined {
  if (log_severity_number === undefined) return undefined;
  const { min, match_undefined } = log_severity_number;
  return (bytes, start, end) => {
    const severity = integerAt(bytes, start, end, 2);
    return severity === 0 ? match_undefined : severity >= min;
  };
}

/** All of the attributes. */
function attributesTest(
  attributes: MatchConfig["attributes"],
  match: MatchConfig,
): SetTest | undefined {
  if (attributes.length === 0) return undefined;
  const wanted = attributes.map(({ key, value }) => ({
    key: Buffer.from(key, "utf8"),
    test: value === undefined || value === null ? () => true : valueTest(value, match),
  }));
  return (set) =>
    wanted.every(({ key, test }) => {
      const at = set.find(key);
      return at >= 0 && test(valueOf(set.value(at)));
    });
}

function valueTest(raw: unknown, match: MatchConfig): (value: AttributeValue) => boolean {
  if (match.match_type === "regexp") {
    const test = textTest([raw as string], match)!;
    return (value) => isScalar(value) && test(textOfValue(value));
  }
  const wanted = valueFromConfig(raw);
  if (isScalar(wanted)) return (value) => value === wanted;
  const isList = Array.isArray(wanted);
  const text = textOfValue(wanted);
  return (value) =>
    !isScalar(value) && Array.isArray(value) === isList && textOfValue(value) === text;
}

const isScalar = (value: AttributeValue) =>
  ["string", "boolean", "number", "bigint"].includes(typeof value);

/** A string field; the last one counts, as in protobuf. */
function textAt(bytes: Uint8Array, start: number, end: number, number: number): string {
  const c = new Cursor().reset(bytes, start, end);
  let text = "";
  while (c.next()) if (c.number === number) text = c.string();
  return text;
}

function integerAt(bytes: Uint8Array, start: number, end: number, number: number): number {
  const c = new Cursor().reset(bytes, start, end);
  let value = 0;
  while (c.next()) if (c.number === number) value = c.varint();
  return value;
}
