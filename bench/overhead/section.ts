/** A part of the bench, and the Markdown table that it gives. */
import type { Estimate } from "./statistics.ts";

export interface Context {
  /** The module of the helpers: a URL. */
  readonly entry: string;
  /** Few launches: shows that everything runs, and no verdict. */
  readonly isQuick: boolean;
  /** A line of progress. */
  readonly tell: (text: string) => void;
}

export interface Table {
  readonly title: string;
  /** What the columns are; the first is text, the others are figures. */
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Section {
  readonly name: string;
  run(context: Context): Promise<Table>;
}

export function markdownOf({ title, head, rows }: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return `${title}\n\n${line(head)}${line(head.map(() => "---"))}${rows.map(line).join("")}`;
}

/** Rows of tables with one title belong into one table. */
export function merged(tables: readonly Table[]): Table[] {
  const byTitle = new Map<string, Table>();
  for (const table of tables) {
    const before = byTitle.get(table.title)?.rows ?? [];
    byTitle.set(table.title, { ...table, rows: [...before, ...table.rows] });
  }
  return [...byTitle.values()];
}

export function intervalText({ low, high }: Estimate, digits: number): string {
  return `[${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}

export const estimateText = (estimate: Estimate, digits: number) =>
  `${estimate.value.toFixed(digits)} ${intervalText(estimate, digits)}`;
