/**
 * Cases of the Collector's cumulativetodelta and deltatocumulative processors.
 * testdata/collector/cumulative-to-delta, delta-to-cumulative: open-telemetry/opentelemetry-collector-contrib,
 * Apache-2.0; each file names its origin.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "@jest/globals";
import { config as deltaConfig } from "../../processors/cumulative_to_delta/config.ts";
import { factory as toDelta } from "../../processors/cumulative_to_delta/factory.ts";
import { config as cumulativeConfig } from "../../processors/delta_to_cumulative/config.ts";
import { factory as toCumulative } from "../../processors/delta_to_cumulative/factory.ts";
import type { ProcessorFactory } from "../../src/component.ts";
import { decodeConfig } from "../support/decode-config.ts";
import { type MetricObject, TestedStage, withoutZeros } from "../support/temporality.ts";

interface Case {
  readonly name: string;
  readonly config: unknown;
  readonly input?: MetricObject[];
  readonly expected?: MetricObject[];
  readonly config_error?: string;
}
interface SteppedCase {
  readonly name: string;
  readonly config: unknown;
  readonly steps: readonly { readonly input: MetricObject[]; readonly expected: MetricObject[] }[];
  readonly dropped?: Record<string, number>;
}

function casesOf<C extends { name: string }>(file: string): [string, C][] {
  const path = join(__dirname, "../testdata/collector", file);
  const { cases } = JSON.parse(readFileSync(path, "utf8")) as { cases: C[] };
  return cases.map((entry) => [entry.name, entry]);
}

const startMs = 1_700_000_000_000;

function stageOf(factory: ProcessorFactory, config: unknown): TestedStage {
  return new TestedStage((settings, next) => {
    const created = factory.create({ config, signal: "metrics", settings });
    if (!("stage" in created)) throw new Error("no stage");
    return created.stage(next);
  }, startMs);
}

/** Times "+n" as nanoseconds. */
const withTimes = <T>(value: T): T =>
  JSON.parse(
    JSON.stringify(value).replaceAll(
      /"\+(\d)"/gu,
      (_, s: string) => `"${startMs + Number(s) * 1000}000000"`,
    ),
  ) as T;

/** The cases of non-monotonic sums have another isMonotonic in their output than in their input. */
function comparable(metrics: readonly MetricObject[]): unknown {
  const copies = structuredClone(metrics) as { sum?: { isMonotonic?: boolean } }[];
  for (const { sum } of copies) delete sum?.isMonotonic;
  return withoutZeros(copies);
}

describe("cumulative to delta", () => {
  const cases = ["cases-a.json", "cases-b.json"].flatMap((file) =>
    casesOf<Case>(`cumulative-to-delta/${file}`),
  );

  test.each(cases.filter(([, { config_error }]) => config_error === undefined))(
    "%s",
    async (_name, entry) => {
      const { input, expected } = withTimes(entry);
      const tested = stageOf(toDelta, deltaConfig.parse(entry.config));
      expect(comparable(await tested.run(input!))).toEqual(comparable(expected!));
    },
  );

  // The text of the case is one behind the check of the config, which comes first and has this text.
  test.each(cases.filter(([, { config_error }]) => config_error !== undefined))(
    "%s: refused",
    (_name, { config }) => {
      const { problems } = decodeConfig(deltaConfig, JSON.stringify(config));
      expect(problems.join()).toContain(
        "found invalid metric type in include.metric_types: summary. Valid values are [exponentialhistogram histogram sum]",
      );
    },
  );
});

describe("delta to cumulative", () => {
  test.each(casesOf<SteppedCase>("delta-to-cumulative/cases-a.json"))(
    "%s",
    async (_name, entry) => {
      const tested = stageOf(toCumulative, cumulativeConfig.parse(entry.config));
      for (const { input, expected } of entry.steps) {
        expect(comparable(await tested.run(input))).toEqual(comparable(expected));
      }
      expect(tested.dropped).toEqual(entry.dropped ?? {});
    },
  );
});
