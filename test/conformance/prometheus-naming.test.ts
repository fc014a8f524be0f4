import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { escapeName, isClassicMetricName, isUtf8Name } from "../../src/prometheus/escape.ts";
import { type LabelNaming, labelName } from "../../src/prometheus/labels.ts";
import { metricName, type NamedType, namingOf } from "../../src/prometheus/names.ts";
import { unitName } from "../../src/prometheus/units.ts";

function cases<T>(path: string): T[] {
  const file = join(__dirname, "../testdata", path);
  return (JSON.parse(readFileSync(file, "utf8")) as { cases: T[] }).cases;
}

const namedType = (type: string): NamedType => {
  if (type === "counter" || type === "MetricTypeMonotonicCounter") return "counter";
  return type === "gauge" || type === "MetricTypeGauge" ? "gauge" : "other";
};

interface MetricCase {
  name: string;
  namer: {
    Namespace?: string;
    UTF8Allowed?: boolean;
    WithMetricSuffixes?: boolean;
    strategy?: Parameters<typeof namingOf>[0];
  };
  metric: { name: string; unit: string; type: string };
  want: string | null;
  want_unit: string | null;
  error: string;
}

describe("otlptranslator", () => {
  test.each(cases<MetricCase>("promql/otlptranslator/metric_names.json"))(
    "metric name: $name ($metric.name, $metric.unit, $namer)",
    ({ namer, metric, want, want_unit: wantUnit, error }) => {
      const namespace = namer.Namespace ?? "";
      const naming =
        namer.strategy === undefined
          ? {
              utf8: namer.UTF8Allowed === true,
              suffixes: namer.WithMetricSuffixes === true,
              namespace,
            }
          : namingOf(namer.strategy, namespace);
      const result = metricName(metric.name, metric.unit, namedType(metric.type), naming);
      expect(result).toEqual(error === "" ? { name: want } : { error });
      if (wantUnit !== null) expect(unitName(metric.unit, naming.utf8)).toBe(wantUnit);
    },
  );

  interface LabelCase {
    label: string;
    sanitized?: string;
    sanitizedMultipleUnderscores?: string;
    sanitizedUnderscoreLabelSanitization?: string;
    sanitizedMultipleUnderscoresAndUnderscoreLabelSanitization?: string;
    wantSanitizationError?: string;
    wantSanitizationMultipleUnderscoresError?: string;
    wantUTF8Error?: string;
  }
  test.each(cases<LabelCase>("promql/otlptranslator/label_names.json"))(
    "label name: $label",
    (c) => {
      const expected = (name: string | undefined, error: string | undefined) =>
        error === undefined ? { name } : { error };
      const plain = expected(c.sanitized, c.wantSanitizationError);
      expect(labelName(c.label)).toEqual(plain);
      expect(labelName(c.label, { utf8: true })).toEqual(expected(c.label, c.wantUTF8Error));
      expect(labelName(c.label, { preserveMultipleUnderscores: true })).toEqual(
        expected(
          c.sanitizedMultipleUnderscores ?? c.sanitized,
          c.wantSanitizationMultipleUnderscoresError ?? c.wantSanitizationError,
        ),
      );
      expect(labelName(c.label, { underscoreSanitization: true })).toEqual(
        expected(c.sanitizedUnderscoreLabelSanitization ?? c.sanitized, c.wantSanitizationError),
      );
      const both = c.sanitizedMultipleUnderscoresAndUnderscoreLabelSanitization;
      if (both !== undefined) {
        expect(
          labelName(c.label, { preserveMultipleUnderscores: true, underscoreSanitization: true }),
        ).toEqual({ name: both });
      }
    },
  );
});

describe("the Collector's table", () => {
  interface CollectorCase {
    name: string;
    namespace: string;
    utf8_allowed: boolean;
    with_suffixes: boolean;
    metric: { name: string; unit: string; type: string };
    want?: string;
    want_unit?: string;
    error?: string;
  }
  test.each(cases<CollectorCase>("collector/prometheus-naming/metric-names-a.json"))(
    "metric name: $name ($metric.name)",
    (c) => {
      const naming = { utf8: c.utf8_allowed, suffixes: c.with_suffixes, namespace: c.namespace };
      const result = metricName(c.metric.name, c.metric.unit, namedType(c.metric.type), naming);
      expect(result).toEqual(c.error === undefined ? { name: c.want } : { error: c.error });
      if (c.want_unit !== undefined) {
        expect(unitName(c.metric.unit, c.utf8_allowed)).toBe(c.want_unit);
      }
    },
  );

  type Want = string | { error: string } | undefined;
  interface CollectorLabel {
    label: string;
    default: Want;
    preserve_multiple_underscores: Want;
    underscore_label_sanitization: Want;
    utf8: Want;
  }
  test.each(cases<CollectorLabel>("collector/prometheus-naming/label-names.json"))(
    "label name: $label",
    (c) => {
      const check = (want: Want, naming: LabelNaming) => {
        if (want === undefined) return;
        const expected = typeof want === "string" ? { name: want } : want;
        expect(labelName(c.label, naming)).toEqual(expected);
      };
      expect(c.default).toBeDefined();
      check(c.default, {});
      check(c.preserve_multiple_underscores, { preserveMultipleUnderscores: true });
      check(c.underscore_label_sanitization, { underscoreSanitization: true });
      check(c.utf8, { utf8: true });
    },
  );
});

describe("names on the wire", () => {
  interface EscapeCase {
    name: string;
    input?: string;
    expectedUnderscores?: string;
    expectedDots?: string;
    expectedValue?: string;
  }
  test.each(cases<EscapeCase>("promql/names/escape_names.json"))("escaping: $name", (c) => {
    const input = c.input ?? "";
    expect(escapeName(input, "underscores")).toBe(c.expectedUnderscores ?? "");
    expect(escapeName(input, "dots")).toBe(c.expectedDots ?? "");
    expect(escapeName(input, "values")).toBe(c.expectedValue ?? "");
    expect(escapeName(input, "allow-utf-8")).toBe(input);
  });

  test.each(
    cases<{ mn: string; legacyValid: boolean; utf8Valid: boolean }>(
      "promql/names/valid_metric_names.json",
    ).filter(({ mn }) => !mn.includes("\uFFFD")),
  )("validity of $mn", ({ mn, legacyValid, utf8Valid }) => {
    expect(isClassicMetricName(mn)).toBe(legacyValid);
    expect(isUtf8Name(mn)).toBe(utf8Valid);
  });

  test("half a surrogate pair is no valid name", () => {
    expect(isUtf8Name("a\uD800z")).toBe(false);
  });
});
