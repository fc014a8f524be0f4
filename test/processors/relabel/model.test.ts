/** Random requests and rules: every point gets the labels that the rules make of its labels, and no byte else changes. */
import { expect, test } from "@jest/globals";
import * as fc from "fast-check";
import { config } from "../../../processors/relabel/config.ts";
import { Relabeler } from "../../../processors/relabel/relabeler.ts";
import { applyRules, compileRules, type Rule } from "../../../processors/relabel/rules.ts";
import { countItems } from "../../../src/pdata/count.ts";
import { createPayload, type Payload } from "../../../src/pdata/payload.ts";
import type { Series } from "../../../src/pdata/series/interned.ts";
import { SeriesInterner } from "../../../src/pdata/series/interner.ts";
import { verify } from "../../../src/pdata/verify.ts";
import { Cursor } from "../../../src/pdata/wire.ts";
import { randomRequest } from "../../support/otlp-random.ts";
import { testSettings } from "../../support/settings.ts";

const names = ["__name__", "a", "service.name", "größe €", "日本", "new", "__name__"];
const label = fc.constantFrom(...names);
const rule = fc.oneof(
  fc.record({
    source_labels: fc.array(label, { maxLength: 2 }),
    regex: fc.constantFrom("(.*)", "(.)(.*)", "a.*", "x+;?.*", ""),
    target_label: label,
    replacement: fc.constantFrom("$1", "", "fixed", "$2-$1", "${1}x"),
    action: fc.constantFrom("replace", "replace", "lowercase", "hashmod", "keep", "drop"),
    modulus: fc.constant(7),
  }),
  fc.record({
    regex: fc.constantFrom("a", "s.*", "日.|new", "x+"),
    action: fc.constantFrom("labeldrop", "labelmap"),
  }),
);
/** Fields that an action does not take are taken away. */
const rules = fc.array(rule, { minLength: 1, maxLength: 4 }).map((list) =>
  list.map((one) => {
    const fields: Record<string, unknown> = { ...one };
    if (one.action !== "hashmod") delete fields["modulus"];
    if (one.action === "lowercase") delete fields["replacement"];
    return fields;
  }),
);

interface Labelled {
  /** All labels, sorted, and what else the point is: as text. */
  readonly labels: Map<string, string>;
  readonly rest: string;
}

/** Every point with its labels and its other fields. */
function pointsOf(payload: Payload<"metrics"> | undefined): Labelled[] {
  const points: Labelled[] = [];
  if (payload === undefined) return points;
  new SeriesInterner().forEachPoint(payload, (point) => {
    const fields: string[] = [];
    const c = new Cursor().reset(point.bytes, point.start, point.end);
    const number = point.series.parent.layout.attributes;
    while (c.next()) {
      if (c.number === number) continue;
      fields.push(Buffer.from(c.bytes.subarray(c.fieldStart, c.valueEnd)).toString("hex"));
    }
    const { kind, unit, description, temporality, monotonic } = point.series.parent;
    const around = [kind, unit, description, temporality, monotonic];
    points.push({ labels: labelsOf(point.series), rest: JSON.stringify([around, fields]) });
  });
  return points;
}

function labelsOf(series: Series): Map<string, string> {
  const labels = new Map<string, string>();
  for (const { key, text } of series.parent.parent.parent.attributes) labels.set(key, text);
  for (const { key, text } of series.attributes()) labels.set(key, text);
  labels.set("__name__", series.parent.name);
  return labels;
}

const asText = ({ labels, rest }: Labelled) =>
  JSON.stringify([[...labels].toSorted(([a], [b]) => (a < b ? -1 : 1)), rest]);

function expected(compiled: readonly Rule[], before: readonly Labelled[]): string[] {
  const left: string[] = [];
  for (const { labels, rest } of before) {
    if (!applyRules(compiled, labels) || (labels.get("__name__") ?? "") === "") continue;
    left.push(asText({ labels, rest }));
  }
  return left.toSorted();
}

test("points get the labels that the rules make", () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 1_000_000 }),
    rules,
    fc.constantFrom("ascending", "descending", "shuffled" as const),
    (seed, list, order) => {
      const parts = [seed, seed + 1].map((s) =>
        randomRequest("metrics", s, { order, unknown: true }),
      );
      const items = parts.map((part) => verify("metrics", part));
      const payload = createPayload("metrics", parts, items, [0, 1]);
      const { relabel_configs: configs } = config.parse({ relabel_configs: list });
      const out = new Relabeler(configs, testSettings()).relabel(payload);
      const after = pointsOf(out);
      expect(after.map(asText).toSorted()).toEqual(
        expected(compileRules(configs), pointsOf(payload)),
      );
      for (const [i, part] of (out?.parts ?? []).entries()) {
        expect(verify("metrics", part)).toBe(out!.partItems[i]);
        expect(countItems("metrics", part)).toBe(out!.partItems[i]);
      }
    },
  );
  fc.assert(property, { numRuns: 300, seed: 7 });
});
