/** The direction of dependencies (docs/architecture.md), read from the imports. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { describe, expect, test } from "@jest/globals";

const root = join(__dirname, "..", "..");
const topFolders = ["src", "receivers", "processors", "exporters", "connectors", "extensions"];

/** Lower may not import higher. Parts of one rank do not import each other unless they are one part. */
const ranks: readonly (readonly string[])[] = [
  ["errors", "clock", "log", "catalogue", "memory"],
  ["transport", "pdata", "regex"],
  ["config"],
  ["component"],
  [
    "net",
    "metrics",
    "prometheus",
    "attribute-actions",
    "ottl",
    "durable-log",
    "self-telemetry",
    "instrument",
  ],
  ["delivery", "tsdb", "promql", "history", "rules", "api"],
  ["engine"],
  ["registry"],
  ["demo"],
  ["cli"],
  ["main", "index"],
];
/** Where a lower part needs only the types of component contracts. */
const typeOnly = new Map([["config", ["component"]]]);
/** Parts of equal rank that may use one another. */
const friends = new Map([
  ["self-telemetry", ["prometheus"]],
  ["instrument", ["metrics", "prometheus"]],
]);

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name));
}

const imports: Import[] = topFolders.flatMap(sources).flatMap((from) => {
  const text = readFileSync(join(root, from), "utf8");
  const found = text.matchAll(
    /^(?:import|export)\s(type\s)?(?:[^;]*?\sfrom\s)?"(\.[^"]+)";|import\("(\.[^"]+)"\)/gmu,
  );
  return [...found].map((match) => ({
    from,
    to: normalize(join(dirname(from), match[2] ?? match[3]!)),
    isType: match[1] !== undefined,
  }));
});

const partOf = (path: string) => path.split("/")[1]!.replace(/\.ts$/u, "");
const rankOf = (part: string) => ranks.findIndex((rank) => rank.includes(part));
const isSrc = (path: string) => path.startsWith("src/");
const show = ({ from, to }: Import) => `${from} -> ${relative(".", to)}`;

describe("dependencies point one way", () => {
  test("every part of src has a rank", () => {
    const parts = new Set(
      imports.filter(({ from }) => isSrc(from)).map(({ from }) => partOf(from)),
    );
    expect([...parts].filter((part) => rankOf(part) < 0)).toEqual([]);
  });

  test("a part of src imports only lower parts", () => {
    const wrong = imports
      .filter(({ from, to }) => isSrc(from) && isSrc(to) && partOf(from) !== partOf(to))
      .filter(({ from, to, isType }) => {
        const [a, b] = [partOf(from), partOf(to)];
        if (friends.get(a)?.includes(b) || (isType && typeOnly.get(a)?.includes(b))) return false;
        return rankOf(b) >= rankOf(a);
      });
    expect(wrong.map(show)).toEqual([]);
  });

  test("only the registry knows component folders", () => {
    const wrong = imports.filter(
      ({ from, to }) => isSrc(from) && !isSrc(to) && from !== "src/registry.ts",
    );
    expect(wrong.map(show)).toEqual([]);
  });

  test("a component imports its own folder and src, not engine, registry or CLI", () => {
    const wrong = imports.filter(({ from, to }) => {
      if (isSrc(from)) return false;
      const own = from.split("/").slice(0, 2).join("/");
      if (!isSrc(to)) return !to.startsWith(`${own}/`);
      return ["engine", "registry", "cli", "main"].includes(partOf(to));
    });
    expect(wrong.map(show)).toEqual([]);
  });
});
