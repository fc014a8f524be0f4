/** No secret of any component is ever shown, however wrong what stands around it is. */
import { expect, test } from "@jest/globals";
import { stringify } from "yaml";
import type { z } from "../../../src/config/fields.ts";
import { formatNotice, formatProblems } from "../../../src/config/problems.ts";
import { printConfig } from "../../../src/config/redact.ts";
import { resolveLoaded } from "../../../src/config/service-config.ts";
import { fieldOf } from "../../../src/config/shape.ts";
import { allFactories, registry } from "../../../src/registry.ts";
import { load } from "./support.ts";

const marker = "s3cr3t-marker-9f8e7d";
type Path = readonly string[];

/** Where a schema has secrets; `*` is any key of a map, `0` the first of a list. */
function secretPaths(schema: z.core.$ZodType, path: Path = [], depth = 0): Path[] {
  if (depth > 8) return [];
  const { def, meta } = fieldOf(schema);
  if (meta.secret === true) return [path];
  const below = (name: string, inner: z.core.$ZodType) =>
    secretPaths(inner, [...path, name], depth + 1);
  if (def.shape !== undefined)
    return Object.entries(def.shape).flatMap(([name, inner]) => below(name, inner));
  if (def.valueType !== undefined) return below("any", def.valueType);
  if (def.element !== undefined) return below("0", def.element);
  return (def.options ?? []).flatMap((option) => secretPaths(option, path, depth + 1));
}

/** A body with a value at a path, and an unknown key beside every step. */
function bodyWith([step, ...rest]: Path, value: unknown): unknown {
  if (step === undefined) return value;
  const inner = bodyWith(rest, value);
  return step === "0" ? [inner] : { [step]: inner, nosuchkey: "x" };
}

const values: readonly unknown[] = [
  marker,
  [marker],
  { key: marker },
  `\${env:TOKEN}`,
  `\${env:UNSET:-${marker}}`,
  `\${file:${marker}}-\${1x}`,
];

test("neither in errors nor in warnings nor in print-config", async () => {
  const bodies = (await allFactories()).flatMap((factory) =>
    secretPaths(factory.config).map((path) => ({ factory, path })),
  );
  expect(bodies.length).toBeGreaterThan(5);
  for (const { factory, path } of bodies) {
    for (const value of values) {
      const text = stringify({ [`${factory.kind}s`]: { [factory.type]: bodyWith(path, value) } });
      const loaded = load(text, { TOKEN: marker });
      const { problems, notices } = await resolveLoaded(loaded, registry);
      const shown = [
        formatProblems(problems),
        ...[...loaded.warnings, ...notices].map(formatNotice),
        await printConfig(loaded.root, { mode: "redacted", format: "yaml", registry }),
      ].join("\n");
      const where = `${factory.kind} ${factory.type} ${path.join("::")}: ${JSON.stringify(value)}`;
      // A key is shown, also where a map stands for a secret; and a path that does not exist.
      const found = shown.includes(marker) && !String(value).includes("file:");
      expect([where, found, found ? shown : ""]).toEqual([where, false, ""]);
    }
  }
});
