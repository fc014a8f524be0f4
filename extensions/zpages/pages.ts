/** The Collector's debug pages, from what the service says of itself. */
import type { EdgeCounts, ServiceView } from "../../src/component.ts";
import { formatDuration } from "../../src/config/fields.ts";
import { cardinalityReports } from "../../src/metrics/cardinality-guard.ts";
import type { Cell, Page, Table } from "./page.ts";

export interface PageSource {
  readonly service: ServiceView;
  /** Wall clock, milliseconds. */
  readonly nowMs: number;
}

const names = ["servicez", "pipelinez", "seriesz", "extensionz", "featurez", "tracez"] as const;
export type PageName = (typeof names)[number];
export const pageNames: readonly PageName[] = names;

const builders: Readonly<Record<PageName, (source: PageSource) => Omit<Page, "links">>> = {
  servicez,
  pipelinez,
  seriesz,
  extensionz,
  featurez,
  tracez,
};

export function buildPage(name: PageName, source: PageSource): Page {
  return { ...builders[name](source), links: names };
}

function servicez({ service, nowMs }: PageSource) {
  const memory = process.memoryUsage();
  const rows: [string, Cell][] = [
    ["Ready", service.isReady() ? "yes" : "no"],
    ["Started", new Date(service.startedMs).toISOString()],
    ["Uptime", formatDuration(Math.round((nowMs - service.startedMs) / 1000) * 1000)],
    ["Process", String(process.pid)],
    ["Node.js", process.version],
    ["Platform", `${process.platform}/${process.arch}`],
    ["Resident memory", `${mebibytes(memory.rss)} MiB`],
    ["Heap used", `${mebibytes(memory.heapUsed)} MiB`],
  ];
  return {
    title: "Service",
    notes: [],
    tables: [
      { heading: "Process", columns: ["Property", "Value"], rows, empty: "" },
      componentTable(service),
      errorTable(service, nowMs),
    ],
  };
}

function pipelinez({ service, nowMs }: PageSource) {
  const edges = service
    .edges()
    .toSorted(byPipeline)
    .map((edge) => [
      edge.pipeline,
      `${edge.from} → ${edge.to}`,
      edge.signal,
      edge.requests,
      edge.items,
      edge.bytes,
      edge.heldItems,
      edge.heldBytes,
      edge.refusedItems,
      sum(edge.dropped.values()),
      droppedText(edge.dropped),
    ]);
  const table: Table = {
    heading: "Edges",
    columns: [
      "Pipeline",
      "Edge",
      "Signal",
      "Requests",
      "Items",
      "Bytes",
      "Held items",
      "Held bytes",
      "Refused",
      "Dropped",
      "Reasons",
    ],
    rows: edges,
    empty: "No pipeline is running.",
  };
  return {
    title: "Pipelines",
    notes: [
      "Items are spans, data points or log records since the start. Held: taken over and not delivered yet. Refused: the sender still has them. Dropped: taken over and lost.",
    ],
    tables: [table, componentTable(service), errorTable(service, nowMs)],
  };
}

function seriesz() {
  const reports = cardinalityReports();
  const components: Table = {
    heading: "Components",
    columns: ["Component", "Series", "Limit", "Overflow series", "Overflow points"],
    rows: reports.map((report) => [
      report.component,
      report.series,
      report.limit,
      report.overflowSeries,
      report.overflowPoints,
    ]),
    empty: "No component keeps series.",
  };
  const metrics: Table = {
    heading: "Metrics with the most series",
    columns: ["Component", "Metric", "Series", "Overflow points"],
    rows: reports.flatMap(({ component, top }) =>
      top.map(({ metric, series, overflowPoints }) => [component, metric, series, overflowPoints]),
    ),
    empty: "None.",
  };
  const notes = [
    "What stateful components keep of series. Overflow: points beyond the limit, which share one series a metric or are refused.",
  ];
  return { title: "Series", notes, tables: [components, metrics] };
}

/** Along one pipeline after the other. */
function byPipeline({ pipeline: a }: EdgeCounts, { pipeline: b }: EdgeCounts): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function extensionz({ service }: PageSource) {
  const rows = service.extensions().map((id) => [id]);
  const table = { heading: "Extensions", columns: ["Id"], rows, empty: "No extension is running." };
  return { title: "Extensions", notes: [], tables: [table] };
}

function featurez() {
  const notes = [
    "The Collector's feature gates are accepted by --feature-gates; only confmap.enableMergeAppendOption changes something here.",
  ];
  return { title: "Features", notes, tables: [] };
}

function tracez() {
  const notes = [
    "Not in this version: the service does not trace itself. See pipelinez for what flows where.",
  ];
  return { title: "Traces", notes, tables: [] };
}

function componentTable(service: ServiceView): Table {
  const rows = service
    .components()
    .map(({ id, pipeline, status, held, dropped }) => [
      id.kind,
      id.text,
      pipeline ?? "",
      status.state,
      held.items,
      held.bytes,
      sum(dropped.values()),
      [droppedText(dropped), status.message ?? ""].filter((text) => text !== "").join("; "),
    ]);
  const columns = [
    "Kind",
    "Id",
    "Pipeline",
    "State",
    "Held items",
    "Held bytes",
    "Dropped",
    "Reasons and message",
  ];
  return { heading: "Components", columns, rows, empty: "None." };
}

function errorTable(service: ServiceView, nowMs: number): Table {
  const rows = service
    .recentErrors()
    .toReversed()
    .map(({ atMs, component, message }) => [
      `${new Date(atMs).toISOString()} (${formatDuration(Math.round((nowMs - atMs) / 1000) * 1000)} ago)`,
      component,
      message,
    ]);
  const columns = ["Time", "Component", "Error"];
  return { heading: "Recent errors", columns, rows, empty: "No errors." };
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}

function droppedText(dropped: ReadonlyMap<string, number>): string {
  return [...dropped].map(([reason, items]) => `${reason}: ${items}`).join(", ");
}
