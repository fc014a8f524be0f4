/** The Collector's own end-to-end cases of its prometheus exporter. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";
import { startExporter } from "../exporters/prometheus/support.ts";

interface Case {
  readonly name: string;
  readonly config: NonNullable<Parameters<typeof startExporter>[0]>;
  readonly steps: readonly {
    readonly send?: unknown;
    readonly after_expiry?: boolean;
    readonly scrape_contains?: readonly string[];
    readonly scrape_equals?: string;
  }[];
}

const file = join(__dirname, "../testdata/collector/prometheus-exporter/end-to-end-a.json");
const { cases } = JSON.parse(readFileSync(file, "utf8")) as { cases: Case[] };

test.each(cases)("$name", async ({ config, steps }) => {
  // The cases are older than the labels of scopes; see their note.
  const running = await startExporter({ ...config, without_scope_info: true });
  try {
    for (const step of steps) {
      if (step.send !== undefined) await running.push(step.send);
      if (step.after_expiry === true) await running.clock.advance(121 * 60_000);
      const { text } = await running.scrape();
      for (const expected of step.scrape_contains ?? []) expect(text).toContain(expected);
      if (step.scrape_equals !== undefined) expect(text).toBe(step.scrape_equals);
    }
  } finally {
    await running.stop();
  }
});
