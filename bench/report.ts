/** The table that a bench run prints, in Markdown. */
import { type Goal, type Measure, median, type Row, type Sample } from "./row.ts";

export const tableHead =
  "| work | unit | ours | peer | ratio | goal | items/s ours / peer | peak RSS MB ours / peer | lost ours / peer |\n" +
  "|---|---|---|---|---|---|---|---|---|\n";

/** One line a measure. `theirs` is empty where there is no peer. */
export function tableLines(row: Row, mine: readonly Sample[], theirs: readonly Sample[]): string {
  const both = (pick: (sample: Sample) => number | undefined, write: (all: number[]) => string) =>
    `${column(mine, pick, write)} / ${column(theirs, pick, write)}`;
  const rest = [
    both(
      ({ itemsPerSecond }) => itemsPerSecond,
      (all) => `${(median(all) / 1000).toFixed(0)} k`,
    ),
    both(
      ({ peakRssMegabytes }) => peakRssMegabytes,
      (all) => Math.max(...all).toFixed(0),
    ),
    both(
      ({ lostItems }) => lostItems,
      (all) => String(all.reduce((sum, n) => sum + n, 0)),
    ),
  ];
  const lines = row.measures.map((measure, i) => {
    const ours = median(mine.map(({ values }) => values[i]!));
    const peers = theirs.length === 0 ? undefined : median(theirs.map(({ values }) => values[i]!));
    const cells = [`${row.name}${measure.name}`, ...measureCells(measure, ours, peers), ...rest];
    return `| ${cells.join(" | ")} |\n`;
  });
  return lines.join("");
}

function column(
  samples: readonly Sample[],
  pick: (sample: Sample) => number | undefined,
  write: (all: number[]) => string,
): string {
  const all = samples.map(pick).filter((figure) => figure !== undefined);
  return all.length === 0 ? "-" : write(all);
}

function measureCells(measure: Measure, ours: number, peers: number | undefined): string[] {
  const text = (figure: number) => figure.toFixed(measure.digits);
  return [
    measure.unit,
    text(ours),
    peers === undefined ? "-" : text(peers),
    peers === undefined ? "-" : `${(ours / peers).toFixed(2)}x`,
    measure.goal === undefined ? "-" : goalText(measure.goal, ours, peers),
  ];
}

function goalText({ kind, atMost }: Goal, ours: number, peers: number | undefined): string {
  const text = `<= ${atMost}${kind === "ratio" ? "x" : ""}`;
  if (kind === "ratio" && peers === undefined) return text;
  const reached = kind === "ratio" ? ours / peers! : ours;
  return reached <= atMost ? text : `${text} **missed**`;
}
