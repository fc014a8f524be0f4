/** examples/observe/dashboard.json: what a person sees of it, without a Grafana. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "@jest/globals";

interface Target {
  readonly expr: string;
  readonly legendFormat: string;
  readonly refId: string;
  readonly datasource: unknown;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: unknown;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
}

const path = join(__dirname, "..", "..", "examples", "observe", "dashboard.json");
const dashboard = JSON.parse(readFileSync(path, "utf8")) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
};
const rows = dashboard.panels.filter(({ type }) => type === "row");
const panels = dashboard.panels.filter(({ type }) => type !== "row");
const prometheus = { type: "prometheus", uid: "${datasource}" };

test("it has a row for each part of the product", () => {
  expect(rows.map(({ title }) => title)).toEqual([
    "At a glance",
    "API",
    "Language models",
    "Cost",
    "Caches",
    "Queues",
    "System",
    "Query interface",
    "The telemetry service itself",
  ]);
});

test("every panel says what it shows, in a unit, from the data source that is chosen", () => {
  for (const { title, description, datasource, type, fieldConfig, targets } of panels) {
    expect(title).toMatch(/\S/u);
    expect([title, description]).toEqual([title, expect.stringMatching(/^[A-Z0-9a-z].{15,}\.$/u)]);
    expect([title, datasource]).toEqual([title, prometheus]);
    const ownUnits = type === "heatmap" || type === "table";
    if (!ownUnits) expect([title, fieldConfig?.defaults.unit]).toEqual([title, expect.any(String)]);
    expect([title, targets?.length]).not.toEqual([title, 0]);
    for (const target of targets ?? [])
      expect([title, target.datasource]).toEqual([title, prometheus]);
    const refIds = targets?.map(({ refId }) => refId) ?? [];
    expect([title, new Set(refIds).size]).toEqual([title, refIds.length]);
  }
});

test("series that are apart have names that are apart", () => {
  for (const { title, targets } of panels.filter(
    ({ type }) => type === "timeseries" || type === "bargauge",
  )) {
    for (const { expr, legendFormat } of targets!) {
      const last = [...expr.matchAll(/\bby \(([^)]*)\)/gu)].at(-1)?.[1] ?? "";
      const labels = last.split(", ").filter((label) => label !== "le" && label !== "");
      const unnamed = labels.filter((label) => !legendFormat.includes(`{{${label}}}`));
      expect([title, unnamed]).toEqual([title, []]);
      expect([title, legendFormat]).toEqual([title, expect.stringMatching(/\S/u)]);
    }
    const legends = targets!.map(({ legendFormat }) => legendFormat);
    expect([title, new Set(legends).size]).toEqual([title, legends.length]);
  }
});

test("ids are unique, and no panel covers another or stands outside", () => {
  const all = dashboard.panels;
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
  const taken = new Map<string, string>();
  for (const { title, gridPos } of all) {
    expect([title, gridPos.x + gridPos.w <= 24]).toEqual([title, true]);
    for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        expect([title, taken.get(`${x} ${y}`)]).toEqual([title, undefined]);
        taken.set(`${x} ${y}`, title);
      }
    }
  }
});

test("no line of the page is left partly empty", () => {
  const bottom = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const cells = dashboard.panels.reduce((sum, { gridPos }) => sum + gridPos.w * gridPos.h, 0);
  expect(cells).toBe(24 * bottom);
});

test("every variable is used, and no other", () => {
  const text = panels.flatMap(({ targets }) => targets!.map(({ expr }) => expr)).join("\n");
  const used = new Set([...text.matchAll(/\$(\w+)/gu)].map(([, name]) => name!));
  const own = dashboard.templating.list.map(({ name }) => name);
  const builtIn = ["__rate_interval", "__range"];
  expect([...used, "datasource"].toSorted()).toEqual([...own, ...builtIn].toSorted());
});
