import { type Attribute, canonicalText } from "../../src/pdata/series/attributes.ts";
import type { Resource, Scope, Series } from "../../src/pdata/series/interned.ts";
import { type Label, LabelSet, labelName, wildcards } from "../../src/prometheus/labels.ts";
import type { NamingOptions } from "../../src/prometheus/names.ts";
import { TextWriter } from "../../src/prometheus/text-writer.ts";
import type { PrometheusConfig } from "./config.ts";
import type { ExporterMemos } from "./memos.ts";

/** What follows from a resource: its part of every series' labels, and its target_info. */
export interface ResourceLabels {
  readonly job: string;
  readonly instance: string;
  /** Resource attributes that become labels, under their original keys. */
  readonly constant: readonly Attribute[];
  /** Labels of target_info; undefined: it has none. */
  readonly info: readonly Label[] | undefined;
}

const serviceAttributes = new Set(["service.name", "service.namespace", "service.instance.id"]);

/** The text of all names and values, also those beyond the classic characters: identity of a series. */
const identityWriter = new TextWriter({
  kind: "text",
  version: "1.0.0",
  escaping: "allow-utf-8",
});

/** Why a series has no labels: one of its keys cannot be a label name. */
export class LabelError extends Error {}

/** Makes labels of attributes as the config says. */
export class Labeller {
  readonly #naming: NamingOptions;
  readonly #constLabels: readonly (readonly [string, string])[];
  readonly #scopeInfo: boolean;
  readonly #isConstant: (key: string) => boolean;
  /** Label names by attribute key: few in number, but bounded, as keys come from outside. */
  readonly #names = new Map<string, string>();

  constructor(config: PrometheusConfig, naming: NamingOptions) {
    this.#naming = naming;
    this.#constLabels = Object.entries(config.const_labels);
    this.#scopeInfo = !config.without_scope_info;
    this.#isConstant = constantAttributes(config);
  }

  ofResource({ attributes }: Resource<ExporterMemos>): ResourceLabels {
    const text = (key: string) => attributes.findLast((a) => a.key === key)?.text ?? "";
    const name = text("service.name");
    const namespace = text("service.namespace");
    const job = name !== "" && namespace !== "" ? `${namespace}/${name}` : name;
    const instance = text("service.instance.id");
    return {
      job,
      instance,
      constant: attributes.filter(({ key }) => this.#isConstant(key)),
      info: this.#targetInfo(attributes, job, instance),
    };
  }

  #targetInfo(
    attributes: readonly Attribute[],
    job: string,
    instance: string,
  ): readonly Label[] | undefined {
    const others = attributes.filter(({ key }) => !serviceAttributes.has(key));
    if (others.length === 0 || (job === "" && instance === "")) return undefined;
    const labels = new LabelSet();
    this.#join(labels, others);
    setTarget(labels, job, instance);
    return labels.sorted();
  }

  /** The labels of a series; `reserved` is the label that its type needs for itself (`le`, `quantile`). */
  ofSeries(
    series: Series<ExporterMemos>,
    resource: ResourceLabels,
    reserved: string | undefined,
  ): Label[] {
    const labels = new LabelSet();
    const attributes = series.attributes();
    if (resource.constant.length > 0) {
      // The Collector puts resource attributes over point attributes of the same key.
      const keys = new Set(resource.constant.map(({ key }) => key));
      const own = attributes.filter(({ key }) => !keys.has(key));
      this.#join(labels, [...own, ...resource.constant].toSorted(byKey), reserved);
    } else this.#join(labels, attributes, reserved);
    if (this.#scopeInfo) this.#addScope(labels, series.parent.parent);
    setTarget(labels, resource.job, resource.instance);
    for (const [name, value] of this.#constLabels) labels.fill(besides(reserved, name), value);
    return labels.sorted();
  }

  #join(labels: LabelSet, attributes: readonly Attribute[], reserved?: string): void {
    for (const { key, text } of attributes) {
      if (key === "__name__") continue;
      labels.join(besides(reserved, this.#nameOf(key)), text);
    }
  }

  #addScope(labels: LabelSet, scope: Scope<ExporterMemos>): void {
    for (const { key, text } of scope.attributes) {
      const name = this.#nameOf(`otel_scope_${key}`);
      if (!scopeLabels.has(name)) labels.join(name, text);
    }
    if (scope.name !== "") labels.set("otel_scope_name", scope.name);
    if (scope.version !== "") labels.set("otel_scope_version", scope.version);
    if (scope.schemaUrl !== "") labels.set("otel_scope_schema_url", scope.schemaUrl);
  }

  #nameOf(key: string): string {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const result = labelName(key, { utf8: this.#naming.utf8 });
    if (result.error !== undefined) throw new LabelError(result.error);
    if (this.#names.size >= maxCachedNames) this.#names.clear();
    this.#names.set(key, result.name);
    return result.name;
  }
}

const maxCachedNames = 10_000;
const scopeLabels = new Set(["otel_scope_name", "otel_scope_version", "otel_scope_schema_url"]);
const byKey = (a: Attribute, b: Attribute) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);

/** The name of a label beside the one that the type of the metric needs. */
const besides = (reserved: string | undefined, name: string) =>
  name === reserved ? `exported_${name}` : name;

function setTarget(labels: LabelSet, job: string, instance: string): void {
  if (job !== "") labels.set("job", job);
  if (instance !== "") labels.set("instance", instance);
}

/** resource_constant_labels, or the older resource_to_telemetry_conversion. */
function constantAttributes(config: PrometheusConfig): (key: string) => boolean {
  const { included, excluded } = config.resource_constant_labels;
  if (included.length > 0) {
    const isIncluded = wildcards(included);
    const isExcluded = wildcards(excluded);
    return (key) => isIncluded(key) && !isExcluded(key);
  }
  const { enabled, exclude_service_attributes: withoutService } =
    config.resource_to_telemetry_conversion;
  if (!enabled) return () => false;
  return (key) => !withoutService || !serviceAttributes.has(key);
}

/** Labels as `a="b",c="d"`, in UTF-8 as a binary string. */
export function pairsOf(labels: readonly Label[]): string {
  return toBinary(identityWriter.pairs(labels));
}

/** The labels of such a text. Not by a regular expression: at some million escapes it overflows the stack. */
export function labelsOfPairs(pairs: string): Label[] {
  const text = Buffer.from(pairs, "latin1").toString();
  const labels: Label[] = [];
  for (let at = 0; at < text.length; ) {
    const isQuoted = text.startsWith('"', at);
    const nameEnd = isQuoted ? quotedEnd(text, at) : text.indexOf("=", at);
    const end = quotedEnd(text, nameEnd + 1);
    labels.push({
      name: isQuoted ? unescape(text.slice(at + 1, nameEnd - 1)) : text.slice(at, nameEnd),
      value: unescape(text.slice(nameEnd + 2, end - 1)),
    });
    at = end + 1;
  }
  return labels;
}

/** The position behind the closing quote. */
function quotedEnd(text: string, start: number): number {
  let at = start + 1;
  while (text.charCodeAt(at) !== 34) at += text.charCodeAt(at) === 92 ? 2 : 1;
  return at + 1;
}

const unescape = (text: string) =>
  text.replace(/\\(.)/gu, (_, character: string) => (character === "n" ? "\n" : character));

/** UTF-8 bytes as characters of one byte each: such a string is written without encoding. */
export function toBinary(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 127) return Buffer.from(text).toString("latin1");
  }
  return text;
}

/** A hash of the sender's identity of a series: tells two senders apart that are exposed as one series. */
export function sourceOf(series: Series<ExporterMemos>, metricSource: number): number {
  return hashText(canonicalText(series.attributes()), metricSource);
}

/** 32 bits; a collision merely leaves a duplicate uncounted. */
export function hashText(text: string, seed = 0x811c9dc5): number {
  let hash = seed | 0;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
