/** A debug page: titles and tables, written as HTML for browsers and as aligned text for terminals. */
export type Cell = string | number;

export interface Table {
  readonly heading: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Shown instead of a table without rows. */
  readonly empty: string;
}

export interface Page {
  readonly title: string;
  /** Relative links to the other pages. */
  readonly links: readonly string[];
  readonly notes: readonly string[];
  readonly tables: readonly Table[];
}

const style =
  ":root{color-scheme:light dark}" +
  "body{font:14px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:75rem;padding:0 1rem}" +
  "h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.5rem 0 .4rem}nav a{margin-right:1rem}" +
  "div{overflow-x:auto}table{border-collapse:collapse;width:100%}" +
  "th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #8884;vertical-align:top}" +
  "th{font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}" +
  "td{overflow-wrap:break-word}tr:hover td{background:#8881}";

/** Nothing is loaded and no script runs, whatever a value contains. */
export const htmlHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/html; charset=utf-8",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

export const textHeaders: Readonly<Record<string, string>> = {
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

export function toHtml({ title, links, notes, tables }: Page): string {
  const nav = links.map((link) => `<a href="${escape(link)}">${escape(link)}</a>`).join("");
  const body = notes.map((note) => `<p>${escape(note)}</p>`).join("");
  return (
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title>` +
    `<meta name="viewport" content="width=device-width"><style>${style}</style></head>` +
    `<body><h1>${escape(title)}</h1><nav>${nav}</nav>${body}${tables.map(tableHtml).join("")}</body></html>\n`
  );
}

function tableHtml({ heading, columns, rows, empty }: Table): string {
  const title = `<h2>${escape(heading)}</h2>`;
  if (rows.length === 0) return `${title}<p>${escape(empty)}</p>`;
  const numeric = columns.map((_, i) => isNumeric(rows, i));
  const cell = (tag: string, value: Cell, i: number) =>
    `<${tag}${numeric[i] ? ' class="n"' : ""}>${escape(show(value))}</${tag}>`;
  const head = columns.map((name, i) => cell("th", name, i)).join("");
  const lines = rows.map(
    (row) => `<tr>${row.map((value, i) => cell("td", value, i)).join("")}</tr>`,
  );
  return `${title}<div><table><thead><tr>${head}</tr></thead><tbody>${lines.join("")}</tbody></table></div>`;
}

export function toText({ title, notes, tables }: Page): string {
  const parts = [title, ...notes.map(oneLine), ...tables.map(tableText)];
  return `${parts.join("\n\n")}\n`;
}

function tableText({ heading, columns, rows, empty }: Table): string {
  if (rows.length === 0) return `${heading}\n  ${empty}`;
  const texts = [columns, ...rows].map((row) => row.map((value) => oneLine(show(value))));
  const widths = columns.map((_, i) => Math.max(...texts.map((row) => row[i]?.length ?? 0)));
  const lines = texts.map((row) =>
    row
      .map((text, i) => (isNumeric(rows, i) ? text.padStart(widths[i]!) : text.padEnd(widths[i]!)))
      .join("  ")
      .trimEnd(),
  );
  return [heading, ...lines.map((line) => `  ${line}`)].join("\n");
}

const isNumeric = (rows: Table["rows"], column: number) =>
  rows.every((row) => typeof row[column] === "number");

/** Grouped by thousands: these are read by people. */
const show = (value: Cell) => (typeof value === "number" ? value.toLocaleString("en-US") : value);

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escape = (text: string) => text.replace(/[&<>"']/gu, (character) => entities[character]!);

/** No control character of a foreign text reaches a terminal. */
const oneLine = (text: string) => text.replace(/\p{Cc}+/gu, " ");
