/**
 * `npm run docs`: writes what is generated: configuration tables of component READMEs, the component table of
 * the README, docs/errors.md, schema/pipelines.schema.json. With --check nothing is written and a difference
 * is an error.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { format } from "node:util";
import type { Factory } from "../src/component.ts";
import { jsonSchema } from "../src/config/json-schema.ts";
import { errorCatalogue } from "../src/errors.ts";
import { allFactories } from "../src/registry.ts";
import { configTable } from "./config-table.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const check = process.argv.includes("--check");
const stale: string[] = [];

function write(path: string, text: string): void {
  const file = `${root}${path}`;
  const before = readOrEmpty(file);
  if (before === text) return;
  stale.push(path);
  if (!check) writeFileSync(file, text);
}

function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return "";
  }
}

/** Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->`. */
function fill(path: string, name: string, text: string): void {
  const [begin, end] = [`<!-- ${name}:begin -->`, `<!-- ${name}:end -->`];
  const before = readFileSync(`${root}${path}`, "utf8");
  const from = before.indexOf(begin);
  const to = before.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${path} lacks the markers ${begin} and ${end}`);
  write(path, `${before.slice(0, from + begin.length)}\n${text}\n${before.slice(to)}`);
}

const folder = (factory: Factory) => `${factory.kind}s/${factory.type}`;

function componentTable(factories: readonly Factory[]): string {
  const rows = factories.map((factory) => {
    const aliases = factory.aliases?.length ? ` (also \`${factory.aliases.join("`, `")}\`)` : "";
    return `| ${factory.kind} | [\`${factory.type}\`](${folder(factory)}/README.md)${aliases} | ${signalsOf(factory)} | ${factory.summary} |`;
  });
  return ["| kind | type | signals | what it does |", "|---|---|---|---|", ...rows].join("\n");
}

function signalsOf(factory: Factory): string {
  if (factory.kind === "extension") return "";
  if (factory.kind === "connector")
    return [
      ...new Set(factory.pairs.map(({ from, to }) => (from === to ? from : `${from} to ${to}`))),
    ].join(", ");
  return Object.keys(factory.stability).join(", ");
}

function errorsPage(): string {
  const rows = Object.entries(errorCatalogue).map(
    ([code, { summary, remedy }]) => `| \`${code}\` | ${summary} | ${remedy} |`,
  );
  return [
    "# Errors",
    "",
    "Generated from `src/errors.ts` by `npm run docs`.",
    "",
    "| code | meaning | what to do |",
    "|---|---|---|",
    ...rows,
    "",
  ].join("\n");
}

const factories = await allFactories();
for (const factory of factories)
  fill(`${folder(factory)}/README.md`, "config", configTable(factory.config));
fill("README.md", "components", componentTable(factories));
write("docs/errors.md", errorsPage());
write("schema/pipelines.schema.json", `${JSON.stringify(jsonSchema(factories), null, 2)}\n`);

if (check && stale.length > 0) {
  process.stderr.write(format("Not up to date: %s\nRun: npm run docs\n", stale.join(", ")));
  process.exitCode = 1;
}
